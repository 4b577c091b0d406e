"""DatabasePlugin: ties engine, request sessions, start-up policy and command line to Litestar."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import structlog
from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.di import Provide
from litestar.plugins import CLIPlugin, InitPlugin
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app.core.settings import Settings
from app.core.slow_work import tell_when_slow
from app.db.database import create_engine, open_database
from app.db.migrator_config import examine, migrator_config
from app.db.notify import Notifications
from app.db.observation import Observer
from app.db.readiness import Readiness
from app.db.replicas.selection import Replicas, replica_urls
from app.db.request.session import SessionMiddleware, provide_session
from app.db.request.session_info import USES_ASYNCPG
from app.db.request.single_connection import SingleConnectionSession
from app.db.startup_policy import init_db
from app.migrator.signals import cancel_on_signals
from app.postgres.engine import create_unpooled_engine
from app.postgres.errors import DatabaseError
from app.postgres.monitor import disposing
from app.postgres.pool import PoolUsage, usage_of
from app.postgres.settings_error import SettingsError
from app.postgres.url.database_url import DatabaseURL, normalize_database_url

if TYPE_CHECKING:
    from click import Group

log = structlog.stdlib.get_logger(__name__)


class DatabasePlugin(InitPlugin, CLIPlugin):
    """Owns everything between Settings and the session of a request. Raises SettingsError on a wrong URL."""

    def __init__(self, settings: Settings) -> None:
        if settings.database_url is not None:
            normalize_database_url(settings.database_url.reveal())
        replica_urls(settings)
        self.settings = settings
        # True after `server_lifespan`: the lifespan of the application in the same process then skips the policy once.
        self._is_schema_prepared = False
        self._readiness: Readiness | None = None
        self._observer: Observer | None = None
        self._engine: AsyncEngine | None = None
        self._notifications: Notifications | None = None
        self.replicas: Replicas | None = None
        """Set at start-up, if the settings name any."""
        self.sessions: async_sessionmaker[AsyncSession] = async_sessionmaker(
            sync_session_class=SingleConnectionSession, expire_on_commit=False
        )

    @property
    def engine(self) -> AsyncEngine:
        """Return the application's engine. Raises RuntimeError except between start-up and shutdown."""
        if self._engine is None:
            raise RuntimeError("The application has not started: it has no engine yet.")
        return self._engine

    @property
    def notifications(self) -> Notifications:
        """Return the notifications of commits, by any process. Raises RuntimeError as `engine` does."""
        if self._notifications is None:
            raise RuntimeError("The application has not started: it has no notifications yet.")
        return self._notifications

    @property
    def readiness(self) -> Readiness:
        """Return the readiness check of this process. Raises RuntimeError as `engine` does."""
        if self._readiness is None:
            raise RuntimeError("The application has not started: it is not ready yet.")
        return self._readiness

    @property
    def observer(self) -> Observer:
        """Return what reads the database for operators. Raises RuntimeError as `engine` does."""
        if self._observer is None:
            raise RuntimeError("The application has not started: it observes nothing yet.")
        return self._observer

    def pool_usages(self) -> dict[str, PoolUsage]:
        """Return how much of each pool is in use, by the name of its server: the primary, and then each replica."""
        replicas = self.replicas.all if self.replicas else ()
        engines = {"primary": self.engine} | {replica.name: replica.engine for replica in replicas}
        return {name: usage_of(engine) for name, engine in engines.items()}

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        app_config.lifespan.append(self._lifespan)
        app_config.dependencies["db_session"] = Provide(provide_session)
        # First, so that the sign-in has the session, and the session outlives the error renderer.
        app_config.middleware.insert(0, SessionMiddleware(self.sessions, self._notify, lambda: self.replicas))
        return app_config

    def on_cli_init(self, cli: "Group") -> None:
        # Imported here because a server needs no command line.
        from app.migrator.cli.litestar_group import database_group  # noqa: PLC0415

        cli.add_command(database_group(lambda: migrator_config(self.settings), examine))

    @contextmanager
    def server_lifespan(self, app: Litestar) -> Iterator[None]:  # noqa: ARG002 - Litestar's signature
        """Apply the start-up policy before `litestar run` starts its workers; exit with a code if it fails.

        A worker that is a process of its own applies the policy again, and finds nothing left to do.
        """
        try:
            with ExitStack() as stack:
                with tell_when_slow(self._tell_of_start):
                    url = stack.enter_context(open_database(self.settings))
                asyncio.run(_prepare_until_signal(self.settings, url))
                self._is_schema_prepared = True
                yield
        except (DatabaseError, SettingsError) as exc:
            log.error(str(exc))
            sys.exit(exc.exit_code)
        except KeyboardInterrupt:
            sys.exit(130)

    @asynccontextmanager
    async def _lifespan(self, app: Litestar) -> AsyncIterator[None]:  # noqa: ARG002 - Litestar's signature
        async with _entered_in_thread(open_database(self.settings)) as url:
            if not self._is_schema_prepared:
                await self._prepare(url)
            self._is_schema_prepared = False
            self._engine = create_engine(self.settings, url)
            urls = replica_urls(self.settings)
            self.sessions.configure(
                bind=self._engine, default_engine=self._engine.sync_engine, info={USES_ASYNCPG: url.is_asyncpg}
            )
            self._readiness = Readiness(self.settings, url)
            self._observer = Observer(self.settings, url)
            self._notifications = Notifications(self._engine, partial(_direct_engine, self.settings, url, "listening"))
            try:
                async with self._replicas_monitored(url, urls):
                    yield
            finally:
                await self._notifications.close()
                await self._engine.dispose()

    @asynccontextmanager
    async def _replicas_monitored(self, url: DatabaseURL, urls: tuple[DatabaseURL, ...]) -> AsyncIterator[None]:
        if not urls:
            yield
            return
        self.replicas = Replicas(self.settings, urls, partial(_direct_engine, self.settings, url, "watching"))
        async with self.replicas.monitored():
            yield

    def _tell_of_start(self) -> None:
        if self.settings.logs_briefly:
            log.info("starting the database", directory=str(self.settings.data_dir))

    def _notify(self) -> None:
        self.notifications.send()

    async def _prepare(self, url: DatabaseURL) -> None:
        try:
            await init_db(self.settings, url)
        except DatabaseError as exc:
            # Without its cause: a server logs the whole chain, and the driver's error holds SQL.
            raise type(exc)(str(exc)) from None


@asynccontextmanager
async def _direct_engine(settings: Settings, url: DatabaseURL, purpose: str) -> AsyncIterator[AsyncEngine]:
    """Yield an engine for a connection that listens: to MIGRATION_DATABASE_URL, past any pooler, if that is set."""
    direct = settings.migration_database_url
    target = url if direct is None else normalize_database_url(direct.reveal(), "MIGRATION_DATABASE_URL")
    async with disposing(create_unpooled_engine(target, settings.db_pool_timeout, f"plimsoll {purpose}")) as engine:
        yield engine


async def _prepare_until_signal(settings: Settings, url: DatabaseURL) -> None:
    # Only under `litestar run`, before its server sets its own handlers. Another server's handlers are left alone.
    with cancel_on_signals():
        await init_db(settings, url)


@asynccontextmanager
async def _entered_in_thread(manager: AbstractContextManager[DatabaseURL]) -> AsyncIterator[DatabaseURL]:
    """Enter and leave a blocking context in a thread, outside the event loop."""
    url = await asyncio.to_thread(manager.__enter__)
    try:
        yield url
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)

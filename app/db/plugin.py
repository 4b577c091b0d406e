"""DatabasePlugin: the engine, the request's session, the start-up policy and the command line, in one place."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import structlog
from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.di import Provide
from litestar.plugins import CLIPlugin, InitPlugin
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker

from app.core.config import Settings
from app.core.session_info import BY_DRIVER
from app.db.database import create_engine, open_database
from app.db.notify import Notifications
from app.db.readiness import Readiness
from app.db.replicas.selection import Replicas, replica_urls
from app.db.request.prepared import OneConnection
from app.db.request.session import SessionMiddleware, provide_session
from app.db.startup import init_db
from app.migrator.session.signals import ended_by_signals
from app.postgres.engine import create_unpooled_engine
from app.postgres.errors import DatabaseError
from app.postgres.monitor import disposed
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
        # By `litestar run`, whose server then has the same application.
        self._is_prepared = False
        self._readiness: Readiness | None = None
        self._engine: AsyncEngine | None = None
        self._notifications: Notifications | None = None
        self.replicas: Replicas | None = None
        """Where the settings name any; there between start-up and shutdown."""
        self.sessions: async_sessionmaker[AsyncSession] = async_sessionmaker(
            sync_session_class=OneConnection, expire_on_commit=False
        )

    @property
    def engine(self) -> AsyncEngine:
        """The application's engine; there is one between start-up and shutdown."""
        if self._engine is None:
            raise RuntimeError("The application has not started: it has no engine yet.")
        return self._engine

    @property
    def notifications(self) -> Notifications:
        """What was committed by any process; there between start-up and shutdown."""
        if self._notifications is None:
            raise RuntimeError("The application has not started: it has no notifications yet.")
        return self._notifications

    @property
    def readiness(self) -> Readiness:
        """Whether this process can serve; asked between start-up and shutdown."""
        if self._readiness is None:
            raise RuntimeError("The application has not started: it is not ready yet.")
        return self._readiness

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        app_config.lifespan.append(self._lifespan)
        app_config.dependencies["db_session"] = Provide(provide_session)
        # First, so that the session is there for whoever signs the request in, and outlives the error renderer.
        app_config.middleware.insert(0, SessionMiddleware(self.sessions, self._notify, lambda: self.replicas))
        return app_config

    def on_cli_init(self, cli: "Group") -> None:
        # Imported here because a server needs no command line.
        from app.migrator.cli.group import database_group  # noqa: PLC0415

        cli.add_command(database_group(lambda: self.settings))

    @contextmanager
    def server_lifespan(self, app: Litestar) -> Iterator[None]:  # noqa: ARG002 - Litestar's signature
        """Around `litestar run`: the start-up policy before any worker, and its failure as an exit code.

        Each worker that is a process of its own goes through it again, and finds it done.
        """
        try:
            with open_database(self.settings) as url:
                asyncio.run(_prepare_first(self.settings, url))
                self._is_prepared = True
                yield
        except (DatabaseError, SettingsError) as exc:
            log.error(str(exc))
            sys.exit(exc.exit_code)
        except KeyboardInterrupt:
            sys.exit(130)

    @asynccontextmanager
    async def _lifespan(self, app: Litestar) -> AsyncIterator[None]:  # noqa: ARG002 - Litestar's signature
        async with _in_thread(open_database(self.settings)) as url:
            if not self._is_prepared:
                await self._prepare(url)
            self._is_prepared = False
            self._engine = create_engine(self.settings, url)
            urls = replica_urls(self.settings)
            self.sessions.configure(
                bind=self._engine, default_engine=self._engine.sync_engine, info={BY_DRIVER: url.is_asyncpg}
            )
            self._readiness = Readiness(self.settings, url)
            self._notifications = Notifications(self._engine, partial(_direct, self.settings, url, "listening"))
            try:
                async with self._reading(url, urls):
                    yield
            finally:
                await self._notifications.close()
                await self._engine.dispose()

    @asynccontextmanager
    async def _reading(self, url: DatabaseURL, urls: tuple[DatabaseURL, ...]) -> AsyncIterator[None]:
        if not urls:
            yield
            return
        self.replicas = Replicas(self.settings, urls, partial(_direct, self.settings, url, "watching"))
        try:
            async with self.replicas.watched():
                yield
        finally:
            self.replicas = None

    def _notify(self) -> None:
        self.notifications.send()

    async def _prepare(self, url: DatabaseURL) -> None:
        try:
            await init_db(self.settings, url)
        except DatabaseError as exc:
            # Without what it came from: a server logs the whole of it, and the driver's part holds SQL.
            raise type(exc)(str(exc)) from None


@asynccontextmanager
async def _direct(settings: Settings, url: DatabaseURL, what_for: str) -> AsyncIterator[AsyncEngine]:
    """For a connection that listens, which takes the way past a pooler where the settings name one."""
    direct = settings.migration_database_url
    target = url if direct is None else normalize_database_url(direct.reveal(), "MIGRATION_DATABASE_URL")
    async with disposed(create_unpooled_engine(target, settings.db_pool_timeout, f"plimsoll {what_for}")) as engine:
        yield engine


async def _prepare_first(settings: Settings, url: DatabaseURL) -> None:
    # The server that follows has handlers of its own; under another server these signals are that one's.
    with ended_by_signals():
        await init_db(settings, url)


@asynccontextmanager
async def _in_thread(manager: AbstractContextManager[DatabaseURL]) -> AsyncIterator[DatabaseURL]:
    """Enters and leaves a blocking context outside the event loop."""
    url = await asyncio.to_thread(manager.__enter__)
    try:
        yield url
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)

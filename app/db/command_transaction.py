"""Transactions of the command line, outside the server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.core.settings import Settings
from app.db.database import open_database
from app.db.migrator_config import migrator_config
from app.migrator.locking.table_locks import limit_lock_waits, longest_wait
from app.migrator.revisions.loading import load_revisions
from app.migrator.revisions.schema_state import read_state
from app.migrator.signals import cancel_on_signals
from app.models import metadata
from app.postgres.connect import translate_connection_errors, wait_for_database
from app.postgres.engine import create_unpooled_engine
from app.postgres.errors import MigrationFailedError, sqlstate_of
from app.postgres.sqlstate import UNDEFINED_COLUMN, UNDEFINED_TABLE
from app.postgres.url.database_url import DatabaseURL

# undefined_table and undefined_column.
_BEHIND = frozenset({UNDEFINED_TABLE, UNDEFINED_COLUMN})
ResultT = TypeVar("ResultT")


def run_in_transaction(settings: Settings, work: Callable[[AsyncSession], Awaitable[ResultT]]) -> ResultT:
    """Run `work` in a transaction on the database of the settings, commit, and return the result of `work`.

    The transaction is rolled back if `work` raises, and at Ctrl-C or SIGTERM. Raises DatabaseUnreachableError after
    DB_CONNECT_TIMEOUT seconds, MigrationFailedError if the schema lacks what this release uses, and
    InterruptedBySignalError.
    """

    async def run(engine: AsyncEngine) -> ResultT:
        async with (
            AsyncSession(engine, expire_on_commit=False) as session,
            session.begin(),
            limit_lock_waits(await session.connection(), longest_wait(migrator_config(settings))),
        ):
            return await work(session)

    with open_database(settings) as url:
        return asyncio.run(_with_engine(settings, url, run))


async def require_schema(session: AsyncSession, settings: Settings) -> None:
    """Raise MigrationFailedError unless the schema is at head, or ahead in a way that serves this release."""
    state = await (await session.connection()).run_sync(read_state, load_revisions(migrator_config(settings)), metadata)
    if state.pending or state.missing_tables:
        raise MigrationFailedError(
            "The schema is behind this release: run `litestar database upgrade` first, or look at `litestar database"
            " status`."
        )
    if state.broken_by:
        raise MigrationFailedError(
            f"The schema is ahead of this release and does not serve it: {', '.join(state.broken_by)} is a contract"
            " revision, or not recorded in schema_history. Use the release that knows it."
        )


async def _with_engine(
    settings: Settings, url: DatabaseURL, work: Callable[[AsyncEngine], Awaitable[ResultT]]
) -> ResultT:
    with cancel_on_signals():
        await wait_for_database(url, settings.db_connect_timeout)
        engine = create_unpooled_engine(url, settings.db_connect_timeout)
        try:
            async with translate_connection_errors(url):
                return await work(engine)
        except MigrationFailedError as exc:
            if isinstance(exc.__cause__, DBAPIError) and sqlstate_of(exc.__cause__) in _BEHIND:
                raise MigrationFailedError(
                    f"The schema of {url.location} is behind this release: run `litestar database upgrade` first."
                ) from None
            raise

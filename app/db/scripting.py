"""Work of the command line on the database of the settings, outside the server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.core.config import Settings
from app.db.connecting import connected, wait_for_database
from app.db.engine import create_unpooled_engine, database
from app.db.errors import MigrationFailedError, sqlstate_of
from app.db.migrations.interruption import ended_by_signals
from app.db.url import DatabaseURL

# undefined_table and undefined_column.
_BEHIND = frozenset({"42P01", "42703"})
ResultT = TypeVar("ResultT")


def in_transaction(settings: Settings, work: Callable[[AsyncSession], Awaitable[ResultT]]) -> ResultT:
    """What `work` returns, committed; rolled back where it raises, and at Ctrl-C or SIGTERM.

    Raises DatabaseUnreachableError after DB_CONNECT_TIMEOUT seconds, MigrationFailedError for a schema that lacks what
    this release uses, and InterruptedBySignalError.
    """

    async def run(engine: AsyncEngine) -> ResultT:
        async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
            return await work(session)

    with database(settings) as url:
        return asyncio.run(_with_engine(settings, url, run))


async def _with_engine(
    settings: Settings, url: DatabaseURL, work: Callable[[AsyncEngine], Awaitable[ResultT]]
) -> ResultT:
    with ended_by_signals():
        await wait_for_database(settings, url)
        engine = create_unpooled_engine(url, settings.db_connect_timeout)
        try:
            async with connected(url):
                return await work(engine)
        except MigrationFailedError as exc:
            if isinstance(exc.__cause__, DBAPIError) and sqlstate_of(exc.__cause__) in _BEHIND:
                raise MigrationFailedError(
                    f"The schema of {url.location} is behind this release: run `litestar database upgrade` first."
                ) from None
            raise
        finally:
            await engine.dispose()

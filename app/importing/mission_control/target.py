"""Our database, in the transaction that takes everything over."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.importing.mission_control.source import SESSION_SETTINGS, set_locally
from app.postgres.connect import translate_connection_errors
from app.postgres.errors import ASYNCPG_ERRORS
from app.postgres.url.database_url import DatabaseURL

_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('plimsoll.import', 0))"


class Target:
    """Statements in a transaction of our database.

    All methods raise what `translate_connection_errors` raises: an error is not taken for one of the old database.
    """

    def __init__(self, connection: AsyncConnection, url: DatabaseURL) -> None:
        self.location = url.location
        self._connection = connection
        self._url = url

    async def begin(self) -> bool:
        """Prepare the transaction; return False if another import is under way."""
        async with translate_connection_errors(self._url):
            await set_locally(self._connection, SESSION_SETTINGS)
        ((is_alone,),) = await self.fetch(_LOCK)
        return bool(is_alone)

    async def fetch(self, statement: str, **values: object) -> list[tuple[Any, ...]]:
        async with translate_connection_errors(self._url):
            return [tuple(row) for row in await self._connection.execute(text(statement), values)]

    async def analyze(self, tables: Sequence[str]) -> None:
        """Have queries planned for what there is now; a table that this role does not own is left out."""
        async with translate_connection_errors(self._url):
            await self._connection.execute(text(f"ANALYZE {', '.join(tables)}"))

    async def copy_in(self, table: str, columns: Sequence[str], chunks: AsyncIterator[bytes]) -> None:
        """Append the rows of a COPY in text format."""
        async with translate_connection_errors(self._url):
            driver = (await self._connection.get_raw_connection()).driver_connection
            assert driver is not None
            try:
                if isinstance(driver, asyncpg.Connection):
                    # SQLAlchemy begins it with the first statement that goes through it.
                    assert driver.is_in_transaction(), "a copy of its own would be committed at once"
                    await driver.copy_to_table(table, source=_until_lost(driver, chunks), columns=columns)
                else:
                    await _copy_by_psycopg(driver, table, columns, chunks)
            except (*ASYNCPG_ERRORS, self._connection.dialect.loaded_dbapi.Error) as exc:
                # As SQLAlchemy tells of what goes wrong in its own statements.
                raise DBAPIError("COPY", None, exc, hide_parameters=True) from exc


async def _until_lost(driver: asyncpg.Connection, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the chunks, but none to a connection that is lost: asyncpg says so only after the last one."""
    async for chunk in chunks:
        if driver.is_closed():
            return
        yield chunk


async def _copy_by_psycopg(driver: Any, table: str, columns: Sequence[str], chunks: AsyncIterator[bytes]) -> None:  # noqa: ANN401 - optional
    async with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy,
    ):
        async for chunk in chunks:
            await copy.write(chunk)

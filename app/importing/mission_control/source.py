"""The old database, of which everything is read in one snapshot."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.importing.mission_control.mapping import ISSUER, KEY
from app.postgres.connect import open_connection, translate_connection_errors
from app.postgres.errors import ASYNCPG_ERRORS
from app.postgres.url.database_url import DatabaseURL, normalize_database_url

# Both databases write the same values as the same texts, no role's limit ends what takes long, and most sorts need no
# file.
SESSION_SETTINGS: Final = {
    "timezone": "UTC",
    "datestyle": "ISO, MDY",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "work_mem": "64MB",
}
_SET_LOCALLY = text("SELECT set_config(:name, :value, true)")


def parse_source_url(url: str) -> DatabaseURL:
    """Parse a URL as the old backend has it, for any driver. Raises SettingsError, which calls it URL."""
    scheme, separator, rest = url.partition("://")
    return normalize_database_url(f"{scheme.partition('+')[0]}{separator}{rest}", "URL")


class Source:
    """Queries of the old database. Inside of `open_snapshot` all methods raise DatabaseErrors only."""

    def __init__(self, connection: AsyncConnection, url: DatabaseURL) -> None:
        self.location = url.location
        self._connection = connection
        self._url = url

    async def fetch(self, statement: str) -> list[tuple[Any, ...]]:
        async with translate_connection_errors(self._url):
            return [tuple(row) for row in await self._connection.exec_driver_sql(statement)]

    @asynccontextmanager
    async def stream(self, statement: str) -> AsyncIterator[AsyncIterator[Any]]:
        """Yield the rows of a query, without holding many of them."""
        async with translate_connection_errors(self._url), self._connection.stream(text(statement)) as rows:
            yield rows

    async def copy_out(self, query: str, write: Callable[[bytes], Awaitable[None]]) -> None:
        """Write the rows of a query in COPY's text format, some whole lines at a time."""
        async with translate_connection_errors(self._url):
            driver = (await self._connection.get_raw_connection()).driver_connection
            assert isinstance(driver, asyncpg.Connection)
            try:
                await driver.copy_from_query(query, output=write)
            except ASYNCPG_ERRORS as exc:
                # As SQLAlchemy tells of what goes wrong in its own statements.
                raise DBAPIError("COPY", None, exc, hide_parameters=True) from exc


@asynccontextmanager
async def open_snapshot(url: DatabaseURL, seconds: float, key: str, issuer: str) -> AsyncIterator[Source]:
    """Yield the database in a transaction that reads one moment and cannot write. Raises as `open_connection`.

    `key` are random characters; `issuer` stands before the subject of those who sign in by an issuer.
    """
    async with open_connection(url, seconds, "plimsoll import") as connection:
        await connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # Policies are an error, since rows that they hide would be lost without a word.
        settings = {**SESSION_SETTINGS, "row_security": "off", KEY: key, ISSUER: issuer}
        await set_locally(connection, settings)
        yield Source(connection, url)


async def set_locally(connection: AsyncConnection, settings: Mapping[str, str]) -> None:
    """Change settings of the session until the transaction ends."""
    for name, value in settings.items():
        await connection.execute(_SET_LOCALLY, {"name": name, "value": value})

"""Many rows at once, by PostgreSQL's COPY."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession


async def copy_rows(session: AsyncSession, table: str, columns: Sequence[str], rows: Collection[Sequence[Any]]) -> None:
    """Append rows in the session's transaction, past its identity map. Defaults fill the other columns."""
    connection = await session.connection()
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    try:
        if isinstance(driver, asyncpg.Connection):
            # SQLAlchemy begins it with the first statement that goes through it.
            assert driver.is_in_transaction(), "a copy of its own would be committed at once"
            await driver.copy_records_to_table(table, records=rows, columns=columns)
        else:
            await _copy_by_psycopg(driver, table, columns, rows)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, connection.dialect.loaded_dbapi.Error) as exc:
        # As SQLAlchemy tells of what goes wrong in its own statements.
        raise DBAPIError("COPY", None, exc, hide_parameters=True) from exc


async def _copy_by_psycopg(driver: Any, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:  # noqa: ANN401 - optional
    async with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy,
    ):
        for row in rows:
            await copy.write_row(row)

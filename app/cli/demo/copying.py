"""Many rows at once, by PostgreSQL's COPY."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Base


class CopyWriter:
    """Writes rows in the session's transaction, past its identity map."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def copy(self, model: type[Base], columns: Sequence[str], rows: Collection[Sequence[Any]]) -> None:
        """Append the rows, values in the order of `columns`, JSON as text. Defaults fill the other columns."""
        connection = await self._session.connection()
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        try:
            if isinstance(driver, asyncpg.Connection):
                # SQLAlchemy begins it with the first statement that goes through it.
                assert driver.is_in_transaction(), "a copy of its own would be committed at once"
                await driver.copy_records_to_table(model.__tablename__, records=rows, columns=columns)
            else:
                await _by_psycopg(driver, model.__tablename__, columns, rows)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, connection.dialect.loaded_dbapi.Error) as exc:
            # As SQLAlchemy tells of what goes wrong in its own statements.
            raise DBAPIError("COPY", None, exc, hide_parameters=True) from exc

    async def analyze(self, models: Iterable[type[Base]]) -> None:
        """Have queries planned for what there is now; a table that this role does not own is left out."""
        names = ", ".join(model.__tablename__ for model in models)
        await self._session.execute(text(f"ANALYZE {names}"))


async def _by_psycopg(driver: Any, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:  # noqa: ANN401 - optional
    async with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy,
    ):
        for row in rows:
            await copy.write_row(row)

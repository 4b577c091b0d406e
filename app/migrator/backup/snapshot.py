"""A snapshot of a database, kept while its rows are counted and dumped."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from ...postgres.connect import open_connection
from ...postgres.errors import BackupError, error_summary
from ...postgres.url.database_url import DatabaseURL
from ..config import MigratorConfig
from ..locking.table_locks import limit_lock_waits, longest_wait
from ..signals import cancel_on_signals
from .contents import count_statement, revisions_of, table_names
from .manifest import BackupProgress, Report

# Each setting, and the first major version that knows it.
_NO_LIMITS = (
    ("statement_timeout", 0),
    ("idle_in_transaction_session_timeout", 0),
    ("transaction_timeout", 17),
)
_ATTEMPTS = 10
_ABOUT = text("SELECT now() AS taken_at, current_database() AS database, current_setting('server_version') AS server")


@dataclass(frozen=True)
class ExportedSnapshot:
    """`id` is for `pg_dump --snapshot`; `tables` are all tables but extensions', locked against DDL."""

    id: str
    taken_at: datetime
    database: str
    server: str
    revisions: tuple[str, ...]
    tables: tuple[str, ...]


@asynccontextmanager
async def session(config: MigratorConfig, url: DatabaseURL, doing: str) -> AsyncIterator[AsyncConnection]:
    """Connect for long work, which `doing` names. Raises DatabaseUnreachableError and BackupError."""
    with cancel_on_signals():
        async with open_connection(url, config.connect_timeout, f"{config.application} backups") as connection:
            try:
                async with limit_lock_waits(connection, longest_wait(config)):
                    yield connection
            except DBAPIError as exc:
                if exc.connection_invalidated:
                    raise
                raise BackupError(f"{doing} failed: {error_summary(exc)}.") from exc


def server_version(connection: AsyncConnection) -> int:
    return int((connection.dialect.server_version_info or (0,))[0])


@asynccontextmanager
async def export_snapshot(connection: AsyncConnection) -> AsyncIterator[ExportedSnapshot]:
    """Yield a snapshot that other sessions can use until the block ends. Raises BackupError."""
    await connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    for _ in range(_ATTEMPTS):
        tables = await connection.run_sync(table_names)
        await connection.rollback()
        # The locks come before the snapshot: a table that an ALTER rewrites in between would look empty in it.
        await _lock(connection, tables)
        snapshot = await _export(connection)
        if snapshot.tables == tables:
            yield snapshot
            return
        await connection.rollback()
    raise BackupError("The tables kept changing while the backup began: try again once no migration runs.")


async def count_rows(connection: AsyncConnection, tables: tuple[str, ...], report: Report) -> dict[str, int]:
    """Return the number of each table's rows."""
    rows = {}
    for number, table in enumerate(tables):
        report(BackupProgress("Counting rows", number, len(tables), "tables", table))
        rows[table] = (await connection.exec_driver_sql(count_statement(table))).scalar_one()
    report(BackupProgress("Counting rows", len(tables), len(tables), "tables"))
    return rows


async def _lock(connection: AsyncConnection, tables: tuple[str, ...]) -> None:
    for name, since in _NO_LIMITS:
        if server_version(connection) >= since:
            await connection.execute(text(f"SET LOCAL {name} = 0"))
    # It fails if a policy hides rows, because the backup would lack them.
    await connection.execute(text("SET LOCAL row_security = off"))
    if tables:
        await connection.exec_driver_sql(f"LOCK TABLE ONLY {', ONLY '.join(tables)} IN ACCESS SHARE MODE")


async def _export(connection: AsyncConnection) -> ExportedSnapshot:
    identifier = await connection.scalar(text("SELECT pg_export_snapshot()"))
    about = (await connection.execute(_ABOUT)).one()
    return ExportedSnapshot(
        id=str(identifier),
        taken_at=about.taken_at,
        database=about.database,
        server=about.server,
        revisions=await connection.run_sync(revisions_of),
        tables=await connection.run_sync(table_names),
    )

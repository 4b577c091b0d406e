"""Read tables that somebody may hold under ACCESS EXCLUSIVE for long: a restore, a change by hand, VACUUM FULL."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from ...postgres.errors import MigrationFailedError, sqlstate_of
from ...postgres.sqlstate import LOCK_NOT_AVAILABLE
from ..command_names import command
from ..config import MigratorConfig
from ..engine_tables import version_table_options
from .deadline import Deadline
from .migration_lock import describe_session

_SHOWN = 3
# Includes sessions that wait to lock a table, since all others wait behind them. The version table is read first.
_HOLDERS = text(
    """
    SELECT held.pid, coalesce(host(activity.client_addr), 'local socket') AS host,
           activity.application_name AS application, activity.xact_start AS since,
           min(their.relname) FILTER (WHERE their.relname = :versions) IS NOT NULL AS has_versions,
           coalesce(min(their.relname) FILTER (WHERE their.relname = :versions), min(their.relname)) AS relation,
           count(*) - 1 AS others
    FROM pg_locks AS held
    JOIN pg_class AS their ON their.oid = held.relation AND their.relkind IN ('r', 'p')
        AND their.relnamespace = CAST(current_schema() AS regnamespace)
    JOIN pg_stat_activity AS activity ON activity.pid = held.pid
    WHERE held.locktype = 'relation' AND held.mode = 'AccessExclusiveLock' AND held.pid <> pg_backend_pid()
        AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    GROUP BY held.pid, held.granted, activity.client_addr, activity.application_name, activity.xact_start
    ORDER BY has_versions DESC, held.granted DESC, activity.xact_start
    """
)

P = ParamSpec("P")
T = TypeVar("T")
log = structlog.stdlib.get_logger(__name__)


class TableLockedError(MigrationFailedError):
    """A table could not be read because somebody holds it; nothing was changed."""


def longest_wait(config: MigratorConfig) -> float:
    """Return for how many seconds work outside of the migration lock waits for somebody else's migration."""
    return max(config.lock_wait, config.lock_timeout)


@asynccontextmanager
async def limit_lock_waits(
    connection: AsyncConnection, seconds: float, *, in_one_snapshot: bool = False
) -> AsyncIterator[None]:
    """Limit how many seconds a statement within this context waits for a lock.

    The limit belongs to each transaction, so that a pooler's next client does not inherit it. With `in_one_snapshot` a
    transaction sees the database at one moment. Raises TableLockedError, which says who holds the table, after rolling
    the transaction back.
    """
    limited: object = None

    def limit(connection: Connection, *_: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
        nonlocal limited
        if (transaction := connection.get_transaction()) is not limited:
            limited = transaction
            if in_one_snapshot:
                # Otherwise another process might commit a revision between two questions about the schema.
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {round(seconds * 1000)}")

    event.listen(connection.sync_connection, "before_cursor_execute", limit)
    try:
        yield
    except DBAPIError as exc:
        if sqlstate_of(exc) != LOCK_NOT_AVAILABLE:
            raise
        await connection.rollback()
        holders = await connection.run_sync(describe_holders)
        await connection.rollback()
        raise TableLockedError(
            f"A table could not be read within {seconds:g} s: {holders}, as another migration or a restore does. Wait"
            f" for that to end; `{command('doctor')}` shows more."
        ) from exc
    finally:
        event.remove(connection.sync_connection, "before_cursor_execute", limit)


async def read_when_unlocked(
    connection: AsyncConnection,
    deadline: Deadline,
    seconds: float,
    read: Callable[Concatenate[Connection, P], T],
    *arguments: P.args,
    **options: P.kwargs,
) -> T:
    """Return what `read` returns; call it again until the deadline while somebody holds a table that it needs.

    `seconds` is the limit of each attempt. Raises TableLockedError.
    """
    is_told = False
    while True:
        try:
            async with limit_lock_waits(connection, seconds, in_one_snapshot=True):
                return await connection.run_sync(read, *arguments, **options)
        except TableLockedError as exc:
            if deadline.has_passed:
                raise
            if not is_told:
                log.info("waiting for another migration or a restore", reason=str(exc))
            is_told = True


def describe_holders(connection: Connection) -> str:
    """Return a description of the sessions that hold tables of the schema, or wait to, so that nobody can read them."""
    found = connection.execute(_HOLDERS, {"versions": version_table_options()["version_table"]}).all()
    if not found:
        return "who held it, or rows of it, is not to be seen any more"
    words = [
        f"{describe_session(row, 'in a transaction')} holds, or waits for, the table {row.relation}"
        + (f" and {row.others} more" if row.others else "")
        for row in found[:_SHOWN]
    ]
    return "; ".join(words)

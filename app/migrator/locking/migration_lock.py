"""The lock that allows one schema change at a time in a database, over any number of processes and hosts."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog
from sqlalchemy import Connection, Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ...postgres.errors import MigrationFailedError
from ...postgres.pooler import is_pooled
from .deadline import Deadline

# Any constant does, as long as every release uses the same one: the bytes of "plimsoll".
LOCK_KEY = int.from_bytes(b"plimsoll", "big")
_POLL_SECONDS = 0.1
_REPORT_SECONDS = 5.0


def held_as_sql(key: int) -> str:
    """Return the SQL condition that a row `held` of pg_locks is a session's lock of this key in the same database."""
    return f"""
    held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
    AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (held.classid::bigint << 32) | held.objid::bigint = {key}
"""  # noqa: S608 - a number


_HELD = held_as_sql(LOCK_KEY)
# SQL, also for a script that somebody else runs.
HELD_BY_ME = f"EXISTS (SELECT FROM pg_locks AS held WHERE held.pid = pg_backend_pid() AND {_HELD})"
# SQL for the sessions that hold it.
HOLDERS = f"SELECT held.pid FROM pg_locks AS held WHERE {_HELD}"  # noqa: S608 - a constant
_HOLDER = text(
    f"""
    SELECT activity.pid, coalesce(host(activity.client_addr), 'local socket') AS host,
           activity.application_name AS application, activity.backend_start AS since
    FROM pg_locks AS held
    JOIN pg_stat_activity AS activity ON activity.pid = held.pid
    WHERE {_HELD}
    -- Before a program that works for the holder.
    ORDER BY activity.backend_start
    """  # noqa: S608 - a constant
)
_HOLDS_LOCK = text(f"SELECT {HELD_BY_ME}")
_TRY = text(f"SELECT pg_try_advisory_lock({LOCK_KEY})")
_SESSION_HOLDS_LOCK = text(f"SELECT pg_backend_pid(), {HELD_BY_ME}")
_SHARE = (text(f"SELECT pg_advisory_lock_shared({LOCK_KEY})"), text(f"SELECT pg_advisory_unlock({LOCK_KEY})"))
# SQL for the transaction of a program, which returns as JSON whether it holds the lock, too, from now on.
JOIN_HOLDER = f"SELECT to_json(pg_try_advisory_xact_lock_shared({LOCK_KEY}))"

_POOLED = (
    "The connection goes through a pooler that gives every transaction another session (PgBouncer in transaction"
    " mode): the lock for schema changes would not hold. Set MIGRATION_DATABASE_URL to the server itself, or to a pool"
    " in session mode."
)
_RELEASED = (
    "it lets go of the lock for schema changes, so that another one could have come in between. Take"
    " pg_advisory_unlock_all() and DISCARD ALL out of it."
)

log = structlog.stdlib.get_logger(__name__)


@asynccontextmanager
async def migration_lock(
    connection: AsyncConnection, deadline: Deadline, prepare: Callable[[Connection], None] | None = None
) -> AsyncIterator[None]:
    """Hold the advisory lock for schema changes on the very connection that makes them.

    So the lock and the work end together: where a process is killed and the server still runs its statement, the lock
    is kept until the statement ends, and a lost session cannot lose the lock alone. The lock is freed with the
    connection, which must not go back to a pool.

    Waits until the deadline, then raises MigrationFailedError, which says who holds the lock. Raises it at once where
    the connection goes through a pooler in transaction mode. `prepare` is called before the wait, once that is ruled
    out.
    """
    # Session lock, not transaction lock: CONCURRENTLY commits in the middle of a revision.
    if await connection.run_sync(holds_lock) or await is_pooled(connection):
        raise MigrationFailedError(_POOLED)
    if prepare is not None:
        await connection.run_sync(prepare)
    await _acquire(connection, deadline)
    yield


async def share_lock(connection: AsyncConnection) -> None:
    """Let a program that works for the holder of the lock hold it as well (JOIN_HOLDER).

    Nobody else gets the lock before both have released it: if the holder is killed, the next one waits for its program.
    """
    for statement in _SHARE:
        await connection.execute(statement)
    await connection.rollback()


def require_lock(connection: Connection, session: int | None = None) -> int:
    """Return the process id of the session, which must hold the lock; `session` is the one that held it before.

    Raises MigrationFailedError where it does not hold the lock.
    """
    ours, holds = connection.execute(_SESSION_HOLDS_LOCK).one()
    if not holds:
        raise MigrationFailedError(_RELEASED if session == ours else _POOLED)
    return int(ours)


def holds_lock(connection: Connection) -> bool:
    return bool(connection.scalar(_HOLDS_LOCK))


def holder_of_lock(connection: Connection) -> str | None:
    """Return a description of the lock's holder, as far as PostgreSQL shows it to our role; None if nobody holds it."""
    row = connection.execute(_HOLDER).first()
    return None if row is None else describe_session(row, "connected")


def describe_session(row: Row[Any], doing: str) -> str:
    """Return the session with this `pid`, `host` and `application`, which has been `doing` something `since`."""
    # PostgreSQL shows nothing more about another role's session, unless ours has pg_read_all_stats.
    if row.since is None:
        return f"process {row.pid} (of another database role)"
    since = f"{row.since:%Y-%m-%d %H:%M:%S}"
    return f"process {row.pid} ({row.host}, application {row.application!r}, {doing} since {since})"


async def _acquire(connection: AsyncConnection, deadline: Deadline) -> None:
    # Polled, because a statement that waits holds a snapshot, which CREATE INDEX CONCURRENTLY would wait for.
    reported = time.monotonic()
    while not await _try_lock(connection):
        if deadline.has_passed:
            holder = await connection.run_sync(holder_of_lock) or "a process that has just let go of it"
            raise MigrationFailedError(
                f"The lock for schema changes was not free within {deadline.seconds:g} s: it is held by {holder}."
                " Wait for that migration to end, or raise DB_MIGRATE_LOCK_WAIT."
            )
        if (now := time.monotonic()) - reported >= _REPORT_SECONDS:
            reported = now
            log.info("waiting for the migration lock", holder=await connection.run_sync(holder_of_lock))
            await connection.rollback()
        await asyncio.sleep(_POLL_SECONDS)


async def _try_lock(connection: AsyncConnection) -> bool:
    taken = await connection.scalar(_TRY)
    # Ends the transaction, for the sake of statements that wait for old ones; a session lock outlives it.
    await connection.rollback()
    return bool(taken)

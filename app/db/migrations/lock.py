"""One schema change at a time in a database, over any number of processes and hosts."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.errors import MigrationFailedError

# Any constant does, as long as every release uses the same one: the bytes of "plimsoll".
LOCK_KEY = int.from_bytes(b"plimsoll", "big")
_POLL_SECONDS = 0.1
_REPORT_SECONDS = 5.0

_HOLDER = text(
    """
    SELECT activity.pid, coalesce(host(activity.client_addr), 'local socket') AS host,
           activity.application_name AS application, activity.backend_start AS since
    FROM pg_locks AS held
    JOIN pg_stat_activity AS activity ON activity.pid = held.pid
    WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
      AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND (held.classid::bigint << 32) | held.objid::bigint = :key
    """
)

log = structlog.stdlib.get_logger(__name__)


@asynccontextmanager
async def migration_lock(connection: AsyncConnection, wait: float) -> AsyncIterator[None]:
    """Holds the advisory lock for schema changes on the very connection that makes them.

    So the lock and the work end together: a killed process's statement that the server still runs keeps the lock until
    it is over, and a session that is lost cannot lose the lock alone. It is freed with the connection, which must not
    go back to a pool. Waits up to `wait` seconds, then raises MigrationFailedError, which says who holds it.
    """
    # Session lock, not transaction lock: CONCURRENTLY commits in the middle of a revision.
    await _acquire(connection, wait)
    yield


async def _acquire(connection: AsyncConnection, wait: float) -> None:
    # Polled, because a statement that waits holds a snapshot, which CREATE INDEX CONCURRENTLY would wait for.
    started = time.monotonic()
    reported = started
    while not await _try(connection):
        now = time.monotonic()
        if now - started >= wait:
            raise MigrationFailedError(
                f"The lock for schema changes was not free within {wait:g} s: it is held by"
                f" {await _holder(connection)}. Wait for that migration to end, or raise DB_MIGRATE_LOCK_WAIT."
            )
        if now - reported >= _REPORT_SECONDS:
            reported = now
            log.info("waiting for the migration lock", holder=await _holder(connection))
        await asyncio.sleep(_POLL_SECONDS)


async def _try(connection: AsyncConnection) -> bool:
    taken = await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK_KEY})
    # Ends the transaction that the look began, for the sake of what waits for old ones; a session lock outlives it.
    await connection.rollback()
    return bool(taken)


async def _holder(connection: AsyncConnection) -> str:
    row = (await connection.execute(_HOLDER, {"key": LOCK_KEY})).first()
    if row is None:
        return "a process that has just let go of it"
    # Of another role's session PostgreSQL shows only that it is there, unless ours has pg_read_all_stats.
    if row.since is None:
        return f"process {row.pid} (of another database role)"
    since = f"{row.since:%Y-%m-%d %H:%M:%S}"
    return f"process {row.pid} ({row.host}, application {row.application!r}, connected since {since})"

"""The schema change that is under way: which step it is at, whether it waits for a table, and who waits for it."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

from .engine_tables import HISTORY_TABLE
from .locking.migration_lock import HOLDERS
from .revisions.history import has_history
from .units import Seconds

# pg_locks shows every session's locks to every role, unlike pg_stat_activity.
_READ = text(
    f"""
    WITH holders AS MATERIALIZED (SELECT array_agg(pid) AS pids FROM ({HOLDERS}) AS holder)
    SELECT step.revision, step.phase, step.direction, step.retries,
           extract(epoch FROM clock_timestamp() - step.started_at)::float8 AS seconds,
           (SELECT extract(epoch FROM clock_timestamp() - min(coalesce(wanted.waitstart, clock_timestamp())))::float8
            FROM pg_locks AS wanted WHERE NOT wanted.granted AND wanted.pid = ANY(holders.pids)) AS lock_wait,
           (SELECT count(DISTINCT blocked.pid) FROM pg_locks AS blocked
            WHERE NOT blocked.granted AND blocked.pid <> ALL(holders.pids)
                AND pg_blocking_pids(blocked.pid) && holders.pids) AS blocked_sessions
    FROM holders CROSS JOIN (SELECT * FROM {HISTORY_TABLE} ORDER BY id DESC LIMIT 1) AS step
    WHERE step.outcome = 'running' AND holders.pids IS NOT NULL
    """  # noqa: S608 - constants
)


@dataclass(frozen=True)
class StepUnderWay:
    """A step that has begun `seconds` ago, and whose process still holds the lock for schema changes.

    `retries` is how often it has found a table in use and tried again, `lock_wait` for how long it waits for one now,
    None if it does not. `blocked_sessions` are those that wait for a lock until it goes on.
    """

    revision: str
    phase: str
    direction: str
    retries: int
    seconds: Seconds
    lock_wait: Seconds | None
    blocked_sessions: int


def read_step_under_way(connection: Connection) -> StepUnderWay | None:
    """Return the step that is under way; None if there is none, also where a killed one has left its record."""
    if not has_history(connection):
        return None
    row = connection.execute(_READ).mappings().first()
    return None if row is None else StepUnderWay(**row)

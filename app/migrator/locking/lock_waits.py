"""Which sessions of the database wait for a lock, and who holds them up.

It never shows a query's text, which may hold values.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, text

from ..durations import format_duration
from .migration_lock import HOLDERS

_SESSIONS = text(
    """
    SELECT pid, usename AS role, application_name AS application, coalesce(host(client_addr), 'local socket') AS host,
           state, wait_event_type || '/' || wait_event AS waits_for,
           extract(epoch FROM clock_timestamp() - xact_start)::float8 AS in_transaction,
           extract(epoch FROM clock_timestamp() - state_change)::float8 AS in_state
    FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    """
)
# Who waits for a row waits for the transaction that has it, and meanwhile holds a lock that names the table.
_WAITING = text(
    f"""
    SELECT pid, pg_blocking_pids(pid) AS blockers, pid IN ({HOLDERS}) AS is_migration,
           max(extract(epoch FROM clock_timestamp() - waitstart))::float8 AS seconds,
           string_agg(DISTINCT mode, ', ') AS mode,
           coalesce(
               string_agg(DISTINCT relation::regclass::text, ', '),
               (SELECT 'a row of ' || relation::regclass FROM pg_locks AS row
                WHERE row.pid = waiting.pid AND row.locktype = 'tuple' LIMIT 1),
               min(locktype)
           ) AS what
    FROM pg_locks AS waiting
    WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())
    GROUP BY pid ORDER BY 4 DESC NULLS LAST
    """  # noqa: S608 - a constant
)
_IDLE = "idle in transaction"


@dataclass(frozen=True)
class Session:
    """A row of pg_stat_activity; without pg_read_all_stats most is None for the sessions of other roles."""

    pid: int
    role: str | None
    application: str | None
    host: str
    state: str | None
    waits_for: str | None
    in_transaction: float | None
    in_state: float | None

    def __str__(self) -> str:
        if self.state is None:
            return f"process {self.pid} (role {self.role}, more is not visible to ours)"
        told = [f"role {self.role}", f"application {self.application!r}", self.host, self.state]
        told[-1] += f" for {format_duration(self.in_state)}" if self.in_state is not None else ""
        told += (
            [f"transaction open for {format_duration(self.in_transaction)}"] if self.in_transaction is not None else []
        )
        told += [f"waits for {self.waits_for}"] if self.waits_for and self.state == "active" else []
        return f"process {self.pid} ({', '.join(told)})"

    @property
    def is_idle_in_transaction(self) -> bool:
        """Whether it has a transaction and does nothing."""
        return (self.state or "").startswith(_IDLE)


@dataclass(frozen=True)
class Blocker:
    """Who holds a session up; `session` is None for a prepared transaction (process 0), and for one that has ended."""

    pid: int
    session: Session | None

    def __str__(self) -> str:
        return str(self.session or ("a prepared transaction" if self.pid == 0 else f"process {self.pid}"))


@dataclass(frozen=True)
class LockWait:
    """A session that waits for `what`; `is_migration` says that it holds the lock for schema changes."""

    pid: int
    session: Session | None
    is_migration: bool
    seconds: float | None
    mode: str
    what: str
    blockers: tuple[Blocker, ...]

    def __str__(self) -> str:
        return str(self.session or f"process {self.pid}")


def read_lock_waits(connection: Connection) -> list[LockWait]:
    """Return who waits for a lock, the longest first."""
    waiting = connection.execute(_WAITING).all()
    sessions = read_sessions(connection) if waiting else {}
    return [
        LockWait(
            pid=row.pid,
            session=sessions.get(row.pid),
            is_migration=row.is_migration,
            seconds=row.seconds,
            mode=row.mode,
            what=row.what,
            blockers=tuple(Blocker(pid, sessions.get(pid)) for pid in dict.fromkeys(row.blockers)),
        )
        for row in waiting
    ]


def read_sessions(connection: Connection) -> Mapping[int, Session]:
    """Return the other sessions of the database by their process ids."""
    return {row["pid"]: Session(**row) for row in connection.execute(_SESSIONS).mappings()}

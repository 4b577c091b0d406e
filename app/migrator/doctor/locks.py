"""What happens in the database now: who holds the migration lock, who blocks whom, and for how long.

It never shows a query's text, which may hold values.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from ..durations import format_duration
from ..locking.migration_lock import holder_of_lock
from .finding import CheckContext, Finding, note, ok, warning

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
    """
    SELECT pid, pg_blocking_pids(pid) AS blockers,
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
    GROUP BY pid ORDER BY 3 DESC NULLS LAST
    """
)
_PREPARED = text(
    """
    SELECT gid, owner, extract(epoch FROM clock_timestamp() - prepared)::float8 AS seconds
    FROM pg_prepared_xacts WHERE database = current_database()
      AND prepared < clock_timestamp() - make_interval(secs => :seconds) ORDER BY prepared
    """
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


def lock(connection: Connection, _: CheckContext) -> Iterator[Finding]:
    holder = holder_of_lock(connection)
    if holder is None:
        yield ok("Nobody holds the migration lock.")
    else:
        yield note(f"The migration lock is held by {holder}.", "A migration is running: another one waits for it.")


def blocked(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    waiting = connection.execute(_WAITING).all()
    if not waiting:
        yield ok("Nobody waits for a lock.")
        return
    sessions = _sessions(connection)
    for row in waiting:
        for blocker in dict.fromkeys(row.blockers):
            yield _blocked_by(row, blocker, sessions, context)


def transactions(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    limit = context.limits.long_transaction
    long = [s for s in _sessions(connection).values() if (s.in_transaction or 0) > limit]
    prepared = connection.execute(_PREPARED, {"seconds": limit}).all()
    if not long and not prepared:
        yield ok(f"No transaction is open for more than {format_duration(limit)}.")
    for session in sorted(long, key=lambda found: -(found.in_transaction or 0)):
        yield warning(
            f"A transaction is open for {format_duration(session.in_transaction or 0)}: {session}.",
            "CREATE INDEX CONCURRENTLY waits for it to end, and so does an ALTER of what it has touched.",
            _end(session.pid, session, context),
        )
    for row in prepared:
        yield warning(
            f"The prepared transaction {row.gid!r} of {row.owner} is open for {format_duration(row.seconds)}.",
            "It holds its locks until somebody ends it, even over a restart.",
            context.psql("ROLLBACK PREPARED '" + row.gid.replace("'", "''") + "'"),
        )


def _blocked_by(row: Any, blocker: int, sessions: Mapping[int, Session], context: CheckContext) -> Finding:  # noqa: ANN401
    waiter = sessions.get(row.pid)
    # A blocker of pid 0 is a prepared transaction.
    by = sessions.get(blocker) or ("a prepared transaction" if blocker == 0 else f"process {blocker}")
    since = "" if row.seconds is None else f" for {format_duration(row.seconds)}"
    return warning(
        f"{_capital(str(waiter or f'process {row.pid}'))} waits{since} for {row.mode} on {row.what}, held up by {by}.",
        "Whoever wants the same comes to stand behind it; a migration that waits stops requests in this way.",
        context.psql("SELECT gid, prepared, owner FROM pg_prepared_xacts")
        if blocker == 0
        else _end(blocker, sessions.get(blocker), context),
    )


def _end(pid: int, session: Session | None, context: CheckContext) -> str:
    """Return the command that frees what the session holds.

    Cancelling ends a statement; an idle session has none, so the session has to end.
    """
    idle = session is not None and session.is_idle_in_transaction
    return context.psql(f"SELECT {'pg_terminate_backend' if idle else 'pg_cancel_backend'}({pid})")


def _sessions(connection: Connection) -> dict[int, Session]:
    return {row["pid"]: Session(**row) for row in connection.execute(_SESSIONS).mappings()}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

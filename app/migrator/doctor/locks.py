"""What happens in the database now: who holds the migration lock, who blocks whom, and for how long.

It never shows a query's text, which may hold values.
"""

from collections.abc import Iterator

from sqlalchemy import Connection, text

from ..durations import format_duration
from ..locking.lock_waits import Blocker, LockWait, Session, read_lock_waits, read_sessions
from ..locking.migration_lock import holder_of_lock
from .finding import CheckContext, Finding, note, ok, warning

_PREPARED = text(
    """
    SELECT gid, owner, extract(epoch FROM clock_timestamp() - prepared)::float8 AS seconds
    FROM pg_prepared_xacts WHERE database = current_database()
      AND prepared < clock_timestamp() - make_interval(secs => :seconds) ORDER BY prepared
    """
)


def lock(connection: Connection, _: CheckContext) -> Iterator[Finding]:
    holder = holder_of_lock(connection)
    if holder is None:
        yield ok("Nobody holds the migration lock.")
    else:
        yield note(f"The migration lock is held by {holder}.", "A migration is running: another one waits for it.")


def blocked(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    waiting = read_lock_waits(connection)
    if not waiting:
        yield ok("Nobody waits for a lock.")
    for wait in waiting:
        for blocker in wait.blockers:
            yield _blocked_by(wait, blocker, context)


def transactions(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    limit = context.limits.long_transaction
    long = [s for s in read_sessions(connection).values() if (s.in_transaction or 0) > limit]
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


def _blocked_by(wait: LockWait, blocker: Blocker, context: CheckContext) -> Finding:
    since = "" if wait.seconds is None else f" for {format_duration(wait.seconds)}"
    return warning(
        f"{_capital(str(wait))} waits{since} for {wait.mode} on {wait.what}, held up by {blocker}.",
        "Whoever wants the same comes to stand behind it; a migration that waits stops requests in this way.",
        context.psql("SELECT gid, prepared, owner FROM pg_prepared_xacts")
        if blocker.pid == 0
        else _end(blocker.pid, blocker.session, context),
    )


def _end(pid: int, session: Session | None, context: CheckContext) -> str:
    """Return the command that frees what the session holds.

    Cancelling ends a statement; an idle session has none, so the session has to end.
    """
    idle = session is not None and session.is_idle_in_transaction
    return context.psql(f"SELECT {'pg_terminate_backend' if idle else 'pg_cancel_backend'}({pid})")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

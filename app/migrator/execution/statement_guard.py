"""Guard the statements of a migration: limit their time, count their rows, and refuse a commit on the way.

Each statement has a limit, except those for which it is lifted; the revision as a whole has none.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, event, text

from ...postgres.errors import MigrationFailedError
from ..config import MigratorConfig
from ..sql.tokens import UnreadableSqlError, statements_of
from .concurrent_statements import ConcurrentStatements, is_concurrent
from .partitioned_tables import on_partitions
from .session_limits import milliseconds, set_limits
from .statement_patterns import END, NAME, QUALIFIED, pattern

T = TypeVar("T")

# Not where the revision has set another limit.
_LENGTHEN_WAIT = text(
    "SELECT set_config('lock_timeout', :longer, false) FROM pg_settings WHERE name = 'lock_timeout' AND setting = :now"
)
_VALIDATE = pattern(rf"ALTER TABLE (?:IF EXISTS )?(?:ONLY )?{QUALIFIED} VALIDATE CONSTRAINT {NAME}{END}")
# Statements that cannot run in a transaction, or should be alone in one, and can be repeated.
_SAFE_IN_AUTOCOMMIT = pattern(
    r"(?:VACUUM|ANALYZE|CLUSTER|REINDEX|LOCK|SELECT|SHOW|SET|RESET|ALTER SYSTEM|CHECKPOINT"
    rf"|ALTER TYPE {QUALIFIED} ADD VALUE IF NOT EXISTS)\b"
)
_ENDS_TRANSACTION = pattern(r"(?:COMMIT|END|ABORT|BEGIN|START TRANSACTION|PREPARE TRANSACTION|ROLLBACK(?! TO))\b")
# Whether others wait to read or write a table until the transaction is over. For a table that it has made, and for what
# belongs to that, nobody waits: who made it stands in the row of a system column, which no ALTER TABLE writes anew.
_HOLDS_TABLES = text(
    """
    SELECT EXISTS (
        SELECT FROM pg_locks AS l LEFT JOIN pg_index AS i ON i.indexrelid = l.relation
        WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation'
            AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
            AND NOT EXISTS (
                SELECT FROM pg_attribute AS a
                WHERE a.attrelid = coalesce(i.indrelid, l.relation) AND a.attname = 'tableoid'
                    AND a.xmin = pg_current_xact_id_if_assigned()::xid
            )
    )
    """
)
# Whether the transaction has changed anything.
_HAS_WRITTEN = text("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")
_CHANGES_ROWS = ("INSERT", "UPDATE", "DELETE", "MERGE")


class StatementGuard:
    """Listens to a connection for the length of one attempt of a step, whose statements wait `lock_wait` s for a table.

    `rows` is the number of rows that the step inserted, updated and deleted. `took_too_long` is whether the step was
    ended by a statement that ran into the statement timeout. `begun` has what earlier runs of this revision have begun
    to build, drop or detach CONCURRENTLY.
    """

    def __init__(self, config: MigratorConfig, entry: int, begun: set[str], lock_wait: float) -> None:
        self.rows = 0
        self.took_too_long = False
        # The beginning of the first statement, before which there is no work to lose, and of the present one.
        self._began_at: float | None = None
        self._started_at: float | None = None
        self._lock_wait = lock_wait
        self._longest_wait = config.lock_timeout
        self._statement_timeout = config.statement_timeout
        self._concurrent = ConcurrentStatements(entry, begun)
        self._has_relaxed_limits = False

    @contextmanager
    def listening_to(self, connection: Connection) -> Iterator[None]:
        set_limits(connection, self._lock_wait, self._statement_timeout)
        event.listen(connection, "before_cursor_execute", self._before, retval=True)
        event.listen(connection, "after_cursor_execute", self._after)
        event.listen(connection, "commit", self._refuse_commit)
        try:
            yield
        except BaseException:
            # Measured here, because a server's message about a cancelled statement is in its own language.
            self.took_too_long = (
                self._started_at is not None and time.monotonic() - self._started_at >= self._statement_timeout
            )
            raise
        finally:
            event.remove(connection, "commit", self._refuse_commit)
            event.remove(connection, "before_cursor_execute", self._before)
            event.remove(connection, "after_cursor_execute", self._after)

    def _before(self, connection: Connection, cursor: Any, statement: str, parameters: T, *_: Any) -> tuple[str, T]:  # noqa: ANN401, ARG002
        if self._concurrent.is_recording:
            return statement, parameters
        parts = on_partitions(connection, statement)
        for each in parts[:-1]:
            connection.exec_driver_sql(each)
        statement = parts[-1] if parts else statement
        if is_concurrent(statement):
            statement = self._concurrent.make_repeatable(connection, statement)
            # It blocks neither reads nor writes, and may have to wait long for other transactions.
            self._relax_limits(connection, lock_timeout=0)
        elif _VALIDATE.search(statement):
            # It blocks neither reads nor writes, once it has its lock; and none of them queues behind its wait.
            self._relax_limits(connection, lock_timeout=self._longest_wait)
        elif not parts and any(
            _ENDS_TRANSACTION.search(part) or (_is_autocommit(connection) and not _SAFE_IN_AUTOCOMMIT.search(part))
            for part in _split_statements(statement)
        ):
            raise _partial_commit_error()
        if not self._has_relaxed_limits:
            self._lengthen_wait(connection)
        self._started_at = None if self._has_relaxed_limits else time.monotonic()
        return statement, parameters

    def _refuse_commit(self, connection: Connection) -> None:
        """Refuse a commit by the revision, or by an autocommit block that other statements precede."""
        if not _is_autocommit(connection) and connection.scalar(_HAS_WRITTEN):
            # SQLAlchemy takes its transaction for ended from here on, but the driver's goes on.
            connection.connection.rollback()
            raise _partial_commit_error()

    def _after(self, connection: Connection, cursor: Any, statement: str, *_: Any) -> None:  # noqa: ANN401
        self._started_at = None
        if self._has_relaxed_limits:
            self._has_relaxed_limits = False
            set_limits(connection, self._lock_wait, self._statement_timeout)
        if statement.lstrip()[:6].upper().startswith(_CHANGES_ROWS) and not self._concurrent.is_recording:
            self.rows += max(cursor.rowcount, 0)

    def _relax_limits(self, connection: Connection, lock_timeout: float) -> None:
        if not _is_autocommit(connection) and connection.scalar(_HOLDS_TABLES):
            return
        set_limits(connection, lock_timeout, 0)
        self._has_relaxed_limits = True

    def _lengthen_wait(self, connection: Connection) -> None:
        """Let the statement wait for a table for twice as long as the attempt has worked, up to the lock timeout.

        Otherwise a short wait would throw long work away, and make the traffic behind it wait for it once more.
        """
        if self._began_at is None:
            self._began_at = time.monotonic()
        worked, now = time.monotonic() - self._began_at, self._lock_wait
        if now < min(worked, self._longest_wait):
            self._lock_wait = min(2 * worked, self._longest_wait)
            limits = {"now": str(round(now * 1000)), "longer": milliseconds(self._lock_wait)}
            connection.execute(_LENGTHEN_WAIT, limits)


def _split_statements(statement: str) -> list[str]:
    """Return the statements of one text: psycopg accepts several, asyncpg refuses them."""
    if ";" not in statement.rstrip().rstrip(";"):
        return [statement]
    try:
        return [part.text for part in statements_of(statement)]
    except UnreadableSqlError:
        return [statement]


def _is_autocommit(connection: Connection) -> bool:
    """Return whether each statement is a transaction of its own, as in Alembic's autocommit block."""
    return connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT"


def _partial_commit_error() -> MigrationFailedError:
    return MigrationFailedError(
        "it commits before it is over, and what that commits would stay where the revision fails afterwards. Nothing"
        " was committed. Write an autocommit block as the first thing of a revision, with nothing in it but what cannot"
        " run in a transaction (CONCURRENTLY, VALIDATE CONSTRAINT, VACUUM, ALTER TYPE … ADD VALUE IF NOT EXISTS), and"
        " no COMMIT; long changes of rows are backfills."
    )

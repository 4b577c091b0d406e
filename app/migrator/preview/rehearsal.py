"""Run the pending revisions in one transaction that is rolled back, and say how long each took and held its locks.

It works as an upgrade does: under the lock for schema changes, with the limits of a statement. The tables of the
records stay as they are. What cannot run in a transaction is left out, and so is what fails without it.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn

from alembic import context
from alembic.operations import Operations
from alembic.script import Script
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from ...postgres.connect import first_error_of, is_lost
from ...postgres.errors import MigrationFailedError, error_summary, sqlstate_of
from ...postgres.sqlstate import ACTIVE_SQL_TRANSACTION, UNSAFE_NEW_ENUM_VALUE_USAGE
from ..backfill.definition import load_backfills, required_backfills
from ..backfill.status import reason_unfinished
from ..config import MigratorConfig
from ..execution.concurrent_statements import is_concurrent
from ..execution.session_limits import reset_settings
from ..execution.statement_guard import StatementGuard
from ..locking.migration_lock import require_lock
from ..locking.retries import TABLE_IN_USE
from ..own_connections import OwnConnectionError, own_connections_refused
from ..phase import Phase
from ..revisions.loading import phase_of
from ..revisions.requirements import RequirementError, require, requirements_of
from ..units import Seconds
from .catalogue import read_catalogue
from .lock_watch import HeldLock, LockWatch

# What a COMMIT checks is checked after each revision, and not before its end.
_CHECK_DEFERRED = (text("SET CONSTRAINTS ALL IMMEDIATE"), text("SET CONSTRAINTS ALL DEFERRED"))
_TRANSACTION = text("SELECT pg_current_xact_id()::text")
_OUTSIDE = "it has statements that cannot run in a transaction"


class Outcome(StrEnum):
    EXECUTED = "executed"
    NOT_EXECUTED = "not executed"
    FAILED = "failed"


@dataclass(frozen=True)
class RehearsedRevision:
    """How a revision went: how many seconds it took, and the locks that it took; `reason` says why it was not executed.

    The seconds of a lock end with the revision, as they do where each revision is committed by itself.
    """

    revision: str
    message: str
    phase: Phase
    outcome: Outcome
    seconds: Seconds | None
    reason: str | None
    locks: tuple[HeldLock, ...]


class _OutsideError(Exception):
    """A statement that cannot run in a transaction; nothing of it was run."""


def rehearse(connection: Connection, scripts: Sequence[Script], config: MigratorConfig) -> Iterator[RehearsedRevision]:
    """Run the upgrades of the revisions, and yield how each went; then roll all of it back.

    Alembic's context must be configured for the connection, which holds the lock and is in no transaction. Raises
    MigrationFailedError where a table is in use, and what a lost connection raises.
    """
    with connection.begin() as transaction:
        try:
            yield from _Rehearsal(connection, config).run(scripts)
        finally:
            if transaction.is_active:
                transaction.rollback()


class _Rehearsal:
    """The revisions of one transaction."""

    def __init__(self, connection: Connection, config: MigratorConfig) -> None:
        self._connection = connection
        self._config = config
        self._watch = LockWatch(read_catalogue(connection).relations)
        self._transaction = connection.scalar(_TRANSACTION)
        # The revisions that were not executed.
        self._left_out: list[str] = []

    def run(self, scripts: Sequence[Script]) -> Iterator[RehearsedRevision]:
        for position, script in enumerate(scripts):
            if unmet := self._unmet(script):
                yield _not_executed(script, f"the upgrade stops here: {unmet}")
                rest = f"the upgrade stops before it, at {script.revision}"
                yield from (_not_executed(later, rest) for later in scripts[position + 1 :])
                return
            done = self._run(script)
            yield done
            if done.outcome is Outcome.FAILED:
                return

    def _unmet(self, script: Script) -> str | None:
        """Return which backfill the revision requires that has rows left; None if there is none."""
        for name in required_backfills(script):
            try:
                with self._connection.begin_nested():
                    unmet = reason_unfinished(self._connection, load_backfills(context.script)[name])
            except ProgrammingError as exc:
                unmet = f"cannot be looked at: {error_summary(exc)}."
            if unmet:
                return f"it requires the backfill {name!r}, which {unmet}"
        return None

    def _run(self, script: Script) -> RehearsedRevision:
        guard = StatementGuard(self._config, 0, set(), self._config.lock_timeout)
        reset_settings(self._connection, self._config)
        savepoint = self._connection.begin_nested()
        started = time.monotonic()
        self._watch.begin()
        try:
            self._upgrade(script, guard)
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - told, whatever a revision raises
            outcome, reason = self._explain(exc, guard)
            if savepoint.is_active and self._connection.in_transaction():
                self._end(savepoint.rollback, script)
            self._watch.forget()
            if outcome is Outcome.NOT_EXECUTED:
                self._left_out.append(script.revision)
            return RehearsedRevision(script.revision, _title(script), phase_of(script), outcome, None, reason, ())
        seconds, locks = round(time.monotonic() - started, 3), tuple(self._watch.held())
        self._end(savepoint.commit, script)
        return RehearsedRevision(
            script.revision, _title(script), phase_of(script), Outcome.EXECUTED, seconds, None, locks
        )

    def _end(self, end_savepoint: Callable[[], None], script: Script) -> None:
        """End the savepoint. Raises MigrationFailedError where the revision has ended the transaction around it."""
        try:
            end_savepoint()
            if self._connection.scalar(_TRANSACTION) == self._transaction:
                return
        except DBAPIError as exc:
            if is_lost(exc):
                raise
        raise MigrationFailedError(
            f"Revision {script.revision} ends the transaction itself, through the driver. What ran before that may be"
            " committed: the database may have a part of the pending revisions, and no record says so. Make the copy"
            " anew, and take the COMMIT or ROLLBACK out of the revision."
        )

    def _upgrade(self, script: Script, guard: StatementGuard) -> None:
        session = require_lock(self._connection)
        require(self._connection, requirements_of(script), "it")
        with own_connections_refused(), _transaction_kept(self._connection), guard.listening_to(self._connection):
            with self._watch.listening_to(self._connection), Operations.context(context.get_context()):
                script.module.upgrade()
            for statement in _CHECK_DEFERRED:
                self._connection.execute(statement)
        require_lock(self._connection, session)

    def _explain(self, exc: BaseException, guard: StatementGuard) -> tuple[Outcome, str]:
        """Return what an error means. Raises it where nothing more can be run."""
        cause = first_error_of(exc) if isinstance(exc, Exception) else exc
        if is_lost(cause):
            raise cause from None
        state = sqlstate_of(cause)
        if isinstance(cause, _OutsideError) or state == ACTIVE_SQL_TRANSACTION:
            return Outcome.NOT_EXECUTED, _OUTSIDE
        if isinstance(cause, OwnConnectionError):
            return Outcome.NOT_EXECUTED, str(cause)
        if state in TABLE_IN_USE:
            raise MigrationFailedError(
                f"A table is in use: {error_summary(cause)}. All was rolled back: try again when it is quieter, or on a"
                " copy of the database."
            ) from cause
        summary = error_summary(cause)
        if state == UNSAFE_NEW_ENUM_VALUE_USAGE:
            return Outcome.NOT_EXECUTED, f"it uses a value that an earlier one has to commit first: {summary}"
        if self._left_out and isinstance(cause, DBAPIError | RequirementError):
            return Outcome.NOT_EXECUTED, f"it fails without {', '.join(self._left_out)}: {summary}"
        too_long = ". It took longer than DB_MIGRATE_STATEMENT_TIMEOUT" if guard.took_too_long else ""
        return Outcome.FAILED, summary + too_long


@contextmanager
def _transaction_kept(connection: Connection) -> Iterator[None]:
    """Refuse what would end the transaction or run outside of it, before it is sent."""

    def refuse_commit(connection: Connection) -> NoReturn:
        connection.connection.rollback()
        raise MigrationFailedError("it commits on its way, which an upgrade refuses; all was rolled back")

    def refuse_concurrent(connection: Connection, cursor: Any, statement: str, *_: Any) -> None:  # noqa: ANN401, ARG001
        if is_concurrent(statement) and not _is_refresh(statement):
            raise _OutsideError

    def refuse_block() -> NoReturn:
        raise _OutsideError

    migration: Any = context.get_context()
    event.listen(connection, "commit", refuse_commit)
    event.listen(connection, "before_cursor_execute", refuse_concurrent)
    migration.autocommit_block = refuse_block
    try:
        yield
    finally:
        del migration.autocommit_block
        event.remove(connection, "before_cursor_execute", refuse_concurrent)
        event.remove(connection, "commit", refuse_commit)


def _is_refresh(statement: str) -> bool:
    return statement.lstrip()[:7].upper() == "REFRESH"


def _not_executed(script: Script, reason: str) -> RehearsedRevision:
    return RehearsedRevision(script.revision, _title(script), phase_of(script), Outcome.NOT_EXECUTED, None, reason, ())


def _title(script: Script) -> str:
    return (script.doc or "").partition("\n")[0]

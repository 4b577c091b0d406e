"""Record that a step failed, and explain why, and what to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from alembic.runtime.migration import RevisionStep
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from ...postgres.errors import MigrationFailedError, error_summary, sqlstate_of
from ...postgres.sqlstate import QUERY_CANCELED
from ..command_names import command
from ..config import MigratorConfig
from ..engine_tables import BACKFILL_TABLE, HISTORY_TABLE, version_table
from ..hints import Hints, in_brackets
from ..locking.retries import TABLE_IN_USE
from ..revisions import history, history_recording
from ..revisions.loading import phase_of
from .planned_steps import step_name
from .session_limits import limit_statements
from .statement_guard import StatementGuard

log = structlog.stdlib.get_logger(__name__)


async def record_failure(
    connection: AsyncConnection, config: MigratorConfig, step: RevisionStep, entry: int, retries: int, exc: Exception
) -> None:
    """Log that the step failed, and record it in the row `entry` of the history if the connection still allows it."""

    def record(connection: Connection) -> None:
        connection.rollback()
        with connection.begin():
            limit_statements(connection, config)
            history_recording.record_end(
                connection, entry, history.Outcome.FAILED, retries=retries, error=error_summary(exc)
            )

    log.error("a revision failed", revision=step_name(step), phase=phase_of(step.revision).value, retries=retries)
    try:
        await connection.run_sync(record)
    except (SQLAlchemyError, OSError):
        # The connection is lost, and the row stays as running until the next run marks it as interrupted; or that
        # run was faster, and the row is marked already.
        log.warning("the failure could not be recorded in the database", table=HISTORY_TABLE)


def step_failure(
    step: RevisionStep, exc: Exception, attempt: int, guard: StatementGuard, hints: Hints
) -> MigrationFailedError:
    """Return the error that names the revision, its file, the cause and the remedy."""
    script = step.revision
    verb = "applied" if step.is_upgrade else "reverted"
    state = sqlstate_of(exc)
    remedy = ""
    if state in TABLE_IN_USE:
        remedy = (
            f". It was tried {attempt + 1} times: `{command('doctor')}` shows who holds the table. Raise"
            " DB_MIGRATE_LOCK_RETRIES, or try again when it is quieter."
        )
    # If it did not take too long, somebody has cancelled it: the server has the same SQLSTATE for both.
    elif state == QUERY_CANCELED and guard.took_too_long:
        remedy = (
            ". It took longer than DB_MIGRATE_STATEMENT_TIMEOUT: rewrite it so that it locks for a moment only"
            f"{in_brackets(hints.writing_revisions)}, or raise that."
        )
    return MigrationFailedError(
        f"Revision {script.revision} ({script.path}) could not be {verb}: {error_summary(exc)}{remedy}"
    )


@contextmanager
def explain_recording_errors() -> Iterator[None]:
    """Explain that the table of a record is locked; `step_failure` explains the errors of the steps themselves."""
    try:
        yield
    except DBAPIError as exc:
        if sqlstate_of(exc) not in TABLE_IN_USE:
            raise
        raise MigrationFailedError(
            f"What is done could not be noted ({HISTORY_TABLE}, {version_table()}, {BACKFILL_TABLE}):"
            f" {error_summary(exc)}. `{command('doctor')}` shows who holds the table."
        ) from exc

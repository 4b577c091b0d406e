"""Explain why a batch of a backfill failed, and what to do about it."""

from ...postgres.errors import MigrationFailedError, error_summary, sqlstate_of
from ...postgres.sqlstate import LOCK_NOT_AVAILABLE, QUERY_CANCELED, UNDEFINED_COLUMN, UNDEFINED_TABLE
from ..command_names import command
from .definition import Backfill

_REMEDIES = {
    QUERY_CANCELED: "even a batch of one row took longer than DB_MIGRATE_STATEMENT_TIMEOUT, or somebody cancels it"
    " each time",
    UNDEFINED_TABLE: "a table is not there: was a revision applied or reverted meanwhile?",
    UNDEFINED_COLUMN: "a column is not there: was a revision applied or reverted meanwhile?",
}
# Classes of SQLSTATEs: a value that cannot be converted, or that a constraint refuses.
_OF_A_ROW = ("22", "23")


def concerns_a_row(exc: BaseException) -> bool:
    """Return whether the error is about a value of one row, so that other rows may go through."""
    return (sqlstate_of(exc) or "").startswith(_OF_A_ROW)


def batch_failure(backfill: Backfill, rows: str, exc: BaseException) -> MigrationFailedError:
    """Return the error that names the backfill, the rows of the batch, the cause and the remedy."""
    state = sqlstate_of(exc) or ""
    remedy = _REMEDIES.get(state)
    if state == LOCK_NOT_AVAILABLE:
        remedy = f"its rows are in use all the time: `{command('doctor')}` shows by whom"
    if concerns_a_row(exc):
        remedy = "a value there does not suit the statement, a trigger or a constraint: correct it"
    return MigrationFailedError(
        f"Backfill {backfill.name} failed at {rows}: {error_summary(exc)}"
        + (f" ({remedy})" if remedy else "")
        + ". What was done before stays: the same command goes on there."
    )

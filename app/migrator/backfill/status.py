"""Where each backfill stands in a database, and whether a revision that needs some may be applied."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import ProgrammingError

from app.core.config import Settings
from app.migrator.backfill import state
from app.migrator.backfill.batch import are_left
from app.migrator.backfill.definition import Backfill, registered, required_by, requirers
from app.migrator.backfill.state import Record
from app.migrator.revisions.history import Outcome
from app.migrator.revisions.loading import scripts
from app.migrator.revisions.state import read_state
from app.migrator.session.readonly_connection import look
from app.models import metadata
from app.postgres.errors import MigrationFailedError, cause_of
from app.postgres.url.database_url import DatabaseURL


class Standing(StrEnum):
    """WAITING: its revision is not applied yet. NOT_NEEDED: a revision that requires it is applied already, or it was
    never run and there is no row for it.

    UNFINISHED is running somewhere, or was interrupted: when its last batch was tells which.
    """

    WAITING = "waiting"
    PENDING = "pending"
    UNFINISHED = "unfinished"
    FAILED = "failed"
    DONE = "done"
    NOT_NEEDED = "not needed"


# Whatever else it is called is UNFINISHED, also what a later release may call so.
_OF_OUTCOME = {Outcome.FAILED: Standing.FAILED, Outcome.DONE: Standing.DONE}
_TO_BE_RUN = frozenset({Standing.PENDING, Standing.UNFINISHED, Standing.FAILED})


@dataclass(frozen=True)
class BackfillStatus:
    """`last_batch_at` and what follows are None before the first run; `total` is an estimate until it is done."""

    name: str
    description: str
    state: Standing
    after: str
    required_by: tuple[str, ...]
    rows_seen: int | None
    rows_changed: int | None
    total: int | None
    started_at: datetime | None
    last_batch_at: datetime | None
    finished_at: datetime | None
    by: str | None
    error: str | None


class BackfillUnfinishedError(MigrationFailedError):
    """A revision is not applied, and nothing was tried, because a backfill that it requires has rows left."""


def read_backfills(settings: Settings) -> list[BackfillStatus]:
    """Every backfill of this release, in the order to run them. Raises DatabaseUnreachableError and the like."""
    directory = scripts(settings)

    def at(connection: Connection, url: DatabaseURL) -> list[BackfillStatus]:  # noqa: ARG001 - as `look` calls it
        return backfills_of(connection, directory, by_rows=True)

    return look(settings, at)


def backfills_of(connection: Connection, directory: ScriptDirectory, *, by_rows: bool = False) -> list[BackfillStatus]:
    """`by_rows`: of those that were never run, also whether there is a row for them; that may read a whole table."""
    applied = _applied(connection, directory)
    records = state.read_records(connection)
    found = []
    for name, backfill in registered(directory).items():
        record, required_by = records.get(name), [script.revision for script in requirers(directory, name)]
        standing = _standing(backfill, record, required_by, applied)
        if by_rows and standing is Standing.PENDING and not _may_be_left(connection, backfill):
            standing = Standing.NOT_NEEDED
        found.append(_status(backfill, record, required_by, standing))
    return found


def to_be_run(found: Iterable[BackfillStatus]) -> list[str]:
    """The names of those that an operator still has to run, now that their revision is applied."""
    return [backfill.name for backfill in found if backfill.state in _TO_BE_RUN]


def require_finished(connection: Connection, directory: ScriptDirectory, script: Script) -> None:
    """Raises BackfillUnfinishedError unless every backfill that the revision requires has nothing left to do.

    The rows decide, not the record: an empty table needs no backfill, and rows that an older release has written since
    it was done do. Reads each table up to the first row that is left, and locks nothing; ends its transaction.
    """
    for name in required_by(script):
        try:
            with connection.begin():
                unmet = _unmet(connection, registered(directory)[name])
        except ProgrammingError as exc:
            unmet = f"cannot be looked at: {cause_of(exc)}."
        if unmet:
            raise BackfillUnfinishedError(
                f"Revision {script.revision} ({script.path}) is not applied: it requires the backfill {name!r}, which"
                f" {unmet} Run `litestar database backfill {name}`, then upgrade again."
            )


def _unmet(connection: Connection, backfill: Backfill) -> str | None:
    record = state.read_records(connection).get(backfill.name)
    is_done = record is not None and record.outcome is Outcome.DONE
    if (is_done and backfill.where is None) or not are_left(connection, backfill):
        return None
    if is_done:
        return "was finished, but rows that it should have changed have come since: does an older release still run?"
    return "is not finished."


def _applied(connection: Connection, directory: ScriptDirectory) -> frozenset[str]:
    found = read_state(connection, directory, metadata)
    if not found.is_managed:
        return frozenset()
    pending = {script.revision for script in found.pending}
    return frozenset(script.revision for script in directory.walk_revisions()) - pending


def _standing(
    backfill: Backfill, record: Record | None, required_by: Sequence[str], applied: frozenset[str]
) -> Standing:
    standing = _OF_OUTCOME.get(record.outcome, Standing.UNFINISHED) if record else Standing.PENDING
    if standing is not Standing.DONE and not applied.isdisjoint(required_by):
        return Standing.NOT_NEEDED
    if backfill.after not in applied:
        return Standing.WAITING
    return standing


def _may_be_left(connection: Connection, backfill: Backfill) -> bool:
    try:
        with connection.begin_nested():
            return are_left(connection, backfill)
    except ProgrammingError:
        # Running it says what is wrong.
        return True


def _status(
    backfill: Backfill, record: Record | None, required_by: Sequence[str], standing: Standing
) -> BackfillStatus:
    return BackfillStatus(
        name=backfill.name,
        description=backfill.description,
        state=standing,
        after=backfill.after,
        required_by=tuple(required_by),
        rows_seen=record.rows_seen if record else None,
        rows_changed=record.rows_changed if record else None,
        total=record.total if record else None,
        started_at=record.started_at if record else None,
        last_batch_at=record.updated_at if record else None,
        finished_at=record.finished_at if record else None,
        by=record.applied_by if record else None,
        error=record.error if record else None,
    )

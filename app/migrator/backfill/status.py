"""The state of each backfill in a database, and whether a revision that requires some may be applied."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, MetaData
from sqlalchemy.exc import ProgrammingError

from ...postgres.errors import MigrationFailedError, error_summary
from ...postgres.url.database_url import DatabaseURL
from ..command_names import command
from ..config import MigratorConfig
from ..readonly_connection import with_readonly_connection
from ..revisions.history import Outcome
from ..revisions.loading import load_revisions
from ..revisions.schema_state import read_state
from ..units import Rows, Time
from . import records as stored
from .batch import has_rows_left
from .definition import Backfill, load_backfills, required_backfills, revisions_requiring
from .records import Record


class BackfillState(StrEnum):
    """WAITING: the revision that it runs after is not applied yet. UNFINISHED: it is running, or was interrupted; the
    time of its last batch tells which. PAUSED: somebody has said that nobody is to run it for now. NOT_NEEDED: a
    revision that requires it is applied already, or it was never run and there is no row for it.
    """

    WAITING = "waiting"
    PENDING = "pending"
    UNFINISHED = "unfinished"
    FAILED = "failed"
    PAUSED = "paused"
    DONE = "done"
    NOT_NEEDED = "not needed"


# Every other outcome is UNFINISHED, also one that only a later release knows.
_STATE_BY_OUTCOME = {Outcome.FAILED: BackfillState.FAILED, Outcome.DONE: BackfillState.DONE}
_STATES_TO_RUN = frozenset(
    {BackfillState.PENDING, BackfillState.UNFINISHED, BackfillState.FAILED, BackfillState.PAUSED}
)


@dataclass(frozen=True)
class BackfillStatus:
    """One backfill and its state; what runs fill in is None before the first one. `total` is an estimate until DONE."""

    name: str
    description: str
    state: BackfillState
    after: str
    required_by: tuple[str, ...]
    rows_seen: Rows | None
    rows_changed: Rows | None
    total: Rows | None
    started_at: Time | None
    last_batch_at: Time | None
    finished_at: Time | None
    by: str | None
    error: str | None


class BackfillUnfinishedError(MigrationFailedError):
    """A revision is not applied because a backfill that it requires has rows left; nothing was tried."""


def read_backfills(config: MigratorConfig) -> list[BackfillStatus]:
    """Return the state of every backfill of this release, in the order to run them.

    Raises DatabaseUnreachableError and what reading the revisions raises.
    """
    directory = load_revisions(config)

    def read(connection: Connection, url: DatabaseURL) -> list[BackfillStatus]:  # noqa: ARG001 - passed by with_readonly_connection
        return read_statuses(connection, directory, config.metadata, by_rows=True)

    return with_readonly_connection(config, read)


def read_statuses(
    connection: Connection, directory: ScriptDirectory, metadata: MetaData, *, by_rows: bool = False
) -> list[BackfillStatus]:
    """Return the state of every backfill, in the order to run them.

    With `by_rows` it also looks whether a backfill that was never run has any row to do, which may read a whole table.
    """
    applied = _applied(connection, directory, metadata)
    records = stored.read_records(connection)
    found = []
    for name, backfill in load_backfills(directory).items():
        record, required_by = records.get(name), [script.revision for script in revisions_requiring(directory, name)]
        current = _state_of(backfill, record, required_by, applied)
        if by_rows and current is BackfillState.PENDING and not _may_be_left(connection, backfill):
            current = BackfillState.NOT_NEEDED
        found.append(_status(backfill, record, required_by, current))
    return found


def names_to_run(found: Iterable[BackfillStatus]) -> list[str]:
    """Return the names of the backfills that an operator still has to run, whose revisions are applied."""
    return [backfill.name for backfill in found if backfill.state in _STATES_TO_RUN]


def require_finished(connection: Connection, directory: ScriptDirectory, script: Script) -> None:
    """Raise BackfillUnfinishedError unless every backfill that the revision requires has nothing left to do.

    The rows decide, not the record: an empty table needs no backfill, and rows that an older release has written since
    the backfill was done need it again. It reads each table up to the first row that is left, locks nothing, and ends
    its transaction.
    """
    for name in required_backfills(script):
        try:
            with connection.begin():
                unmet = reason_unfinished(connection, load_backfills(directory)[name])
        except ProgrammingError as exc:
            unmet = f"cannot be looked at: {error_summary(exc)}."
        if unmet:
            raise BackfillUnfinishedError(
                f"Revision {script.revision} ({script.path}) is not applied: it requires the backfill {name!r}, which"
                f" {unmet} Run `{command('backfill')} {name}`, then upgrade again."
            )


def reason_unfinished(connection: Connection, backfill: Backfill) -> str | None:
    """Return why a revision that requires the backfill is not applied; None if nothing is left to do."""
    record = stored.read_records(connection).get(backfill.name)
    is_done = record is not None and record.outcome is Outcome.DONE
    if (is_done and backfill.where is None) or not has_rows_left(connection, backfill):
        return None
    if is_done:
        return "was finished, but rows that it should have changed have come since: does an older release still run?"
    return "is not finished."


def _applied(connection: Connection, directory: ScriptDirectory, metadata: MetaData) -> frozenset[str]:
    found = read_state(connection, directory, metadata)
    if not found.is_managed:
        return frozenset()
    pending = {script.revision for script in found.pending}
    return frozenset(script.revision for script in directory.walk_revisions()) - pending


def _state_of(
    backfill: Backfill, record: Record | None, required_by: Sequence[str], applied: frozenset[str]
) -> BackfillState:
    current = _STATE_BY_OUTCOME.get(record.outcome, BackfillState.UNFINISHED) if record else BackfillState.PENDING
    if current is not BackfillState.DONE and not applied.isdisjoint(required_by):
        return BackfillState.NOT_NEEDED
    if backfill.after not in applied:
        return BackfillState.WAITING
    if record and record.is_paused:
        return BackfillState.PAUSED
    return current


def _may_be_left(connection: Connection, backfill: Backfill) -> bool:
    try:
        with connection.begin_nested():
            return has_rows_left(connection, backfill)
    except ProgrammingError:
        # Running it says what is wrong.
        return True


def _status(
    backfill: Backfill, record: Record | None, required_by: Sequence[str], current: BackfillState
) -> BackfillStatus:
    return BackfillStatus(
        name=backfill.name,
        description=backfill.description,
        state=current,
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

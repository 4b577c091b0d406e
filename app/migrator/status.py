"""Report the state of a database: a verdict, and for each revision whether, when and by whom it was applied."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, text

from ..postgres.url.database_url import DatabaseURL
from .backfill.status import BackfillStatus, names_to_run, read_statuses
from .command_names import command
from .config import MigratorConfig
from .drift.difference import Difference, shown
from .drift.project_differences import compare_with_project
from .drift.scratch_schema import DriftUnknownError
from .engine_tables import version_table
from .execution.data_loss import Loss
from .locking.migration_lock import holder_of_lock
from .phase import Phase
from .preview.losses import upgrade_losses
from .readonly_connection import with_readonly_connection
from .revisions.edited import find_edited
from .revisions.history import Entry, Outcome, last_completed, read_history, steps_ahead_of
from .revisions.loading import describe_several_heads, load_revisions, oldest_first, phase_of
from .revisions.schema_state import SchemaState, read_state, redundant_revisions
from .units import Seconds, Time


class Verdict(StrEnum):
    """The state of a database in one word.

    DIVERGED means that the files have several heads, or that the database has a revision beside ours, or an unrecorded
    one.
    """

    UP_TO_DATE = "up to date"
    PENDING = "pending"
    AHEAD = "ahead"
    DIVERGED = "diverged"
    UNMANAGED = "unmanaged"
    DRIFTED = "drifted"


# The exit codes of `status --check`; those below 10 are the same for every command.
EXIT_CODES = {
    Verdict.UP_TO_DATE: 0,
    Verdict.PENDING: 10,
    Verdict.AHEAD: 11,
    Verdict.DIVERGED: 12,
    Verdict.UNMANAGED: 13,
    Verdict.DRIFTED: 14,
}


class RevisionState(StrEnum):
    APPLIED = "applied"
    PENDING = "pending"
    MISSING_FILE = "missing file"
    CHECKSUM_CHANGED = "checksum changed"


@dataclass(frozen=True)
class RevisionStatus:
    """One revision; a field is None where schema_history does not know it."""

    state: RevisionState
    revision: str
    phase: Phase | None
    message: str | None
    applied_at: Time | None
    duration: Seconds | None
    by: str | None


@dataclass(frozen=True)
class Status:
    """The state of a database and of each revision, the oldest first.

    `current` are the revisions of the version table, `heads` those of the files. `backfills` are the names of
    those that are to be run after applied revisions, `backfill_states` how far each of them is. `losses` are what the
    pending revisions would remove.
    """

    verdict: Verdict
    detail: str
    database: str
    server: str
    current: tuple[str, ...]
    heads: tuple[str, ...]
    revisions: tuple[RevisionStatus, ...]
    backfills: tuple[str, ...]
    backfill_states: tuple[BackfillStatus, ...]
    losses: tuple[Loss, ...]

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.verdict]


def read_status(config: MigratorConfig, *, compares: bool = True) -> Status:
    """Read the database and the revisions. Without `compares` a drifted schema passes for one that is up to date.

    Raises DatabaseUnreachableError and MigrationFailedError.
    """
    directory = load_revisions(config)

    def read(connection: Connection, url: DatabaseURL) -> Status:
        return _status(connection, url, directory, config, compares=compares)

    return with_readonly_connection(config, read)


def _status(
    connection: Connection, url: DatabaseURL, directory: ScriptDirectory, config: MigratorConfig, *, compares: bool
) -> Status:
    state = read_state(connection, directory, config.metadata)
    entries = read_history(connection)
    revisions = tuple(_revisions(directory, state, entries))
    verdict, detail = _judge(directory, state, revisions)
    under_way = _describe_last_step(connection, entries)
    server = str(connection.scalar(text("SELECT 'PostgreSQL ' || current_setting('server_version')")))
    connection.rollback()
    if compares and verdict is Verdict.UP_TO_DATE:
        verdict, detail = _judge_schema(connection, config, directory)
    statuses = read_statuses(connection, directory, config.metadata, by_rows=True)
    backfills = tuple(names_to_run(statuses))
    connection.rollback()
    return Status(
        verdict=verdict,
        detail=detail
        + under_way
        + _describe_backfills(backfills)
        + (f"; {state.read_only}" if state.read_only else ""),
        database=url.location,
        server=server,
        current=state.applied or (),
        heads=tuple(directory.get_heads()),
        revisions=revisions,
        backfills=backfills,
        backfill_states=tuple(one for one in statuses if one.name in backfills),
        losses=tuple(upgrade_losses(connection, state.pending) if state.applied else ()),
    )


def _describe_backfills(backfills: Sequence[str]) -> str:
    if not backfills:
        return ""
    return f"; {len(backfills)} backfill(s) to run once no older release serves: `{command('backfill')} --all`"


def _describe_last_step(connection: Connection, entries: Sequence[Entry]) -> str:
    """Return what to say about a last step that has not ended."""
    if not entries or entries[-1].outcome is not Outcome.RUNNING:
        return ""
    step = f"; the {entries[-1].direction} of {entries[-1].revision}"
    if holder := holder_of_lock(connection):
        return f"{step} is under way, by {holder}"
    return f"{step} was killed, and what it had not committed was undone"


def _revisions(directory: ScriptDirectory, state: SchemaState, entries: Sequence[Entry]) -> Iterator[RevisionStatus]:
    pending = set(directory.walk_revisions()) if state.applied is None else set(state.pending)
    known = oldest_first(directory)
    done = last_completed(entries)
    edited = set(find_edited(directory, known, entries))
    for script in known:
        applied = RevisionState.CHECKSUM_CHANGED if script in edited else RevisionState.APPLIED
        yield _row(RevisionState.PENDING if script in pending else applied, script, done.get(script.revision))
    ahead = steps_ahead_of(entries, {script.revision for script in known})
    yield from (_row(RevisionState.MISSING_FILE, name, entry) for name, entry in ahead.items())
    unrecorded = set(state.unknown) - set(ahead)
    yield from (_row(RevisionState.MISSING_FILE, revision, None) for revision in sorted(unrecorded))


def _row(state: RevisionState, script: Script | str, entry: Entry | None) -> RevisionStatus:
    applied = entry if entry and entry.is_in_force and state is not RevisionState.PENDING else None
    phase = phase_of(script) if isinstance(script, Script) else entry.phase if entry else None
    return RevisionStatus(
        state=state,
        revision=script.revision if isinstance(script, Script) else script,
        phase=phase,
        message=script.doc if isinstance(script, Script) else None,
        applied_at=applied.started_at if applied else None,
        duration=applied.duration.total_seconds() if applied and applied.duration is not None else None,
        by=applied.applied_by + (" (stamped)" if applied.direction == "stamp" else "") if applied else None,
    )


def _judge(
    directory: ScriptDirectory, state: SchemaState, revisions: tuple[RevisionStatus, ...]
) -> tuple[Verdict, str]:
    changed, pending, missing = (
        [row for row in revisions if row.state is wanted]
        for wanted in (RevisionState.CHECKSUM_CHANGED, RevisionState.PENDING, RevisionState.MISSING_FILE)
    )
    edited = ", ".join(row.revision for row in changed)
    served = "it no longer serves this release" if state.broken_by else "it still serves this release"
    contracts = sum(row.phase is Phase.CONTRACT for row in pending)
    diverged = _describe_divergence(directory, state, revisions, len(pending))
    # The first rule that applies decides.
    rules = (
        (diverged, Verdict.DIVERGED, diverged),
        (
            state.unknown or state.broken_by,
            Verdict.AHEAD,
            f"by {len(missing)} revision(s) of a newer release; {served}",
        ),
        (
            not state.is_managed and state.tables,
            Verdict.UNMANAGED,
            f"there are tables but no {version_table()}, or an empty one: `{command('drift')}`, then `stamp head`",
        ),
        (pending, Verdict.PENDING, f"{len(pending)} revision(s), {contracts} contract: `{command('upgrade')}`"),
        (changed, Verdict.DRIFTED, f"the file of {edited} was changed after it was applied"),
        (True, Verdict.UP_TO_DATE, "the database is at head"),
    )
    return next((verdict, detail) for applies, verdict, detail in rules if applies)


def _describe_divergence(
    directory: ScriptDirectory, state: SchemaState, revisions: tuple[RevisionStatus, ...], pending: int
) -> str:
    """Return why no upgrade leads from the database to the files; empty if one does."""
    unrecorded = ", ".join(row.revision for row in revisions if row.revision in state.unknown and row.phase is None)
    doubled = ", ".join(redundant_revisions(directory, state.applied or ()))
    unknown = ", ".join(state.unknown)
    # The first rule that applies decides.
    rules = (
        (several := describe_several_heads(directory), several or ""),
        (unrecorded, f"of revision {unrecorded} there is neither a file nor a history"),
        (doubled, f"{version_table()} has {doubled} beside what comes after it: `{command('doctor')}`"),
        (unknown and pending, f"{unknown} is a revision of another release, and {pending} of ours are not in force"),
    )
    return next((detail for applies, detail in rules if applies), "")


def _judge_schema(connection: Connection, config: MigratorConfig, directory: ScriptDirectory) -> tuple[Verdict, str]:
    """Return the verdict on a database at head: whether its schema is that of the models."""
    try:
        found = compare_with_project(connection, config, directory).differences
    except DriftUnknownError as exc:
        return Verdict.UP_TO_DATE, f"the database is at head; whether its schema has drifted is not known: {exc}"
    return judge_differences(found)


def judge_differences(found: Sequence[Difference]) -> tuple[Verdict, str]:
    """Return the verdict on a database at head that differs from the models in this."""
    if found:
        count = f"{len(found)} difference(s) from the models"
        return Verdict.DRIFTED, f"{count} ({shown(found)}): `{command('drift')}` shows them"
    return Verdict.UP_TO_DATE, "the database is at head"

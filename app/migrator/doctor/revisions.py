"""At which revision of this release the database is, and how the last steps ended."""

import shlex
from collections.abc import Iterator, Sequence

from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, MetaData, text

from ...postgres.errors import MigrationFailedError
from ..backfill.status import names_to_run, read_statuses
from ..command_names import command, upgrade_command
from ..durations import format_duration
from ..engine_tables import version_table
from ..hints import Hints, in_brackets
from ..locking.migration_lock import holder_of_lock
from ..phase import Phase
from ..revisions.baselines import outdated_baselines
from ..revisions.edited import find_edited
from ..revisions.history import Entry, Outcome, last_completed, last_step, read_history
from ..revisions.loading import join_heads, phase_of
from ..revisions.schema_state import SchemaState, read_state, redundant_revisions
from .finding import CheckContext, Finding, note, ok, problem, warning

_AGE = text("SELECT extract(epoch FROM clock_timestamp() - :started)::float8")
_SHOWN = 5
# What a step has done to its revision, by the step's direction.
_DONE = {"upgrade": "applied", "downgrade": "reverted", "stamp": "stamped", "unstamp": "stamped away"}


def files(directory: ScriptDirectory) -> Iterator[Finding]:
    """Check the revisions' files, which takes no database."""
    heads = directory.get_heads()
    if len(heads) > 1:
        yield problem(
            f"There are {len(heads)} heads: {', '.join(heads)}.",
            "Two revisions follow the same one: `upgrade head` does not know which is meant.",
            join_heads(),
        )
        return
    for baseline, changed in outdated_baselines(directory):
        yield warning(
            f"The baseline {baseline.path} is left out: {', '.join(changed)} has changed since it was written.",
            "A new database is made by the revisions, one by one, which takes longer.",
            f"{command('squash')} {baseline.revision}",
        )
    count = len(list(directory.walk_revisions()))
    yield ok(f"This release has {count} revisions; the head is {heads[0]}." if heads else "There are no revisions.")


def state(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    if context.directory is None:
        yield note("Not reached: the revisions cannot be read.")
        return
    try:
        found = read_state(connection, context.directory, context.config.metadata)
    except MigrationFailedError as exc:
        yield problem(str(exc), "Nothing can be migrated.", context.psql(f"SELECT * FROM {version_table()}"))  # noqa: S608
        return
    yield from _edited(connection, context.directory, found)
    if not found.is_managed:
        yield _unmanaged(found)
    elif found.unknown:
        yield _unknown(context, found)
    else:
        yield from _rows(context, context.directory, found)
        yield from _backfills(connection, context.directory, context.config.metadata, found)
        yield from _pending(found)


def history(connection: Connection, context: CheckContext) -> Iterator[Finding]:
    """Check how the last step ended, and whether one that is recorded as running is alive."""
    entries = read_history(connection)
    last = last_step(entries)
    if last is None:
        yield note("No migration is recorded in this database yet.")
        return
    yield ok(f"The last step recorded: {last.direction} {last.revision}, {last.outcome} ({_when(last)}).")
    done = last_completed(entries)
    for entry in [entry for entry in entries if entry.outcome is Outcome.RUNNING]:
        yield _running(connection, entry)
    ended_badly = [entry for entry in entries if entry.outcome in {Outcome.FAILED, Outcome.INTERRUPTED}]
    if ended_badly:
        latest = ended_badly[-1]
        after = done.get(latest.revision)
        yield _ended_badly(latest, after if after is not None and after.id > latest.id else None, context.config.hints)


def _unmanaged(found: SchemaState) -> Finding:
    if not found.tables:
        return warning(
            "The database is empty: none of our tables is there.", "Nothing was migrated yet.", upgrade_command()
        )
    return problem(
        f"{len(found.tables)} of our tables are there, but {version_table()} is empty or missing: Alembic does not"
        " manage this database.",
        "An upgrade would create the tables again, and fail. Compare first; if the schema is this release's, adopt it:"
        f" `{command('stamp')} head`.",
        f"{command('drift')}",
    )


def _unknown(context: CheckContext, found: SchemaState) -> Finding:
    names = ", ".join(found.unknown)
    if found.pending and not found.broken_by:
        return problem(
            f"The database is at {names} of another release, and lacks {_list(found.pending)} of this one.",
            "Two releases have grown apart: this one relies on what is not there, and is not ready. Deploy one that has"
            f" the revisions of both, joined by `{command('merge')} heads`.",
            f"{command('history')}",
        )
    if not found.broken_by:
        return warning(
            f"The database is ahead of this release, at {names}; only expand revisions are between the two.",
            "This release still works on it, but does not know it. Deploy the release that has this revision.",
            f"{command('history')}",
        )
    return problem(
        f"The database is at {names}, which this release does not know, and {', '.join(found.broken_by)} is a contract"
        " revision or not recorded.",
        "A newer release has migrated it, or it is another application's. Deploy that release, or restore a backup:"
        " this one does not work on it, and can neither upgrade nor downgrade it.",
        context.psql(f"SELECT version_num FROM {version_table()}"),  # noqa: S608 - to be read
    )


def _rows(context: CheckContext, directory: ScriptDirectory, found: SchemaState) -> Iterator[Finding]:
    """Yield a problem for each row of the version table that another row makes redundant.

    Two rows are right for two branches, but not if one comes before the other.
    """
    for revision in redundant_revisions(directory, found.applied or ()):
        yield problem(
            f"{version_table()} has {revision} beside a revision that comes after it.",
            "Somebody has stamped or inserted a row: Alembic refuses to work with the two.",
            context.psql(f"DELETE FROM {version_table()} WHERE version_num = '{revision}'"),  # noqa: S608 - to be read
        )


def _edited(connection: Connection, directory: ScriptDirectory, found: SchemaState) -> Iterator[Finding]:
    """Yield a warning for each revision whose file is not what the database has run."""
    applied = [script for script in directory.walk_revisions() if script not in found.pending]
    for script in find_edited(directory, applied, read_history(connection)):
        yield warning(
            f"The file of {script.revision} ({script.path}) was changed after it was applied.",
            "A database that is made today differs from this one. Put the file back as it was, and say what is new"
            " in a revision of its own.",
            f"git log -p -- {shlex.quote(str(script.path))}",
        )


def _backfills(
    connection: Connection, directory: ScriptDirectory, metadata: MetaData, found: SchemaState
) -> Iterator[Finding]:
    """Yield the backfills for which pending revisions wait, since an upgrade would be refused; then the others."""
    pending = {script.revision for script in found.pending}
    statuses = read_statuses(connection, directory, metadata, by_rows=True)
    left = set(names_to_run(statuses))
    for backfill in statuses:
        waiting = [revision for revision in backfill.required_by if revision in pending]
        if waiting and backfill.name in left:
            left.remove(backfill.name)
            yield warning(
                f"The backfill {backfill.name} is {backfill.state}; revision {', '.join(waiting)} waits for it.",
                "That revision is refused while rows are left. A backfill goes on where it was.",
                f"{command('backfill')} {backfill.name}",
            )
    if left:
        yield note(
            f"{len(left)} backfill(s) are to be run once no older release serves: `{command('backfill')} --all`."
        )


def _pending(found: SchemaState) -> Iterator[Finding]:
    if not found.pending:
        yield ok(f"The database is at the head, {', '.join(found.applied or ())}.")
        return
    at = ", ".join(found.applied or ()) or "no revision"
    yield warning(
        f"The database is at {at}; {len(found.pending)} pending: {_list(found.pending)}.",
        "This release's tables and columns may be missing: it is not ready before they are applied."
        + (" After a contract revision the previous release no longer works." if _contracts(found.pending) else ""),
        upgrade_command(),
    )


def _list(pending: Sequence[Script]) -> str:
    shown = [f"{script.revision} ({phase_of(script)}, {script.doc})" for script in pending[:_SHOWN]]
    return "; ".join(shown) + (f" and {len(pending) - _SHOWN} more" if len(pending) > _SHOWN else "")


def _contracts(pending: Sequence[Script]) -> bool:
    return any(phase_of(script) is Phase.CONTRACT for script in pending)


def _running(connection: Connection, entry: Entry) -> Finding:
    holder = holder_of_lock(connection)
    age = format_duration(float(connection.scalar(_AGE, {"started": entry.started_at}) or 0))
    if holder:
        return note(
            f"{entry.direction} {entry.revision} is running for {age}, started by {entry.applied_by}.",
            f"The migration lock is held by {holder}: it is alive.",
        )
    seen = f"{entry.direction} {entry.revision} is recorded as running for {age}, but nobody holds the migration lock."
    if entry.direction == "downgrade":
        return warning(
            seen,
            f"The process that did it is dead ({entry.applied_by}). What it had not committed was undone: the revision"
            " is still in force. The next schema change notes that.",
            f"{command('status')}",
        )
    return problem(
        seen,
        f"The process that did it is dead ({entry.applied_by}). What it had not committed was undone; the next upgrade"
        " goes on from there.",
        upgrade_command(),
    )


def _ended_badly(entry: Entry, after: Entry | None, hints: Hints) -> Finding:
    """Return the finding on a failed step; `after` is a later step of its revision that was done."""
    cause = f": {entry.error.rstrip('.')}" if entry.error else ""
    seen = f"The last failure: {entry.direction} {entry.revision} {entry.outcome} ({_when(entry)}){cause}."
    if after:
        return note(seen, f"It was {_DONE.get(after.direction, after.direction)} afterwards.")
    if entry.direction == "downgrade":
        return problem(
            seen,
            "It was rolled back: the revision is still in force. Mend the cause before it is tried again.",
            f"{command('show-current-revision')}",
        )
    return problem(
        seen,
        "It was rolled back, and is tried again at every upgrade. Stop automatic attempts"
        f"{in_brackets(hints.stop_automatic)}, mend the cause, then take one controlled step.",
        upgrade_command(),
    )


def _when(entry: Entry) -> str:
    release = f", release {entry.release}" if entry.release else ""
    return f"{entry.started_at:%Y-%m-%d %H:%M:%S %Z}, by {entry.applied_by}{release}"

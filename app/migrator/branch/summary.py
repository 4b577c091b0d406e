"""What the revisions do that a branch adds: for a comment in its pull request, known without a database."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..autogenerate.mirrored_column import VALUE, MirroredColumn, read_mirrored_column
from ..backfill.definition import required_backfills
from ..config import MigratorConfig
from ..lint.finding import Finding
from ..lint.known_schema import Change, ParsedRevision, parse_revisions
from ..lint.linter import lint
from ..lint.lock_rules import lockings
from ..revisions.loading import load_revisions, oldest_first
from ..sql.effect import LOSES_DATA, Kind
from ..sql.lock_modes import Lock, LockMode
from ..sql.statement_locks import locks_of
from .changes import BranchChanges, read_changes
from .row_work import row_work

_UNKNOWN = "what cannot be known from its SQL"
# What a new column, constraint or table has is told with it.
_TOLD_WITH = {
    Kind.ADD_COLUMN: {Kind.SET_DEFAULT, Kind.SET_NOT_NULL, Kind.REWRITE, Kind.ADD_CONSTRAINT, Kind.VALIDATE},
    Kind.ADD_CONSTRAINT: {Kind.VALIDATE},
    Kind.ADD_NOT_NULL_CHECK: {Kind.VALIDATE},
    Kind.CREATE_TABLE: {Kind.PARTITION_TABLE},
}


@dataclass(frozen=True)
class RevisionSummary:
    """What one revision does, in words; of what it has made itself nothing is locked, read or lost.

    `locks` are those for which reads or writes of a table in use wait, `row_work` what it does with all rows of one.
    With `is_readable` false its SQL is not known without a database.
    """

    revision: str
    file: str
    message: str
    phase: str
    requires_backfills: tuple[str, ...]
    is_readable: bool
    changes: tuple[str, ...]
    locks: tuple[Lock, ...]
    row_work: tuple[str, ...]
    losses: tuple[str, ...]


@dataclass(frozen=True)
class BranchSummary:
    """The new revisions, oldest first, and what else a reviewer has to know.

    `edited` are the files of revisions that are others at the base, `removed` revisions that were there and are gone,
    `missing` ones that the base has got since.
    """

    base: str
    merge_base: str
    revisions: tuple[RevisionSummary, ...]
    findings: tuple[Finding, ...]
    edited: tuple[str, ...]
    removed: tuple[str, ...]
    missing: tuple[str, ...]
    note: str | None


def read_summary(config: MigratorConfig, base: str) -> BranchSummary:
    """Return what the branch changes against `base`. Raises GitError, SquawkError and MigrationFailedError."""
    report = lint(config, base=base)
    directory = load_revisions(config)
    changes = read_changes(directory, base)
    new = {script.revision for script in changes.new}
    parsed = [each for each in parse_revisions(oldest_first(directory)) if each.script.revision in new]
    return BranchSummary(
        base=base,
        merge_base=changes.merge_base,
        revisions=tuple(_summary(each, changes) for each in parsed),
        findings=report.findings,
        edited=tuple(_path(script.path, changes) for script in changes.edited),
        removed=changes.removed,
        missing=changes.missing,
        note=report.note,
    )


def _summary(revision: ParsedRevision, changes: BranchChanges) -> RevisionSummary:
    script = revision.script
    return RevisionSummary(
        revision=script.revision,
        file=_path(script.path, changes),
        message=(script.doc or "").partition("\n")[0],
        phase=revision.phase.value,
        requires_backfills=required_backfills(script),
        is_readable=revision.sql is not None,
        changes=tuple(_told(revision)),
        locks=tuple(_locks(revision)),
        row_work=row_work(revision),
        losses=tuple(_losses(revision)),
    )


def _locks(revision: ParsedRevision) -> Iterator[Lock]:
    """Yield each table in use whose traffic waits, with the strongest mode, in the order in which they are locked."""
    found: dict[str, LockMode] = {}
    for locking in lockings(revision):
        modes = {lock.table: lock.mode for lock in locks_of(locking.statement)}
        for table in locking.locked:
            # What is written anew is locked so although the statement does not say its name.
            mode = modes.get(table, LockMode.ACCESS_EXCLUSIVE)
            found[table] = max(found.get(table, mode), mode, key=lambda each: each.strength)
    return (Lock(table, mode) for table, mode in found.items())


def _path(file: str, changes: BranchChanges) -> str:
    path, root = Path(file).resolve(), changes.repository.root.resolve()
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _told(revision: ParsedRevision) -> Iterator[str]:
    for change in revision.changes:
        beside = [other.effect.kind for other in revision.changes if other.statement is change.statement]
        if not any(change.effect.kind in _TOLD_WITH.get(kind, ()) for kind in beside):
            mirrored = _mirror_of(change, revision)
            yield f"{change.effect}, which {mirrored.new} mirrors" if mirrored else str(change.effect)


def _losses(revision: ParsedRevision) -> Iterator[str]:
    if revision.sql is None:
        yield _UNKNOWN
    for change in revision.changes:
        mirrored = _mirror_of(change, revision)
        if mirrored and mirrored.to_new == VALUE:
            continue
        if mirrored:
            yield f"perhaps: what {mirrored.new} cannot hold of {change.effect.column}, which it mirrors"
        elif _is_loss(change):
            yield f"perhaps: {change.effect}" if change.effect.may_lose_data else str(change.effect)


def _mirror_of(change: Change, revision: ParsedRevision) -> MirroredColumn | None:
    """Return the column that a trigger has kept equal to one that is dropped, whose backfill the revision requires."""
    effect, before = change.effect, revision.before[0]
    if effect.kind is not Kind.DROP_COLUMN or not required_backfills(revision.script):
        return None
    if effect.column not in before.mirrored(effect.table).values():
        return None
    found = filter(None, (read_mirrored_column(code or "") for _, code in before.functions))
    return next((each for each in found if (each.table, each.old) == (effect.table, effect.column)), None)


def _is_loss(change: Change) -> bool:
    effect, before = change.effect, change.before
    is_own_column = (effect.table, effect.column) in before.columns
    is_own = change.is_of_new_table or is_own_column or (effect.table,) in before.others
    return not is_own and (effect.may_lose_data or effect.kind in LOSES_DATA)

"""Make of one generation the revisions and backfills that it takes."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from alembic.autogenerate.api import AutogenContext
from alembic.autogenerate.render import render_op, renderers
from alembic.operations.ops import DowngradeOps, MigrateOperation, MigrationScript, UpgradeOps
from alembic.script import ScriptDirectory

from ..phase import Phase
from .backfill_file import BackfillFile, unused_name, write_backfill
from .effects import Mode
from .header import declarations
from .plan import PlannedRevision


class Generation(MigrateOperation):
    """All that is to be done, in one operation, until `split_into_revisions`; `differences` describe why."""

    def __init__(self, revisions: Sequence[PlannedRevision], differences: Sequence[str]) -> None:
        self.revisions = revisions
        self.differences = differences

    def reverse(self) -> "Generation":
        return Generation((), self.differences)

    def to_diff_tuple(self) -> tuple[str, ...]:
        """Return what `check` shows."""
        return tuple(self.differences)


class RevisionSteps(MigrateOperation):
    """The operations of one revision and direction, and the backfills that are written with it, with their `after`."""

    def __init__(
        self,
        operations: Sequence[MigrateOperation],
        differences: Sequence[str] = (),
        backfills: Sequence[tuple[BackfillFile, str]] = (),
    ) -> None:
        self.operations = operations
        self.differences = differences
        self.backfills = backfills

    def to_diff_tuple(self) -> tuple[str, ...]:
        return tuple(self.differences)


@renderers.dispatch_for(RevisionSteps)
def _render_steps(context: AutogenContext, steps: RevisionSteps) -> list[str]:
    directory = context.migration_context.script
    # Only now: the revision after which a backfill runs was written, and is as it should be.
    for backfill, after in steps.backfills if directory else ():
        write_backfill(Path(directory.dir), backfill, after)  # type: ignore[union-attr]
    return [line for operation in steps.operations for line in render_op(context, operation)]


def split_into_revisions(directives: list[MigrationScript], directory: ScriptDirectory) -> None:
    """Replace the generated script by one for each revision of its plan; leave a script that is not generated."""
    script = directives[0] if directives else None
    found = script.upgrade_ops.ops if script and script.upgrade_ops else []
    generation = next((operation for operation in found if isinstance(operation, Generation)), None)
    if script is None or generation is None:
        return
    current = directory.get_revision(script.head or "head")
    revisions = list(generation.revisions)
    if current is None:
        _give_backfills_a_revision(revisions)
    revisions[0].id = script.rev_id or revisions[0].id
    _name_backfills(revisions, directory)
    after = current.revision if current else ""
    scripts = [_script(script, revisions, position, after) for position in range(len(revisions))]
    _keep_other_operations(script, scripts[-1], generation)
    directives[:] = scripts


def _give_backfills_a_revision(revisions: list[PlannedRevision]) -> None:
    """Put an empty revision first where a backfill has none to run after."""
    needs = [each for each in revisions if any(after is None for _, after in each.backfills)]
    if not needs:
        return
    first = PlannedRevision(phase=Phase.EXPAND, mode=Mode.TRANSACTION)
    for revision in needs:
        revision.backfills = [(file, after or first) for file, after in revision.backfills]
    revisions.insert(0, first)


def _name_backfills(revisions: Iterable[PlannedRevision], directory: ScriptDirectory) -> None:
    taken = {file.stem for file in Path(directory.dir).glob("backfills/*.py")}
    # Several revisions may require one.
    named: dict[BackfillFile, tuple[BackfillFile, PlannedRevision | None]] = {}
    for revision in revisions:
        for position, (file, after) in enumerate(revision.backfills):
            if file not in named:
                named[file] = (replace(file, name=unused_name(file.name, taken)), after)
                taken.add(named[file][0].name)
            revision.backfills[position] = named[file]


def _script(
    script: MigrationScript, revisions: Sequence[PlannedRevision], position: int, current: str
) -> MigrationScript:
    revision, count, is_first = revisions[position], len(revisions), position == 0
    number = f"{position + 1:0{len(str(count))}} of {count}: "
    backfills = [(file, after.id if after else current) for file, after in revision.backfills]
    names = tuple(file.name for file, _ in backfills)
    return MigrationScript(
        revision.id,
        UpgradeOps([RevisionSteps(revision.up, backfills=backfills)]),
        DowngradeOps([RevisionSteps(revision.down)]),
        message=(number if count > 1 else "") + (script.message or "empty message"),
        imports={*script.imports, *declarations(revision.phase, names, revision.assertions, revision.lint_ignore)},
        head=script.head if is_first else revisions[position - 1].id,
        splice=script.splice if is_first else False,
        branch_label=script.branch_label if is_first else None,
        version_path=script.version_path,
        depends_on=script.depends_on if is_first else None,
    )


def _keep_other_operations(script: MigrationScript, last: MigrationScript, generation: Generation) -> None:
    """Have the last revision do what a hook of the project has added, and tell `check` of the differences."""
    for old, new in ((script.upgrade_ops, last.upgrade_ops), (script.downgrade_ops, last.downgrade_ops)):
        if old is None or new is None:
            continue
        (steps,) = new.ops
        assert isinstance(steps, RevisionSteps)
        steps.differences = generation.differences
        position = next((at for at, each in enumerate(old.ops) if isinstance(each, Generation)), 0)
        others = [each for each in old.ops if not isinstance(each, Generation)]
        new.ops = [*others[:position], steps, *others[position:]]

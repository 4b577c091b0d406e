"""The step that an empty database takes in the place of those that a baseline replaces."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from alembic.runtime.migration import MigrationStep, RevisionStep
from alembic.script import Script, ScriptDirectory

from ..revisions.baselines import find_baseline, replaced_checksums
from .planned_steps import upgraded_revisions


def begin_with_baseline(
    directory: ScriptDirectory, steps: Sequence[MigrationStep], folder: Path | None = None
) -> list[MigrationStep]:
    """Return the steps of an upgrade from nothing, with a baseline in the place of those that it replaces.

    `folder` is where to look for one instead of in the project's own.
    """
    planned = upgraded_revisions(steps)
    shortened = shorten(directory, planned, folder)
    if shortened == planned:
        return list(steps)
    baseline = RevisionStep(directory.revision_map, shortened[0], is_upgrade=True)
    return [baseline, *(step for step in steps if isinstance(step, RevisionStep) and step.revision in shortened)]


def replaced_by_baselines(planned: Iterable[Script]) -> set[str]:
    """Return the revisions that the baselines among the planned ones replace: whoever agreed to these agreed to them.

    They are pending where another process has applied some of them meanwhile.
    """
    return {name for script in planned for name in replaced_checksums(script)}


def shorten(directory: ScriptDirectory, revisions: Sequence[Script], folder: Path | None = None) -> list[Script]:
    """Return the revisions of an upgrade from nothing, oldest first, as `begin_with_baseline` does with the steps."""
    baseline = find_baseline(directory, [script.revision for script in revisions], folder)
    if baseline is None:
        return list(revisions)
    replaced = replaced_checksums(baseline)
    return [baseline, *(script for script in revisions if script.revision not in replaced)]

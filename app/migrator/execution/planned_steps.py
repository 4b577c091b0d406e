"""The steps of one command: how far they go, which revisions they are, and whether somebody agreed to them."""

from collections.abc import Collection, Sequence
from itertools import takewhile

from alembic.runtime.migration import MigrationStep, RevisionStep
from alembic.script import Script

from ...postgres.errors import DatabaseError
from ..command_names import command
from ..phase import Phase
from ..revisions.loading import is_up_to


class PlanChangedError(DatabaseError):
    """The database was changed meanwhile, so that the command would apply or revert other revisions than planned."""


def steps_up_to(steps: Sequence[MigrationStep], phase: Phase) -> list[MigrationStep]:
    """Return the steps before the first contract revision, or all of them where `phase` is CONTRACT."""

    def is_wanted(step: MigrationStep) -> bool:
        return not (isinstance(step, RevisionStep) and step.is_upgrade) or is_up_to(step.revision, phase)

    return list(takewhile(is_wanted, steps))


def require_plan_unchanged(agreed: Collection[str], steps: Sequence[MigrationStep]) -> None:
    """Raise PlanChangedError where the steps have a revision that is not an agreed one.

    `+1` and `-1`, for instance, name other revisions after somebody else's upgrade.
    """
    if others := [one.revision for one in planned_revisions(steps) if one.revision not in agreed]:
        raise PlanChangedError(
            f"The database was changed meanwhile: {', '.join(others)} would be"
            f" {'reverted' if downgraded_revisions(steps) else 'applied'} now, which was not asked for. Nothing was"
            f" done: look at `{command('status')}`, and begin again."
        )


def planned_revisions(steps: Sequence[MigrationStep]) -> list[Script]:
    """Return the revisions that the steps would apply or revert."""
    return [step.revision for step in steps if isinstance(step, RevisionStep)]


def upgraded_revisions(steps: Sequence[MigrationStep]) -> list[Script]:
    return [step.revision for step in steps if isinstance(step, RevisionStep) and step.is_upgrade]


def downgraded_revisions(steps: Sequence[MigrationStep]) -> list[Script]:
    return [step.revision for step in steps if isinstance(step, RevisionStep) and step.is_downgrade]

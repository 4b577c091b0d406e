"""The steps of one command: how far they go, which revisions they are, and whether somebody agreed to them."""

from collections.abc import Collection, Sequence
from itertools import takewhile

import structlog
from alembic.runtime.migration import MigrationStep, RevisionStep
from alembic.script import Script

from ...postgres.errors import DatabaseError
from ..command_names import command
from ..phase import Phase
from ..revisions.loading import is_up_to, phase_of

log = structlog.stdlib.get_logger(__name__)


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


def log_remaining(steps: Sequence[MigrationStep]) -> None:
    """Log the steps that a command leaves for later, if there are any."""
    names = [step_name(step) for step in steps]
    if any(phase_of(script) is Phase.EXPAND for script in planned_revisions(steps)):
        log.warning(
            "left for later: contract revisions, and expand revisions after them, without which this release is"
            " not ready",
            revisions=names,
        )
    elif names:
        log.info("left for later: contract revisions", revisions=names)


def step_name(step: MigrationStep) -> str:
    """Return the step's revision, or Alembic's words for one that has several."""
    return step.revision.revision if isinstance(step, RevisionStep) else step.short_log

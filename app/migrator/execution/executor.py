"""Execute the steps of an upgrade, a downgrade or a stamp one by one, each with its limits, its record and its retries.

Alembic decides which steps lead from the database's revision to the destination, and runs each of them. What surrounds
a step is here, so that every command does it alike.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from alembic import context
from alembic.runtime.migration import MigrationInfo, MigrationStep, RevisionStep
from alembic.script import Script
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from ...postgres.connect import first_error_of, is_lost
from ...postgres.errors import MigrationFailedError
from ..backfill import records as backfill_records
from ..backfill.status import BackfillUnfinishedError, require_finished
from ..config import MigratorConfig
from ..engine_tables import version_table
from ..locking.deadline import Deadline
from ..locking.migration_lock import require_lock
from ..locking.retries import recover_from_table_in_use, run_with_retries
from ..locking.silence_guard import guarded_lock
from ..locking.table_locks import read_when_unlocked
from ..partitions.maintenance import lacks_partitions, make_missing_partitions
from ..preview.losses import warn_about_losses
from ..revisions import history, history_recording
from ..revisions.alembic_config import RunOptions, alembic_options
from ..revisions.loading import explain_alembic_error, phase_of, require_destination
from ..revisions.requirements import require, requirements_of
from ..revisions.schema_state import is_ahead_but_served, require_no_tables, require_versions
from ..revisions.version_table import longest_id, require_own_versions
from ..spans import APPLY_REVISION, REVERT_REVISION, Attributes
from .baseline_steps import begin_with_baseline, replaced_by_baselines
from .data_loss import refuse_data_loss
from .failures import explain_recording_errors, record_failure, step_failure
from .leftovers import has_leftovers, mend_leftovers
from .planned_steps import (
    downgraded_revisions,
    log_remaining,
    planned_revisions,
    require_plan_unchanged,
    step_name,
    steps_up_to,
    upgraded_revisions,
)
from .session_limits import reset_session
from .statement_guard import StatementGuard

log = structlog.stdlib.get_logger(__name__)


class StepExecutor:
    """The steps of one command on one connection, which must not be in a transaction and must not go back to a pool."""

    def __init__(self, connection: AsyncConnection, config: MigratorConfig, options: RunOptions) -> None:
        self._connection = connection
        self._config = config
        self._options = options
        self._configure()
        # Alembic's function for this command, which returns the steps from given heads to the destination.
        self._steps_to = context.get_context().opts["fn"]
        # The direction whose failed steps a person gives up by going the other way; Alembic names its functions so.
        opposite = {} if options.automatic else {"upgrade": "downgrade", "downgrade": "upgrade"}
        self._given_up = opposite.get(self._steps_to.__name__)
        self._remaining: Sequence[MigrationStep] = ()
        # The revisions of which the requirements were true.
        self._satisfied: set[str] = set()

    async def execute(self) -> None:
        """Bring the database to the command's destination.

        Raises MigrationFailedError, DataLossRefusedError, PlanChangedError and ReadOnlyDatabaseError.
        """
        with self._config.open_span(self._steps_to.__name__.removeprefix("do_"), {}):
            await self._execute()

    async def _execute(self) -> None:
        # Without the lock, so that a command with nothing to do does not wait for it.
        deadline, limit = Deadline(self._config.lock_wait), self._config.lock_timeout
        steps = await read_when_unlocked(self._connection, deadline, limit, self._plan)
        if self._options.preview is not None:
            reverted = downgraded_revisions(steps)
            await read_when_unlocked(self._connection, deadline, limit, self._options.preview, reverted)
            return
        goes_up = all(isinstance(step, RevisionStep) and step.is_upgrade for step in steps)
        if not steps:
            log.info("nothing to apply")
        gives_up = await self._connection.run_sync(has_leftovers, self._given_up)
        if steps or gives_up or await lacks_partitions(self._connection, self._config):
            async with guarded_lock(self._connection, self._config, deadline):
                # Planned again, since another process may have applied the steps meanwhile.
                replanned = await read_when_unlocked(self._connection, deadline, limit, self._plan)
                planned = planned_revisions(steps)
                agreed = {one.revision for one in planned} if self._options.agreed is None else self._options.agreed
                replaced = replaced_by_baselines(script for script in planned if script.revision in agreed)
                require_plan_unchanged({*agreed, *replaced}, replanned)
                if self._options.rehearse is not None:
                    await self._connection.run_sync(self._rehearse, replanned, self._options.rehearse)
                    return
                with explain_recording_errors():
                    await self._apply_steps(replanned)
                if goes_up:
                    await make_missing_partitions(self._connection, self._config)
        log_remaining(self._remaining)

    def _rehearse(
        self,
        connection: Connection,
        steps: Sequence[MigrationStep],
        rehearse: Callable[[Connection, list[Script]], None],
    ) -> None:
        reset_session(connection, self._config)
        self._configure(connection)
        rehearse(connection, upgraded_revisions(steps))

    async def _apply_steps(self, steps: Sequence[MigrationStep]) -> None:
        await self._connection.run_sync(self._prepare, steps)
        await self._connection.run_sync(mend_leftovers, self._config, self._given_up)
        revisions = [step for step in steps if isinstance(step, RevisionStep)]
        for step in revisions:
            name = APPLY_REVISION if step.is_upgrade else REVERT_REVISION
            known: Attributes = {"revision": step_name(step), "phase": phase_of(step.revision).value}
            try:
                with self._config.open_span(name, known) as span:
                    span["retries"] = await self._apply_with_retries(step)
            except BackfillUnfinishedError as exc:
                if not self._options.automatic:
                    raise
                # Otherwise the program would be restarted again and again, and never serve any request.
                log.warning("a contract revision waits for its backfill", reason=str(exc))
                self._remaining = revisions[revisions.index(step) :]
                return
        if stamps := [step for step in steps if step not in revisions]:
            await self._connection.run_sync(self._stamp, stamps)

    def _configure(self, connection: Connection | None = None, **options: Any) -> None:  # noqa: ANN401 - Alembic's
        context.configure(
            connection=connection or self._connection.sync_connection,
            target_metadata=self._config.metadata,
            **alembic_options(),
            **options,
        )

    def _plan(self, connection: Connection) -> list[MigrationStep]:
        self._configure(connection)
        migration = context.get_context()
        try:
            destination = context.get_revision_argument()
            if isinstance(destination, str):
                require_destination(destination)
            if migration.purge:
                require_own_versions(connection, context.script, self._config.metadata)
            else:
                require_versions(connection, context.script, self._config.metadata)
            heads = () if migration.purge else migration.get_current_heads()
            if not migration.purge and is_ahead_but_served(connection, context.script, heads, destination):
                return []
            steps = list(self._steps_to(heads, migration))
            if not heads:
                require_no_tables(connection, upgraded_revisions(steps), self._config.metadata)
                steps = begin_with_baseline(context.script, steps, self._options.baselines)
        except CommandError as exc:
            raise MigrationFailedError(explain_alembic_error(exc, context.script)) from exc
        finally:
            connection.rollback()
        wanted = steps_up_to(steps, self._options.phase)
        self._remaining = steps[len(wanted) :]
        return wanted

    def _prepare(self, connection: Connection, steps: Sequence[MigrationStep]) -> None:
        """Prepare the first step, once the lock is held."""
        down = downgraded_revisions(steps)
        if down and not (self._config.allows_data_loss or self._options.accept_data_loss):
            refuse_data_loss(connection, down)
        with connection.begin():
            heads = context.get_context().get_current_heads()
            history_recording.create_history(connection, context.script, heads, self._config.release)
            history_recording.mark_interrupted(connection)
        # A database without a revision has nothing to lose, and no release that could stop working.
        if heads:
            warns_of_contracts = self._options.automatic and not self._config.allows_data_loss
            warn_about_losses(connection, upgraded_revisions(steps), self._config.hints if warns_of_contracts else None)

    async def _apply_with_retries(self, step: RevisionStep) -> int:
        """Apply the step, and return how often it was tried again."""
        await self._connection.run_sync(reset_session, self._config)
        entry, begun = await self._connection.run_sync(_record_begin, step, self._config.release)
        guards: list[StatementGuard] = []

        async def apply(attempt: int, lock_wait: float) -> None:
            if attempt:
                await self._connection.run_sync(history_recording.record_retries, entry, attempt)
            guards.append(StatementGuard(self._config, entry, begun, lock_wait))
            await self._connection.run_sync(self._apply_once, step, entry, attempt, guards[-1])

        recover = partial(recover_from_table_in_use, self._connection, self._config, revision=step_name(step))
        try:
            await run_with_retries(apply, recover, self._config.lock_retries, self._config.lock_timeout)
        except Exception as exc:
            cause, retries = first_error_of(exc), len(guards) - 1
            await record_failure(self._connection, self._config, step, entry, retries, cause)
            if is_lost(cause):
                raise cause from None
            raise step_failure(step, cause, retries, guards[-1], self._config.hints) from exc
        return len(guards) - 1

    def _apply_once(
        self, connection: Connection, step: RevisionStep, entry: int, attempt: int, guard: StatementGuard
    ) -> None:
        script: Script = step.revision
        change = script.module.upgrade if step.is_upgrade else script.module.downgrade
        duration = timedelta()

        def run_guarded(**arguments: Any) -> None:  # noqa: ANN401 - Alembic's
            if step.is_upgrade:
                self._require_once(connection, script)
            self._run_guarded(connection, partial(change, **arguments), guard)
            # Not before: the revision may have widened the column.
            if step.is_upgrade and len(script.revision) > (longest := longest_id(connection)):
                raise MigrationFailedError(
                    f"its id has {len(script.revision)} characters, and {version_table()} holds {longest}"
                )

        # Alembic calls this in the step's own transaction, and passes everything by name.
        def record_done(ctx: object, step: MigrationInfo, heads: object, run_args: object) -> None:  # noqa: ARG001
            nonlocal duration
            if not step.is_upgrade:
                backfill_records.forget(connection, script)
            duration = history_recording.record_end(connection, entry, history.Outcome.DONE, retries=attempt)
            history_recording.record_replaced(connection, context.script, script, self._config.release)

        # Alembic's log shows the name.
        run_guarded.__name__ = change.__name__
        step.migration_fn = run_guarded
        self._configure(connection, fn=lambda heads, ctx: [step], on_version_apply=record_done)  # noqa: ARG005
        context.run_migrations()
        if connection.in_transaction():
            raise MigrationFailedError("it ended the transaction that it ran in, so that nothing of it was kept")
        log.info(
            "applied a revision" if step.is_upgrade else "reverted a revision",
            revision=script.revision,
            title=script.doc,
            phase=phase_of(script).value,
            duration_seconds=round(duration.total_seconds(), 3),
            rows=guard.rows,
            retries=attempt,
        )

    def _require_once(self, connection: Connection, script: Script) -> None:
        """Check what the revision requires; not at each attempt to get a table, since it may read all rows."""
        if script.revision not in self._satisfied:
            require(connection, requirements_of(script), "it")
            self._satisfied.add(script.revision)

    def _run_guarded(self, connection: Connection, change: Callable[[], None], guard: StatementGuard) -> None:
        """Run what a revision does, within the limits of a statement and with the lock held to its end."""
        session = require_lock(connection)
        with guard.listening_to(connection):
            try:
                change()
            except SystemExit as exc:
                raise MigrationFailedError("it raises SystemExit, which would end the whole program") from exc
        require_lock(connection, session)

    def _stamp(self, connection: Connection, steps: Sequence[MigrationStep]) -> None:
        self._configure(connection)
        before: tuple[str, ...] = context.get_context().get_current_heads()
        connection.rollback()

        def record_stamp(ctx: Any, step: MigrationInfo, heads: set[str], run_args: object) -> None:  # noqa: ANN401, ARG001
            nonlocal before
            stamped = history_recording.StampChange.between(context.script, before, heads)
            history_recording.record_stamp(connection, stamped, self._config.release)
            for script in stamped.out:
                backfill_records.forget(connection, script)
            before = tuple(heads)

        # In one run: Alembic purges once, before the first step.
        self._configure(connection, fn=lambda heads, ctx: steps, on_version_apply=record_stamp)  # noqa: ARG005
        context.run_migrations()


def _record_begin(connection: Connection, step: RevisionStep, release: str) -> tuple[int, set[str]]:
    direction = "upgrade" if step.is_upgrade else "downgrade"
    if step.is_upgrade:
        require_finished(connection, context.script, step.revision)
    with connection.begin():
        begun = history_recording.begun_names(connection, step.revision.revision, direction)
        return history_recording.record_begin(connection, step.revision, direction, release), begun

"""What an upgrade would do in this database, read without running, locking or changing anything."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ...postgres.errors import MigrationFailedError, sqlstate_of
from ...postgres.url.database_url import DatabaseURL
from ..backfill.definition import required_backfills
from ..backfill.status import BackfillState, BackfillStatus, BackfillUnfinishedError, read_statuses, require_finished
from ..config import MigratorConfig
from ..execution.commands import pending_revisions
from ..execution.commands import rehearse as rehearse_upgrade
from ..lint.known_schema import ParsedRevision, parse_revisions
from ..locking.migration_lock import holder_of_lock
from ..locking.retries import TABLE_IN_USE
from ..partitions.state import Action, read_partitions
from ..partitions.tables import is_partitioned
from ..phase import Phase
from ..readonly_connection import with_readonly_connection
from ..revisions.baselines import is_baseline
from ..revisions.loading import explain_alembic_error, load_revisions, oldest_first, require_destination
from ..revisions.requirements import RequirementError, require, requirements_of
from ..revisions.schema_state import SchemaState, read_state
from .catalogue import read_catalogue
from .effects import RequiredBackfill, RevisionEffects, effects_here
from .losses import upgrade_losses
from .planned_partitions import partitions_of_new_tables
from .rehearsal import Outcome, RehearsedRevision, rehearse

T = TypeVar("T")
# Seconds: longer than it takes to get a lock that nobody holds.
_LOCK_TIMEOUT = 0.2
_SERVER = text("SELECT 'PostgreSQL ' || current_setting('server_version')")


@dataclass(frozen=True)
class DryRun:
    """What an upgrade would do now: its revisions, the oldest first, and then partitions.

    `partitions` are None where that could not be read because a table is in use. `under_way` is who changes the schema
    meanwhile. `refused` is why the upgrade would stop, and `refused_at` the revision before which it would; None: at
    once. `rehearsal` is how the revisions went in a transaction that was rolled back; None where none was asked for.
    """

    database: str
    server: str
    current: tuple[str, ...]
    phase: Phase
    revisions: tuple[RevisionEffects, ...]
    partitions: tuple[Action, ...] | None
    under_way: str | None
    refused: str | None
    refused_at: str | None
    rehearsal: tuple[RehearsedRevision, ...] | None = None

    @property
    def exit_code(self) -> int:
        """Return the exit code that the upgrade would end with, as far as that is known."""
        failed = any(each.outcome is Outcome.FAILED for each in self.rehearsal or ())
        return MigrationFailedError.exit_code if self.refused or failed else 0


def read_dry_run(config: MigratorConfig, revision: str = "head", phase: Phase = Phase.CONTRACT) -> DryRun:
    """Return what `upgrade` would do.

    Raises what `upgrade` raises where it is not known what that is, for instance for an unknown revision.
    """
    require_destination(revision)
    directory = load_revisions(config)

    def read(connection: Connection, url: DatabaseURL) -> DryRun:
        return _Reader(connection, directory, config).read(url, revision, phase)

    try:
        return with_readonly_connection(config, read, wait=config.lock_wait, lock_timeout=_LOCK_TIMEOUT)
    except (CommandError, RevisionError) as exc:
        raise MigrationFailedError(explain_alembic_error(exc, directory)) from exc


def with_rehearsal(config: MigratorConfig, found: DryRun, revision: str) -> DryRun:
    """Run the revisions of a dry run in a transaction that is rolled back, and return it with how they went.

    Raises what `upgrade` raises, also where other revisions are pending by now.
    """
    went: list[RehearsedRevision] = []
    agreed = [each.revision for each in found.revisions]
    run = partial(_collect, went, config)
    rehearse_upgrade(config, run, revision, found.phase, agreed)
    return replace(found, rehearsal=tuple(went))


def _collect(
    went: list[RehearsedRevision], config: MigratorConfig, connection: Connection, scripts: list[Script]
) -> None:
    went.extend(rehearse(connection, scripts, config))


class _Reader:
    """Reads one database; each question is a transaction of its own, so that none waits for long."""

    def __init__(self, connection: Connection, directory: ScriptDirectory, config: MigratorConfig) -> None:
        self._connection = connection
        self._directory = directory
        self._config = config

    def read(self, url: DatabaseURL, revision: str, phase: Phase) -> DryRun:
        connection = self._connection
        state = read_state(connection, self._directory, self._config.metadata)
        pending = pending_revisions(connection, self._directory, state, revision, phase, self._config.metadata)
        catalogue = read_catalogue(connection)
        server, under_way = str(connection.scalar(_SERVER)), holder_of_lock(connection)
        connection.rollback()
        parsed = self._parse(pending)
        statuses = {one.name: one for one in read_statuses(connection, self._directory, self._config.metadata)}
        connection.rollback()
        refused_at, refused = self._refusal(state, pending, statuses)
        return DryRun(
            database=url.location,
            server=server,
            current=state.applied or (),
            phase=phase,
            revisions=tuple(self._revisions(parsed, [*effects_here(parsed, catalogue)], state, statuses)),
            partitions=self._partitions(parsed),
            under_way=under_way,
            refused=refused,
            refused_at=refused_at,
        )

    def _parse(self, pending: Sequence[Script]) -> list[ParsedRevision]:
        chosen = {script.revision for script in pending}
        # Nothing comes before a baseline, and the directory has another revision under its id.
        every = pending if any(map(is_baseline, pending)) else oldest_first(self._directory)
        return [each for each in parse_revisions(every) if each.script.revision in chosen]

    def _revisions(
        self,
        parsed: Iterable[ParsedRevision],
        effects: Iterable[RevisionEffects],
        state: SchemaState,
        statuses: Mapping[str, BackfillStatus],
    ) -> Iterator[RevisionEffects]:
        scripts = [each.script for each in parsed]
        losses = upgrade_losses(self._connection, scripts) if state.applied else []
        for script, does in zip(scripts, effects, strict=True):
            yield replace(
                does,
                losses=tuple(loss for loss in losses if loss.revision == script.revision),
                backfills=tuple(_required(statuses[name]) for name in required_backfills(script)),
            )

    def _partitions(self, parsed: Sequence[ParsedRevision]) -> tuple[Action, ...] | None:
        def read() -> tuple[Action, ...]:
            states = read_partitions(self._connection, self._config)
            return tuple(action for state in states for action in state.to_make())

        if not any(map(is_partitioned, self._config.metadata.tables.values())):
            return ()
        there = self._unless_in_use(read)
        if there is None:
            return None
        new = partitions_of_new_tables(self._connection, self._config, parsed)
        self._connection.rollback()
        return (*there, *new)

    def _refusal(
        self, state: SchemaState, pending: Sequence[Script], statuses: Mapping[str, BackfillStatus]
    ) -> tuple[str | None, str | None]:
        """Return the revision before which the upgrade would stop, and why, as far as that is known now."""
        if pending and state.read_only:
            return None, state.read_only
        # The table of a backfill that waits for its revision may not be as it has to be yet.
        waiting = {name for name, one in statuses.items() if one.state is BackfillState.WAITING}
        for script in pending:
            try:
                if waiting.isdisjoint(required_backfills(script)):
                    self._unless_in_use(partial(require_finished, self._connection, self._directory, script))
                # What a later one requires, an earlier one may bring about.
                if script is pending[0]:
                    subject = f"Revision {script.revision} ({script.path})"
                    self._unless_in_use(partial(require, self._connection, requirements_of(script), subject))
            except (BackfillUnfinishedError, RequirementError) as exc:
                return script.revision, str(exc)
        return None, None

    def _unless_in_use(self, read: Callable[[], T]) -> T | None:
        """Return what `read` returns; None where somebody holds a table that it needs."""
        try:
            return read()
        except DBAPIError as exc:
            if sqlstate_of(exc) not in TABLE_IN_USE:
                raise
            return None
        finally:
            self._connection.rollback()


def _required(status: BackfillStatus) -> RequiredBackfill:
    return RequiredBackfill(status.name, status.state, status.rows_seen, status.total)

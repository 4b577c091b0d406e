"""Upgrade, downgrade and plan: plain functions, each of which blocks until it is done."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import takewhile

from alembic import command
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection, MetaData

from ...postgres.errors import MigrationFailedError
from ...postgres.url.database_url import DatabaseURL
from ..backfill.status import require_finished
from ..config import MigratorConfig
from ..locking.alembic_lock import ALEMBIC_LOCK
from ..phase import Phase
from ..preview.losses import upgrade_losses
from ..read_only_database import require_writable
from ..readonly_connection import with_readonly_connection
from ..revisions.alembic_config import RunOptions, alembic_config
from ..revisions.loading import explain_alembic_error, is_up_to, load_revisions, require_destination
from ..revisions.schema_state import SchemaState, is_ahead_but_served, read_state, require_no_tables
from ..signals import Canceller
from .baseline_steps import shorten
from .data_loss import Loss, count_losses


@dataclass(frozen=True)
class Plan:
    """The revisions that an upgrade would apply, oldest first, and the database as `host:port/database`.

    `losses` are what they would remove from it.
    """

    database: str
    revisions: tuple[Script, ...]
    losses: tuple[Loss, ...]


def upgrade(
    config: MigratorConfig,
    revision: str = "head",
    *,
    sql: bool = False,
    phase: Phase = Phase.CONTRACT,
    agreed: Iterable[str] | None = None,
    automatic: bool = False,
    canceller: Canceller | None = None,
) -> None:
    """Apply the revisions up to `revision`, or print their SQL on standard output.

    With `phase` EXPAND it stops before the first contract revision. In one process one upgrade at a time runs, and the
    others wait for it. Do not call it in a thread that runs an event loop.
    Raises MigrationFailedError, DatabaseUnreachableError and ReadOnlyDatabaseError. Raises PlanChangedError where it
    would apply other revisions than the `agreed` ones or, without these, than those that it saw before it waited for
    the lock.
    """
    if not sql:
        require_destination(revision)
    options = RunOptions(phase=phase, agreed=_names(agreed), automatic=automatic, canceller=canceller)
    _upgrade(config, revision, options, sql=sql)


def rehearse(
    config: MigratorConfig,
    rehearse: Callable[[Connection, list[Script]], None],
    revision: str = "head",
    phase: Phase = Phase.CONTRACT,
    agreed: Iterable[str] | None = None,
) -> None:
    """Call `rehearse` with a connection that holds the lock, and with the revisions that an upgrade would apply.

    Raises what `upgrade` raises.
    """
    options = RunOptions(phase=phase, agreed=_names(agreed), rehearse=rehearse)
    _upgrade(config, revision, options)


def downgrade(
    config: MigratorConfig,
    revision: str,
    *,
    sql: bool = False,
    accept_data_loss: bool = False,
    agreed: Iterable[str] | None = None,
) -> None:
    """Revert to `revision`, or print the SQL for it; `revision` is then a range FROM:TO.

    Raises what `upgrade` raises, and DataLossRefusedError unless `accept_data_loss` or the configuration allows it.
    """
    _downgrade(config, revision, RunOptions(accept_data_loss=accept_data_loss, agreed=_names(agreed)), sql=sql)


def plan(config: MigratorConfig, revision: str = "head", phase: Phase = Phase.CONTRACT) -> Plan:
    """Return what `upgrade` would do; change nothing.

    Raises what `upgrade` raises where nothing would be applied at all, for instance because the first revision requires
    a backfill that is not finished. The plan is empty for a database that is ahead of this release and still serves it.
    """
    require_destination(revision)
    directory = load_revisions(config)

    def read(connection: Connection, url: DatabaseURL) -> Plan:
        state = read_state(connection, directory, config.metadata)
        revisions = pending_revisions(connection, directory, state, revision, phase, config.metadata)
        connection.rollback()
        for first in revisions[:1]:
            require_writable(connection)
            require_finished(connection, directory, first)
        losses = upgrade_losses(connection, revisions) if state.applied else ()
        return Plan(url.location, revisions, tuple(losses))

    try:
        return with_readonly_connection(config, read, wait=config.lock_wait)
    except (CommandError, RevisionError) as exc:
        raise MigrationFailedError(explain_alembic_error(exc, directory)) from exc


def pending_revisions(
    connection: Connection,
    directory: ScriptDirectory,
    state: SchemaState,
    revision: str,
    phase: Phase,
    metadata: MetaData,
) -> tuple[Script, ...]:
    """Return the revisions that an upgrade to `revision` applies to a database in this state, the oldest first.

    Raises what keeps the upgrade from planning them, an error of Alembic's for a revision that it cannot find.
    """
    applied = state.applied or ()
    if is_ahead_but_served(connection, directory, applied, directory.as_revision_number(revision)):
        return ()
    planned = list(directory.iterate_revisions(revision, applied, implicit_base=True))[::-1]
    if not applied:
        require_no_tables(connection, planned, metadata)
        planned = shorten(directory, planned)
    return tuple(takewhile(lambda script: is_up_to(script, phase), planned))


def database_location(config: MigratorConfig) -> str:
    """Return `host:port/database` of the database that is migrated."""
    with config.open_database() as url:
        return url.location


def preview_downgrade(config: MigratorConfig, revision: str) -> tuple[list[str], list[Loss]]:
    """Return the revisions that a downgrade to `revision` would revert, and what would be lost; change nothing.

    Raises what `upgrade` raises.
    """
    names: list[str] = []
    found: list[Loss] = []

    def preview(connection: Connection, revisions: list[Script]) -> None:
        names.extend(script.revision for script in revisions)
        found.extend(count_losses(connection, revisions))

    _downgrade(config, revision, RunOptions(preview=preview))
    return names, found


def _names(agreed: Iterable[str] | None) -> frozenset[str] | None:
    return None if agreed is None else frozenset(agreed)


def _upgrade(config: MigratorConfig, revision: str, options: RunOptions, *, sql: bool = False) -> None:
    try:
        with ALEMBIC_LOCK:
            command.upgrade(alembic_config(config, options), revision, sql=sql)
    except CommandError as exc:
        raise MigrationFailedError(explain_alembic_error(exc, load_revisions(config))) from exc


def _downgrade(config: MigratorConfig, revision: str, options: RunOptions, *, sql: bool = False) -> None:
    if not sql:
        require_destination(revision)
    try:
        with ALEMBIC_LOCK:
            command.downgrade(alembic_config(config, options), revision, sql=sql)
    except CommandError as exc:
        raise MigrationFailedError(explain_alembic_error(exc, load_revisions(config))) from exc

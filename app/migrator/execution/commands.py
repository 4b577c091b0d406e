"""Upgrading and downgrading; plain functions, each blocking until it is done."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

from alembic import command
from alembic.script import Script
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection

from app.core.config import Phase, Settings
from app.db.database import open_migration_database
from app.migrator.backfill.status import require_finished
from app.migrator.execution.data_loss import Loss, losses_of
from app.migrator.revisions.loading import Scope, alembic_config, in_words, is_within, require_destination, scripts
from app.migrator.revisions.state import read_state, require_no_tables
from app.migrator.session.read_only import require_writable
from app.migrator.session.readonly_connection import look
from app.migrator.session.signals import Breaker
from app.models import metadata
from app.postgres.errors import MigrationFailedError
from app.postgres.url.database_url import DatabaseURL


@dataclass(frozen=True)
class Plan:
    """The revisions that an upgrade would apply, oldest first; `database` is `host:port/database`."""

    database: str
    revisions: tuple[Script, ...]


def upgrade(
    settings: Settings,
    revision: str = "head",
    *,
    sql: bool = False,
    phase: Phase = Phase.CONTRACT,
    agreed: Iterable[str] | None = None,
    automatic: bool = False,
    breaker: Breaker | None = None,
) -> None:
    """Applies the revisions up to `revision`, or prints their SQL on standard output.

    With `phase` EXPAND it stops before the first contract revision. Not to be called in a thread that runs an event
    loop. Raises MigrationFailedError, DatabaseUnreachableError, ReadOnlyDatabaseError, and PlanChangedError where it
    would apply others than the `agreed` ones, or than it would have before it waited for the lock.
    """
    if not sql:
        require_destination(revision)
    scope = Scope(phase=phase, agreed=_names(agreed), automatic=automatic, breaker=breaker)
    try:
        command.upgrade(alembic_config(settings, scope), revision, sql=sql)
    except CommandError as exc:
        raise MigrationFailedError(in_words(exc, scripts(settings))) from exc


def downgrade(
    settings: Settings,
    revision: str,
    *,
    sql: bool = False,
    accept_data_loss: bool = False,
    agreed: Iterable[str] | None = None,
) -> None:
    """Reverts to `revision`, or prints the SQL for it (then `revision` is a range FROM:TO); raises as `upgrade`.

    Outside dev it raises DataLossRefusedError unless `accept_data_loss`.
    """
    _downgrade(settings, revision, Scope(accept_data_loss=accept_data_loss, agreed=_names(agreed)), sql=sql)


def plan(settings: Settings, revision: str = "head", phase: Phase = Phase.CONTRACT) -> Plan:
    """What `upgrade` would do; changes nothing.

    Raises as it does where it would do nothing at all, also because the first of the revisions waits for a backfill.
    Of a database that is ahead of this release nothing is planned: `upgrade` applies nothing, or says why it cannot.
    """
    require_destination(revision)
    directory = scripts(settings)

    def at(connection: Connection, url: DatabaseURL) -> Plan:
        state = read_state(connection, directory, metadata)
        wanted = () if state.unknown else directory.iterate_revisions(revision, state.applied or (), implicit_base=True)
        revisions = tuple(takewhile(lambda script: is_within(script, phase), reversed(list(wanted))))
        if not state.is_managed:
            require_no_tables(connection, revisions, metadata)
        connection.rollback()
        for first in revisions[:1]:
            require_writable(connection)
            require_finished(connection, directory, first)
        return Plan(url.location, revisions)

    try:
        return look(settings, at, wait=settings.db_migrate_lock_wait)
    except (CommandError, RevisionError) as exc:
        raise MigrationFailedError(in_words(exc, directory)) from exc


def location_of(settings: Settings) -> str:
    """`host:port/database` of the database that is migrated."""
    with open_migration_database(settings) as url:
        return url.location


def reverted(settings: Settings, revision: str) -> tuple[list[str], list[Loss]]:
    """The revisions that a downgrade to `revision` would revert, and what that would lose; changes nothing.

    Raises as `upgrade`.
    """
    names: list[str] = []
    found: list[Loss] = []

    def preview(connection: Connection, revisions: list[Script]) -> None:
        names.extend(script.revision for script in revisions)
        found.extend(losses_of(connection, revisions))

    _downgrade(settings, revision, Scope(preview=preview))
    return names, found


def _names(agreed: Iterable[str] | None) -> frozenset[str] | None:
    return None if agreed is None else frozenset(agreed)


def _downgrade(settings: Settings, revision: str, scope: Scope, *, sql: bool = False) -> None:
    if not sql:
        require_destination(revision)
    try:
        command.downgrade(alembic_config(settings, scope), revision, sql=sql)
    except CommandError as exc:
        raise MigrationFailedError(in_words(exc, scripts(settings))) from exc

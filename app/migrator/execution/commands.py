"""Upgrading and downgrading; plain functions, each blocking until it is done."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import takewhile

from alembic import command
from alembic.script import Script
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection

from ...postgres.errors import MigrationFailedError
from ...postgres.url.database_url import DatabaseURL
from ..backfill.status import require_finished
from ..config import MigratorConfig
from ..phase import Phase
from ..revisions.loading import Scope, alembic_config, in_words, is_within, require_destination, scripts
from ..revisions.state import read_state, require_no_tables
from ..session.read_only import require_writable
from ..session.readonly_connection import look
from ..session.signals import Breaker
from .data_loss import Loss, losses_of


@dataclass(frozen=True)
class Plan:
    """The revisions that an upgrade would apply, oldest first; `database` is `host:port/database`."""

    database: str
    revisions: tuple[Script, ...]


def upgrade(
    config: MigratorConfig,
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
        command.upgrade(alembic_config(config, scope), revision, sql=sql)
    except CommandError as exc:
        raise MigrationFailedError(in_words(exc, scripts(config))) from exc


def downgrade(
    config: MigratorConfig,
    revision: str,
    *,
    sql: bool = False,
    accept_data_loss: bool = False,
    agreed: Iterable[str] | None = None,
) -> None:
    """Reverts to `revision`, or prints the SQL for it (then `revision` is a range FROM:TO); raises as `upgrade`.

    Outside dev it raises DataLossRefusedError unless `accept_data_loss`.
    """
    _downgrade(config, revision, Scope(accept_data_loss=accept_data_loss, agreed=_names(agreed)), sql=sql)


def plan(config: MigratorConfig, revision: str = "head", phase: Phase = Phase.CONTRACT) -> Plan:
    """What `upgrade` would do; changes nothing.

    Raises as it does where it would do nothing at all, also because the first of the revisions waits for a backfill.
    Of a database that is ahead of this release nothing is planned: `upgrade` applies nothing, or says why it cannot.
    """
    require_destination(revision)
    directory = scripts(config)

    def at(connection: Connection, url: DatabaseURL) -> Plan:
        state = read_state(connection, directory, config.metadata)
        wanted = () if state.unknown else directory.iterate_revisions(revision, state.applied or (), implicit_base=True)
        revisions = tuple(takewhile(lambda script: is_within(script, phase), reversed(list(wanted))))
        if not state.is_managed:
            require_no_tables(connection, revisions, config.metadata)
        connection.rollback()
        for first in revisions[:1]:
            require_writable(connection)
            require_finished(connection, directory, first)
        return Plan(url.location, revisions)

    try:
        return look(config, at, wait=config.lock_wait)
    except (CommandError, RevisionError) as exc:
        raise MigrationFailedError(in_words(exc, directory)) from exc


def location_of(config: MigratorConfig) -> str:
    """`host:port/database` of the database that is migrated."""
    with config.open_database() as url:
        return url.location


def reverted(config: MigratorConfig, revision: str) -> tuple[list[str], list[Loss]]:
    """The revisions that a downgrade to `revision` would revert, and what that would lose; changes nothing.

    Raises as `upgrade`.
    """
    names: list[str] = []
    found: list[Loss] = []

    def preview(connection: Connection, revisions: list[Script]) -> None:
        names.extend(script.revision for script in revisions)
        found.extend(losses_of(connection, revisions))

    _downgrade(config, revision, Scope(preview=preview))
    return names, found


def _names(agreed: Iterable[str] | None) -> frozenset[str] | None:
    return None if agreed is None else frozenset(agreed)


def _downgrade(config: MigratorConfig, revision: str, scope: Scope, *, sql: bool = False) -> None:
    if not sql:
        require_destination(revision)
    try:
        command.downgrade(alembic_config(config, scope), revision, sql=sql)
    except CommandError as exc:
        raise MigrationFailedError(in_words(exc, scripts(config))) from exc

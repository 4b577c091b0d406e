"""The DB_AUTO_MIGRATE policy, as migrations/docs/deploying.md#at-start-up has it: what a start does to the schema."""

from collections.abc import Iterable

import structlog
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.settings import Settings
from app.db.migrator_config import migrator_config
from app.db.start_progress import progress_told
from app.migrator.config import MigratorConfig
from app.migrator.execution.startup import upgrade_at_start
from app.migrator.locking.deadline import Deadline
from app.migrator.locking.silence_guard import guarded_lock
from app.migrator.locking.table_locks import read_when_unlocked
from app.migrator.partitions.maintenance import make_missing_partitions
from app.migrator.revisions.history_recording import StampChange, create_history, record_stamp
from app.migrator.revisions.loading import describe_several_heads, has_revisions, load_revisions
from app.migrator.revisions.schema_state import SchemaState, read_state, tables_created_by
from app.postgres.connect import is_lost, open_connection
from app.postgres.errors import MigrationFailedError, error_summary
from app.postgres.pooler import is_pooled
from app.postgres.settings_error import SettingsError
from app.postgres.url.database_url import DatabaseURL

log = structlog.stdlib.get_logger(__name__)


async def init_db(settings: Settings, url: DatabaseURL) -> None:
    """Bring the schema to where DB_AUTO_MIGRATE says; any number of processes may do so at once.

    Raises DatabaseUnreachableError after DB_CONNECT_TIMEOUT seconds, MigrationFailedError, and SettingsError if the
    URL leads to a pooler without saying so.
    """
    with progress_told(settings, migrator_config(settings)) as config:
        await _init_db(settings, url, config)


async def _init_db(settings: Settings, url: DatabaseURL, config: MigratorConfig) -> None:
    async with open_connection(url, config.connect_timeout, config.application) as connection:
        await _check_pooler(url, connection)
    directory = load_revisions(config)
    if settings.db_auto_migrate and has_revisions(directory):
        await upgrade_at_start(config, settings.db_auto_migrate_phase)
        return
    if several := describe_several_heads(directory):
        log.warning("the revisions have grown apart", reason=several)
    if settings.db_auto_migrate:
        log.warning("DB_AUTO_MIGRATE is on, but there is no revision to apply: creating the tables from the models")
    with config.open_database() as direct:
        await _create_all(config, direct, directory)


async def _check_pooler(url: DatabaseURL, connection: AsyncConnection) -> None:
    """Raise SettingsError if an undeclared pooler shares sessions, so that requests do not fail now and then."""
    is_declared = url.parameters.get("pgbouncer") == "true"
    if not is_declared and await is_pooled(connection):
        raise SettingsError(
            "DATABASE_URL",
            "leads to a pooler that gives every transaction another session (PgBouncer in transaction mode)",
            "Add the parameter pgbouncer=true to it, and set MIGRATION_DATABASE_URL to the server itself.",
        )


async def _create_all(config: MigratorConfig, url: DatabaseURL, directory: ScriptDirectory) -> None:
    async with open_connection(url, config.connect_timeout, f"{config.application} migrations") as connection:
        # Without the lock, which a pooler may not offer: if nothing is to be created, nothing needs to be guarded.
        deadline, limit = Deadline(config.lock_wait), config.lock_timeout
        state = await read_when_unlocked(connection, deadline, limit, read_state, directory, config.metadata)
        await connection.rollback()
        if not _has_work(state, config.metadata):
            _warn(state, [])
            return
        # Locked: if two processes run CREATE TABLE IF NOT EXISTS at once, one of them fails.
        async with guarded_lock(connection, config, deadline):
            try:
                async with connection.begin():
                    await connection.run_sync(create_missing, directory, config)
            except DBAPIError as exc:
                if is_lost(exc):
                    raise
                raise MigrationFailedError(
                    f"The tables could not be created from the models: {error_summary(exc)}"
                ) from exc
            await make_missing_partitions(connection, config)


def _has_work(state: SchemaState, metadata: MetaData) -> bool:
    return not state.unknown and bool(_tables_to_create(state, metadata))


def create_missing(connection: Connection, directory: ScriptDirectory, config: MigratorConfig) -> None:
    """Create the missing tables from the models, in one transaction; stamp a database that was empty as head.

    Tables that a pending revision will create are left to it.
    """
    state = read_state(connection, directory, config.metadata)
    # On a schema of a newer release, creating a table might bring back one that the release has dropped.
    tables = [] if state.unknown else _tables_to_create(state, config.metadata)
    config.metadata.create_all(connection, tables=tables, checkfirst=False)
    if tables:
        log.info("created tables from the models", tables=[table.name for table in tables])
    if not state.is_managed and not state.tables and has_revisions(directory):
        MigrationContext.configure(connection).stamp(directory, "heads")
        create_history(connection, directory, (), config.release)
        record_stamp(connection, StampChange.between(directory, (), directory.get_heads()), config.release)
    _warn(state, tables)


def _tables_to_create(state: SchemaState, metadata: MetaData) -> list[Table]:
    """Return the missing tables to create, parents first.

    A table that refers to one left to a pending revision is left to it, too.
    """
    left_to_revisions = set(_tables_of_pending_revisions(state))
    tables = []
    for table in metadata.sorted_tables:
        if table.name not in state.missing_tables or table.name in left_to_revisions:
            continue
        if left_to_revisions.isdisjoint(key.column.table.name for key in table.foreign_keys):
            tables.append(table)
        else:
            left_to_revisions.add(table.name)
    return tables


def _tables_of_pending_revisions(state: SchemaState) -> frozenset[str]:
    """Return the tables that pending revisions create; all missing ones if a revision cannot be read."""
    if not state.is_managed:
        return frozenset()
    created = tables_created_by(state.pending)
    return state.missing_tables if created is None else created


def _warn(state: SchemaState, created: Iterable[Table]) -> None:
    if state.unknown:
        log.warning("the database is ahead of this release: creating nothing", unknown_revisions=list(state.unknown))
    elif not state.is_managed and state.tables:
        log.warning(
            "the tables are not under Alembic: compare them with the models, then adopt them with"
            " `litestar database stamp head` (or `alembic stamp head`)",
            created=[table.name for table in created],
        )
    elif state.is_managed and state.pending:
        log.warning(
            "the schema is behind this release: apply the pending revisions with `litestar database upgrade`",
            pending=[f"{script.revision} ({script.doc})" for script in state.pending],
        )

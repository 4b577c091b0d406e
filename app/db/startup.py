"""The documented DB_AUTO_MIGRATE policy: what starting the application does to the schema."""

import asyncio
from collections.abc import Iterable

import structlog
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.exc import DBAPIError

from app.core.config import Settings
from app.db.database import open_migration_database
from app.migrator.execution.commands import upgrade
from app.migrator.execution.statement_guard import limit_statements
from app.migrator.partitions.commands import keep_ahead
from app.migrator.revisions.history import Stamped, create_history, note_stamp
from app.migrator.revisions.loading import has_revisions, scripts, several_heads
from app.migrator.revisions.state import SchemaState, read_state, tables_created_by
from app.migrator.session.guard import guarded_lock
from app.migrator.session.lock import is_pooled
from app.migrator.session.signals import Breaker
from app.migrator.session.table_locks import read_once_free
from app.models import metadata
from app.postgres.connect import is_lost, translate_connection_errors, wait_for_database
from app.postgres.engine import create_unpooled_engine
from app.postgres.errors import MigrationFailedError, cause_of
from app.postgres.settings_error import SettingsError
from app.postgres.url.database_url import DatabaseURL
from app.postgres.url.drivers import unshared_statements

log = structlog.stdlib.get_logger(__name__)


async def init_db(settings: Settings, url: DatabaseURL) -> None:
    """Brings the schema to where DB_AUTO_MIGRATE says, however many processes do so at once.

    Raises DatabaseUnreachableError after DB_CONNECT_TIMEOUT seconds, MigrationFailedError, and SettingsError for a
    pooler that the URL does not speak of.
    """
    await wait_for_database(url, settings.db_connect_timeout)
    await _check_pooler(settings, url)
    directory = scripts(settings)
    if settings.db_auto_migrate and has_revisions(directory):
        await _upgrade(settings)
        return
    if several := several_heads(directory):
        log.warning("the revisions have grown apart", reason=several)
    if settings.db_auto_migrate:
        log.warning("DB_AUTO_MIGRATE is on, but there is no revision to apply: creating the tables from the models")
    with open_migration_database(settings) as direct:
        async with translate_connection_errors(direct):
            await _create_all(settings, direct, directory)


async def _upgrade(settings: Settings) -> None:
    breaker = Breaker()
    phase = settings.db_auto_migrate_phase
    try:
        await asyncio.to_thread(upgrade, settings, phase=phase, automatic=True, breaker=breaker)
    except asyncio.CancelledError:
        # Ctrl-C or SIGTERM. A thread cannot be cancelled, and the process would wait for it.
        breaker.break_off()
        raise


async def _check_pooler(settings: Settings, url: DatabaseURL) -> None:
    """A pooler that shares sessions is found out at each worker's start, not by requests that fail now and then."""
    if url.connect_args.keys() >= unshared_statements(url.driver).keys():
        return
    async with (
        translate_connection_errors(url),
        create_unpooled_engine(url, settings.db_connect_timeout).connect() as connection,
    ):
        if await is_pooled(connection):
            raise SettingsError(
                "DATABASE_URL",
                "leads to a pooler that gives every transaction another session (PgBouncer in transaction mode)",
                "Add the parameter pgbouncer=true to it, and set MIGRATION_DATABASE_URL to the server itself.",
            )


async def _create_all(settings: Settings, url: DatabaseURL, directory: ScriptDirectory) -> None:
    engine = create_unpooled_engine(url, settings.db_connect_timeout, "plimsoll migrations")
    async with engine.connect() as connection:
        # Without the lock, which a pooler may not offer: where there is nothing to create there is nothing to guard.
        wait, limit = settings.db_migrate_lock_wait, settings.db_migrate_lock_timeout
        state = await read_once_free(connection, wait, limit, read_state, directory, metadata)
        await connection.rollback()
        if not _is_to_be_made(state, metadata):
            _warn(state, [])
            return
        # Locked, because CREATE TABLE IF NOT EXISTS by two processes at once fails in one of them.
        async with guarded_lock(connection, settings):
            try:
                async with connection.begin():
                    await connection.run_sync(limit_statements, settings)
                    await connection.run_sync(create_missing, directory, metadata)
            except DBAPIError as exc:
                if is_lost(exc):
                    raise
                raise MigrationFailedError(f"The tables could not be created from the models: {cause_of(exc)}") from exc
            await keep_ahead(connection, settings)


def _is_to_be_made(state: SchemaState, metadata: MetaData) -> bool:
    return not state.unknown and bool(_wanted(state, metadata) or not (state.is_managed or state.tables))


def create_missing(connection: Connection, directory: ScriptDirectory, metadata: MetaData) -> None:
    """`create_all` for a database that Alembic manages, may manage later, or has yet to see; in one transaction."""
    state = read_state(connection, directory, metadata)
    # Creating here what a newer release has dropped would bring it back.
    wanted = [] if state.unknown else _wanted(state, metadata)
    metadata.create_all(connection, tables=wanted, checkfirst=False)
    if wanted:
        log.info("created tables from the models", tables=[table.name for table in wanted])
    if not state.is_managed and not state.tables and has_revisions(directory):
        MigrationContext.configure(connection).stamp(directory, "heads")
        create_history(connection, directory, ())
        note_stamp(connection, Stamped.between(directory, (), directory.get_heads()))
    _warn(state, wanted)


def _wanted(state: SchemaState, metadata: MetaData) -> list[Table]:
    """The missing tables to create, parents first; a table that refers to one held back is held back with it."""
    held_back = set(_held_back(state))
    wanted = []
    for table in metadata.sorted_tables:
        if table.name not in state.missing_tables or table.name in held_back:
            continue
        if held_back.isdisjoint(key.column.table.name for key in table.foreign_keys):
            wanted.append(table)
        else:
            held_back.add(table.name)
    return wanted


def _held_back(state: SchemaState) -> frozenset[str]:
    """The missing tables that are left to pending revisions: those, or all where a revision cannot be read."""
    if not state.is_managed or not state.pending:
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

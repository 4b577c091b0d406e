"""The sources of the operations page: the functions that the commands print as `--json`."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

from sqlalchemy import Connection

from app.api.operations.collector import Collector, Source, in_thread
from app.core.settings import Settings
from app.db.doctor_checks import examine_database
from app.db.migrator_config import migrator_config
from app.db.plugin import DatabasePlugin
from app.migrator.backfill.records import Record
from app.migrator.config import MigratorConfig
from app.migrator.doctor.finding import CheckLimits
from app.migrator.drift.report import read_drift
from app.migrator.locking.lock_waits import LockWait, read_lock_waits
from app.migrator.locking.migration_lock import holder_of_lock
from app.migrator.locking.table_locks import limit_lock_waits
from app.migrator.partitions.maintenance import preview_maintenance
from app.migrator.preview.dry_run import read_dry_run
from app.migrator.revisions.history import Entry, read_history
from app.migrator.revisions.schema_state import SchemaState
from app.migrator.status import read_status
from app.migrator.under_way import StepUnderWay, read_step_under_way
from app.postgres.engine import create_unpooled_engine
from app.postgres.url.database_url import DatabaseURL, normalize_database_url

# Seconds for connecting, and for waiting for a table.
_CONNECT = 2.0
_LOCK_WAIT = 0.5


@dataclass(frozen=True)
class Activity:
    """What is and was done to the schema; `holder` holds the lock for schema changes, `waits` are for any lock."""

    entries: tuple[Entry, ...]
    under_way: StepUnderWay | None
    holder: str | None
    waits: tuple[LockWait, ...]


def new_collector(database: DatabasePlugin) -> Collector:
    """Return the collector for an application that has started."""
    settings = database.settings
    url = database.observer.url
    config = _impatient(settings, url)
    engine = create_unpooled_engine(url, _CONNECT, "plimsoll operations")

    async def read_activity() -> Activity:
        # Longer than connecting may take, which is not to be cut off: it would leave the connection open.
        limit = asyncio.timeout(2 * _CONNECT)
        async with limit, engine.connect() as connection, limit_lock_waits(connection, _LOCK_WAIT):
            return await connection.run_sync(_activity)

    async def read_records() -> tuple[Record, ...]:
        # What the state's reading has found beside it.
        return database.readiness.backfills

    limits = CheckLimits(connect_timeout=min(_CONNECT, settings.db_connect_timeout))
    return Collector(
        fast=[
            Source("state", database.readiness.read_state, 0.9),
            Source("activity", read_activity, 0.9),
            Source("records", read_records, 0.9),
        ],
        slow=[
            Source("status", partial(in_thread, partial(read_status, config, compares=False)), 15, 1),
            Source("dry_run", partial(in_thread, partial(read_dry_run, config)), 15, 1),
            Source("partitions", partial(in_thread, partial(preview_maintenance, config)), 120, 5),
            Source("doctor", partial(in_thread, partial(examine_database, settings, limits)), 300, 15),
            # It makes the models' tables for a moment.
            Source("drift", partial(in_thread, partial(read_drift, config)), 900, 30),
        ],
        change_key=_change_key,
    )


def _activity(connection: Connection) -> Activity:
    return Activity(
        entries=read_history(connection),
        under_way=read_step_under_way(connection),
        holder=holder_of_lock(connection),
        waits=tuple(read_lock_waits(connection)),
    )


def _change_key(collector: Collector) -> object:
    """Return what is another after each step of a migration, and at its beginning."""
    state: SchemaState | None = collector["state"].value
    activity: Activity | None = collector["activity"].value
    last = activity.entries[-1] if activity and activity.entries else None
    return (
        state.applied if state else None,
        (last.id, last.outcome) if last else None,
        bool(activity and activity.holder),
        collector["state"].error is None,
    )


def _impatient(settings: Settings, url: DatabaseURL) -> MigratorConfig:
    """Return the commands' configuration, for a page that waits neither for a server nor for a table."""

    @contextmanager
    def database() -> Iterator[DatabaseURL]:
        direct = settings.migration_database_url
        yield url if direct is None else normalize_database_url(direct.reveal(), "MIGRATION_DATABASE_URL")

    return replace(
        migrator_config(settings),
        database=database,
        connect_timeout=min(_CONNECT, settings.db_connect_timeout),
        lock_wait=0.0,
        lock_timeout=_LOCK_WAIT,
    )

"""Tables that somebody holds under ACCESS EXCLUSIVE, as a restore does: nobody waits for them for ever."""

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic import command
from msgspec.structs import replace
from sqlalchemy import text

from app.core.settings import Settings
from app.db.readiness import DatabaseNotReadyError, Readiness
from app.db.startup_policy import init_db
from app.migrator.backfill.throttle import Throttle
from app.migrator.drift.scratch_schema import DriftUnknownError
from app.migrator.locking.table_locks import TableLockedError, limit_lock_waits
from app.postgres.engine import create_unpooled_engine
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import settings_for
from tests.migrations.conftest import Release
from tests.support.backfill import define
from tests.support.database import applied, holding
from tests.support.doctor import examined
from tests.support.migrator import (
    alembic_config,
    backup,
    plan,
    preview_downgrade,
    preview_maintenance,
    read_backfills,
    read_drift,
    read_status,
    run_backfills,
    upgrade,
)
from tests.support.processes import environment, run
from tests.support.waiting import PATIENCE

HOLDER = r"process \d+ \(.*application .*in a transaction since 20.*\) holds, or waits for, the table "


def start(settings: Settings) -> None:
    assert settings.database_url
    asyncio.run(init_db(settings, normalize_database_url(settings.database_url.reveal())))


# What reads both of the engine's tables, and what reads the version table alone.
READING_BOTH: dict[str, Callable[[Settings], object]] = {
    "status": read_status,
    "drift": read_drift,
    "plan": plan,
    "upgrade": upgrade,
    "start that migrates": lambda settings: start(replace(settings, db_auto_migrate=True)),
    "start that creates": start,
    "backfills": read_backfills,
    "backfill": lambda settings: run_backfills(settings, None, Throttle(), print),
}
READING_VERSIONS: dict[str, Callable[[Settings], object]] = {
    "stamp": lambda settings: command.stamp(alembic_config(settings), "head"),
    "current": lambda settings: command.current(alembic_config(settings)),
    "check": lambda settings: command.check(alembic_config(settings)),
    "what a downgrade loses": lambda settings: preview_downgrade(settings, "-1"),
}
CASES = [
    *((reading, table) for reading in READING_BOTH for table in ("alembic_version", "schema_history")),
    *((reading, "alembic_version") for reading in READING_VERSIONS),
]


@pytest.mark.parametrize(("reading", "table"), CASES)
def test_tables_of_the_engine_that_are_locked_are_waited_for_a_limited_time_and_the_holder_is_named(
    database_url: str, reading: str, table: str
) -> None:
    settings = settings_for(database_url, db_migrate_lock_timeout=0.1, db_migrate_lock_wait=0)
    with (
        holding(database_url, f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"),
        pytest.raises(TableLockedError, match=HOLDER + table) as refused,
    ):
        (READING_BOTH | READING_VERSIONS)[reading](settings)
    assert refused.value.exit_code == 3


@pytest.mark.parametrize("reading", [read_status, read_backfills, preview_maintenance, backup])
def test_tables_of_the_models_that_are_locked_are_waited_for_a_limited_time(
    database_url: str,
    release: Release,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    reading: Callable[[Settings], object],
) -> None:
    # Whether it is to be run is known by the rows of the table.
    define(release, table="tasks", update="UPDATE tasks SET title = title WHERE {batch}", where="title = ''")
    monkeypatch.chdir(tmp_path)
    settings = settings_for(database_url, db_migrate_lock_timeout=0.1, db_migrate_lock_wait=0)
    locked = "tasks" if reading is not preview_maintenance else "activity_events"
    with (
        holding(database_url, f"LOCK TABLE {locked} IN ACCESS EXCLUSIVE MODE"),
        pytest.raises(TableLockedError, match=HOLDER),
    ):
        reading(settings)


def test_comparison_that_meets_a_locked_table_names_who_holds_it(database_url: str) -> None:
    """The catalogue is read without a lock, but for what the server puts into its own words."""
    change = "ALTER TABLE tasks ADD COLUMN weight integer, ADD CHECK (weight > 0)"
    settings = settings_for(database_url, db_migrate_lock_timeout=0.1)
    with holding(database_url, change), pytest.raises(DriftUnknownError, match=HOLDER + "tasks"):
        read_drift(settings)


def test_upgrade_says_who_is_at_work_with_its_exit_code(database_url: str) -> None:
    env = environment(DATABASE_URL=database_url, DB_MIGRATE_LOCK_WAIT="0", DB_MIGRATE_LOCK_TIMEOUT="0.1")
    with holding(database_url, "LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE"):
        told = run("litestar", "database", "upgrade", "--no-prompt", env=env)
    assert told.returncode == 3
    assert re.search(HOLDER + "alembic_version, as another migration or a restore does", told.stderr)


def test_upgrade_goes_on_once_the_table_is_free(database_url: str, release: Release) -> None:
    release.add("pass")
    settings = settings_for(database_url, db_migrate_lock_timeout=0.1, db_migrate_lock_wait=60)
    with ThreadPoolExecutor(1) as pool:
        with holding(database_url, "LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE") as wait:
            upgrading = pool.submit(upgrade, settings)
            wait()
        upgrading.result(PATIENCE)
    assert applied(database_url) == [release.head]


async def test_process_is_not_ready_while_the_version_table_is_locked_and_says_why(database_url: str) -> None:
    settings = settings_for(database_url)
    readiness = Readiness(settings, normalize_database_url(database_url))
    with (
        holding(database_url, "LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE"),
        pytest.raises(DatabaseNotReadyError, match=HOLDER),
    ):
        await readiness.check()
    await readiness.check()


def test_doctor_names_who_holds_the_version_table(database_url: str) -> None:
    with holding(database_url, "LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE"):
        findings = examined(database_url)
    assert any(re.search("What was asked for is locked: " + HOLDER, finding.seen) for finding in findings)


def test_commands_on_the_data_name_who_holds_a_table(database_url: str) -> None:
    env = environment(DATABASE_URL=database_url, DB_MIGRATE_LOCK_WAIT="0", DB_MIGRATE_LOCK_TIMEOUT="0.1")
    with holding(database_url, "LOCK TABLE users IN ACCESS EXCLUSIVE MODE"):
        told = run("litestar", "users", "list", env=env)
    assert told.returncode == 3
    assert re.search(HOLDER + "users", told.stderr)


async def test_limit_is_not_left_to_the_next_client_of_a_pooler(database_url: str) -> None:
    engine = create_unpooled_engine(normalize_database_url(database_url), 30)
    async with engine.connect() as connection:
        async with limit_lock_waits(connection, 1.5):
            for _ in range(2):
                assert await connection.scalar(text("SHOW lock_timeout")) == "1500ms"
                await connection.rollback()
        assert await connection.scalar(text("SHOW lock_timeout")) == "0"

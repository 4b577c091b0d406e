"""Work that is cut off in the middle of a statement, where none of the server's own limits counts: it keeps nothing."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from app.core.settings import Settings
from app.db.migrator_config import migrator_config
from app.db.startup_policy import init_db
from app.migrator.backup import restore as restoring
from app.migrator.backup.archive import open_archive
from app.postgres.errors import BackupError, DatabaseUnreachableError
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import settings_for
from tests.migrations.conftest import HEAD, Release
from tests.support.backfill import FULL_SPEED, ROWS, define, make_numbers, touched
from tests.support.cut_off import (
    DRIVERS,
    SCHEMA_CHANGES,
    Work,
    check_that_it_keeps_nothing,
    url_of,
)
from tests.support.database import applied, query
from tests.support.migrator import backup, upgrade
from tests.support.migrator import run_backfills as run


def _backfill(release: Release) -> Work:
    define(release)

    def fill(settings: Settings) -> None:
        run(settings, ["fill"], FULL_SPEED, lambda progress: None)

    return Work(fill, "UPDATE numbers", lambda settings: make_numbers(url_of(settings)))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each kind of work once, by turns with each driver and after each message; with --long, with all of them."""
    if "kind" not in metafunc.fixturenames:
        return
    ways = [(driver, last) for driver in DRIVERS for last in ("P", "B")]
    turns = range(len(ways) if metafunc.config.getoption("long") else 1)
    cases = [(kind, *ways[(n + turn) % len(ways)]) for n, kind in enumerate(SCHEMA_CHANGES) for turn in turns]
    metafunc.parametrize(("kind", "driver", "last"), cases)


def test_schema_change_that_is_cut_off_in_a_statement_loses_its_locks(
    database_url: str, release: Release, kind: str, driver: str, last: str
) -> None:
    exc = check_that_it_keeps_nothing(database_url, SCHEMA_CHANGES[kind](release), driver, last)
    assert isinstance(exc, DatabaseUnreachableError)
    assert "of which it heard nothing for too long" in str(exc)
    upgrade(settings_for(database_url))
    assert applied(database_url) == [release.head]


def test_schema_change_whose_rows_nobody_takes_loses_its_locks(database_url: str, release: Release) -> None:
    many = "SELECT repeat('x', 1000) FROM generate_series(1, 100000)"
    release.add(f'op.execute("LOCK TABLE tags IN ACCESS EXCLUSIVE MODE")\nop.execute("{many}")')
    exc = check_that_it_keeps_nothing(database_url, Work(upgrade, many), last="S")
    assert isinstance(exc, DatabaseUnreachableError)


def test_tables_that_a_start_creates_are_not_kept_by_one_that_is_cut_off(empty_database_url: str) -> None:
    def start(settings: Settings) -> None:
        asyncio.run(init_db(settings, normalize_database_url(url_of(settings))))

    exc = check_that_it_keeps_nothing(empty_database_url, Work(start, "CREATE TABLE tasks"))
    assert isinstance(exc, DatabaseUnreachableError)
    start(settings_for(empty_database_url, db_migrate_lock_wait=0))
    assert applied(empty_database_url) == [HEAD]


@pytest.mark.parametrize("driver", DRIVERS)
def test_batch_that_is_cut_off_in_a_statement_keeps_no_row_and_is_done_once(
    database_url: str, release: Release, driver: str
) -> None:
    """The batch is done again as soon as the connection is back."""
    with capture_logs() as logs:
        assert check_that_it_keeps_nothing(database_url, _backfill(release), driver) is None
    (again,) = [entry for entry in logs if entry["event"] == "a batch is tried again"]
    assert "nothing was heard of the process" in again["reason"]
    assert touched(database_url) == {1: ROWS}


def test_restore_that_is_cut_off_while_it_loads_rows_loses_its_locks(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its program's session, and its own, which has nothing to say meanwhile."""
    monkeypatch.setattr(restoring, "_SILENT_AT_LEAST", 1.0)
    query(database_url, "INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'kept')")
    done = backup(settings_for(database_url), tmp_path)

    def restore(settings: Settings) -> None:
        with open_archive(done.path) as archive:
            restoring.restore(migrator_config(settings), archive, replace=True)

    exc = check_that_it_keeps_nothing(database_url, Work(restore, "COPY public.organizations"), last="d")
    assert isinstance(exc, BackupError)
    assert "nothing was heard of the process for too long" in str(exc)
    assert query(database_url, "SELECT name FROM organizations") == [("kept",)]

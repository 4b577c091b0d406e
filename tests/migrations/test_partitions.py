"""Activity and webhook payloads by month: rows stay where they are, none is refused, and nothing goes unasked."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.dialects import postgresql
from structlog.testing import capture_logs

from app.core.pagination import SortKey
from app.db.migrator_config import migrator_config
from app.migrator.backup.archive import open_archive
from app.migrator.doctor.finding import Severity
from app.migrator.partitions import ddl
from app.migrator.partitions.maintenance import Partitioning
from app.migrator.partitions.months import add_months, partition_name
from app.migrator.partitions.state import MONTHS_AHEAD, PartitionStep, read_partitions
from app.models import ActivityEvent
from app.postgres.errors import MigrationFailedError
from app.repositories.sorting import Ordering, place_values
from tests.conftest import settings_for
from tests.support.database import holding, query, unpooled
from tests.support.doctor import examined, one
from tests.support.migrator import (
    backup,
    maintain,
    preview_maintenance,
    restore,
    upgrade,
)
from tests.support.partitions import (
    DEFAULT,
    ORGANIZATION,
    TABLE,
    THIS_MONTH,
    check_that_rows_stay_where_they_are,
    file_of,
    held,
    is_clean,
    store,
)
from tests.support.processes import ROOT, environment, run
from tests.support.stopping import running

NEXT_YEAR = add_months(THIS_MONTH, 12)


def month(count: int) -> str:
    return partition_name(TABLE, add_months(THIS_MONTH, count), add_months(THIS_MONTH, count + 1))


@contextmanager
def opened(url: str) -> Iterator[Connection]:
    engine = unpooled(url)
    with engine.begin() as connection:
        yield connection


def test_rows_stay_where_they_are_and_come_back(empty_database_url: str) -> None:
    check_that_rows_stay_where_they_are(empty_database_url)


def command(url: str, *options: str) -> tuple[int, dict[str, Any]]:
    done = run("litestar", "database", "partitions", "--json", *options, env=environment(DATABASE_URL=url))
    return done.returncode, json.loads(done.stdout or "{}")


def test_command_only_looks_until_it_is_told_and_drops_only_when_told_that(database_url: str) -> None:
    store(database_url, -40, 0)
    code, found = command(database_url)
    assert (code, [(action["step"], action["partition"]) for action in found["left"]]) == (0, [("split", DEFAULT)])
    assert held(database_url) == {DEFAULT: 1, month(0): 1}
    code, found = command(database_url, "--apply", "--keep-months", "40")
    assert (code, found["left"], [action["rows"] for action in found["done"]]) == (0, [], [1])
    assert held(database_url) == {month(-40): 1, month(0): 1}
    old = {"step": "drop", "table": TABLE, "partition": month(-40), "rows": 1}
    for options in (["--apply"], []):
        code, found = command(database_url, *options, "--keep-months", "38")
        assert (code, found["left"], found["done"]) == (len(options), [old], [])
    assert command(database_url, "--drop") == (2, {})
    kept = {"ACTIVITY_RETENTION_MONTHS": "38", "DATABASE_URL": database_url}
    done = run("litestar", "database", "partitions", "--apply", "--drop", env=environment(**kept))
    assert (done.returncode, f"done: drop {month(-40)}, 1 rows" in done.stdout) == (0, True)
    assert held(database_url) == {month(0): 1}
    assert is_clean(database_url)


def test_expired_rows_of_the_default_partition_are_shown_and_go_in_one_run(database_url: str) -> None:
    store(database_url, *range(-11, -5), 0)
    expired = [{"step": "drop", "table": TABLE, "partition": month(count), "rows": 1} for count in range(-11, -5)]
    _, found = command(database_url, "--keep-months", "2")
    assert [action for action in found["left"] if action["step"] == "drop"] == expired
    code, found = command(database_url, "--apply", "--keep-months", "2")
    assert (code, found["left"]) == (1, expired)
    query(database_url, f"DROP TABLE {', '.join(month(count) for count in range(-11, -5))}")
    store(database_url, *range(-11, -5))
    code, found = command(database_url, "--apply", "--drop", "--keep-months", "2")
    assert (code, found["left"], found["kept_longer"]) == (0, [], [])
    assert [action for action in found["done"] if action["step"] == "drop"] == expired
    assert held(database_url) == {month(0): 1}
    assert is_clean(database_url)


def test_expired_rows_that_share_a_partition_with_newer_ones_are_told(database_url: str) -> None:
    query(database_url, f"DROP TABLE {', '.join(month(count) for count in range(MONTHS_AHEAD + 1))}")
    store(database_url, -5, -3, 0)
    code, found = command(database_url, "--apply", "--drop", "--keep-months", "2")
    whole, gone = partition_name(TABLE, None, add_months(THIS_MONTH, 2)), add_months(THIS_MONTH, 4)
    told = {"table": TABLE, "partition": whole, "rows": 2}
    times = {"kept_from": add_months(THIS_MONTH, -2), "dropped_from": gone}
    told |= {name: time.isoformat().replace("+00:00", "Z") for name, time in times.items()}
    assert (code, found["kept_longer"], held(database_url)) == (0, [told], {whole: 3})
    env = environment(DATABASE_URL=database_url, ACTIVITY_RETENTION_MONTHS="2")
    shown = run("litestar", "database", "partitions", env=env).stdout
    assert f"2 rows of {whole} are older than is kept" in shown
    assert f"DELETE FROM {TABLE} WHERE created_at < '{add_months(THIS_MONTH, -2):%Y-%m-%d}Z'" in shown
    assert f"{gone:%Y-%m}" in shown


@pytest.mark.parametrize("years", [-5, 5])
def test_nothing_is_dropped_or_made_by_a_clock_that_is_not_this_machines(
    database_url: str, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    """Nobody knows which of two clocks is wrong."""
    settings = settings_for(database_url, activity_retention_months=1)
    query(database_url, f"DROP TABLE {month(MONTHS_AHEAD)}")
    store(database_url, -3, 0)
    before = held(database_url)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - years * 366 * 86_400)
    direction = "ahead of" if years > 0 else "behind"
    with pytest.raises(MigrationFailedError, match=f"1830 days {direction} this machine's"):
        maintain(settings, may_drop=True)
    assert direction in str(preview_maintenance(settings).clocks)
    assert "neither made nor dropped" in one(examined(database_url), "clock", Severity.WARNING).why
    with capture_logs() as logs:
        upgrade(settings)
    assert any(direction in str(entry.get("reason")) for entry in logs)
    assert held(database_url) == before
    monkeypatch.undo()
    maintain(settings, may_drop=True)
    assert held(database_url) == {month(0): 1}


def test_months_that_nobody_made_partitions_for_get_them_without_a_row_refused_or_moved(database_url: str) -> None:
    """Far ahead of its time only what cannot be part of them moves."""
    settings = settings_for(database_url)
    store(database_url, 1, MONTHS_AHEAD + 1, MONTHS_AHEAD + 2, 12, 500)
    before = file_of(database_url, DEFAULT)
    assert held(database_url) == {month(1): 1, DEFAULT: 4}
    maintain(settings, now=NEXT_YEAR)
    sealed = partition_name(TABLE, add_months(THIS_MONTH, MONTHS_AHEAD + 1), add_months(THIS_MONTH, 14))
    assert held(database_url) == {month(1): 1, sealed: 3, month(500): 1}
    assert file_of(database_url, sealed) == before
    store(database_url, -100, 13, 15, 40)
    assert held(database_url) == {month(1): 1, sealed: 4, month(15): 1, month(500): 1, DEFAULT: 2}
    again = maintain(settings, now=NEXT_YEAR)
    assert [action.partition for action in again.done if action.table == TABLE] == [month(-100), month(40)]
    assert is_clean(database_url)


@pytest.mark.parametrize("time", ["infinity", "-infinity", "9999-12-31", "0044-03-15 BC"])
def test_row_of_no_month_is_an_error_that_says_so_and_hinders_no_upgrade(database_url: str, time: str) -> None:
    settings = settings_for(database_url)
    store(database_url, 50)
    query(database_url, f"UPDATE activity_events SET created_at = '{time}'")
    with pytest.raises(MigrationFailedError, match=f"1 row.* of {DEFAULT} have a created_at before"):
        maintain(settings)
    upgrade(settings)
    query(database_url, "DELETE FROM activity_events")
    store(database_url, 50)
    maintain(settings)
    assert held(database_url) == {month(50): 1}


@pytest.mark.parametrize("validated", [False, True])
def test_work_that_was_broken_off_is_a_problem_and_goes_on(database_url: str, validated: bool) -> None:
    store(database_url, MONTHS_AHEAD + 1)
    begin, end = add_months(THIS_MONTH, MONTHS_AHEAD + 1), add_months(THIS_MONTH, MONTHS_AHEAD + 3)
    with opened(database_url) as connection:
        ddl.begin_sealing(connection, DEFAULT, begin, end)
        if validated:
            ddl.validate_seal(connection, DEFAULT)
    assert "broken off" in one(examined(database_url), "partitions", Severity.PROBLEM).seen
    upgrade(settings_for(database_url))
    store(database_url, 50)
    assert held(database_url) == {month(MONTHS_AHEAD + 1): 1, DEFAULT: 1}


def test_killed_at_its_last_step_it_is_finished_by_the_next(database_url: str, tmp_path: Path) -> None:
    query(database_url, f"DROP TABLE {', '.join(month(count) for count in range(MONTHS_AHEAD + 1))}")
    store(database_url, 0)
    env = environment(DATABASE_URL=database_url, DB_MIGRATE_LOCK_TIMEOUT="60")
    with (
        holding(database_url, "LOCK TABLE ONLY activity_events IN ACCESS SHARE MODE") as until_it_waits,
        running(("litestar", "database", "partitions", "--apply"), env, ROOT, tmp_path / "log") as process,
    ):
        until_it_waits()
        process.send_signal(signal.SIGKILL)
        process.wait()
    one(examined(database_url), "partitions", Severity.PROBLEM)
    maintain(settings_for(database_url))
    assert held(database_url) == {partition_name(TABLE, None, add_months(THIS_MONTH, 2)): 1}
    assert is_clean(database_url)


def test_two_at_once_beside_a_table_in_use_do_everything_once(database_url: str) -> None:
    store(database_url, MONTHS_AHEAD + 1)
    settings = settings_for(database_url, db_migrate_lock_timeout=0.05)
    results: list[Partitioning] = []
    threads = [Thread(target=lambda: results.append(maintain(settings, now=NEXT_YEAR))) for _ in range(2)]
    with holding(database_url, "SELECT count(*) FROM activity_events") as until_somebody_waits:
        for thread in threads:
            thread.start()
        until_somebody_waits()
    for thread in threads:
        thread.join(60)
    done = [action.partition for result in results for action in result.done]
    assert len(results) == 2
    assert len(done) == len(set(done))
    assert [action.step for action in results[0].done[:1]] == [PartitionStep.SPLIT]
    assert is_clean(database_url)


def test_table_without_its_default_is_a_problem_and_gets_it_again(database_url: str) -> None:
    query(database_url, "DROP TABLE activity_events_default")
    query(database_url, f"DROP TABLE {month(1)}")
    findings = examined(database_url)
    assert "no default" in one(findings, "partitions", Severity.PROBLEM).seen
    assert "this month or the next" in one(findings, "partitions", Severity.WARNING).seen
    upgrade(settings_for(database_url))
    one(examined(database_url), "partitions", Severity.OK)
    store(database_url, 50)
    assert held(database_url) == {DEFAULT: 1}


def test_page_of_a_feed_is_read_in_order_from_the_partitions_that_it_can_be_in(database_url: str) -> None:
    order, keys = Ordering("activity", ActivityEvent), (SortKey("created_at", True), SortKey("id", True))
    place = [THIS_MONTH.replace(day=2), UUID(int=9)]
    statement = (
        select(ActivityEvent)
        .where(ActivityEvent.organization_id == ORGANIZATION, order.after(keys, [False, False]))
        .order_by(*order.order_by(keys))
        .limit(50)
    )
    sql = statement.params(place_values(place)).compile(
        dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}
    )
    with opened(database_url) as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        connection.execute(text("SET LOCAL enable_bitmapscan = off"))
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {sql}".replace("%", "%%")).scalars())
    assert "Merge Append" in plan
    assert "-> Sort" not in plan
    assert month(0) in plan
    assert month(1) not in plan


def test_backup_of_partitions_is_restored(database_url: str, empty_database_url: str, tmp_path: Path) -> None:
    store(database_url, 0, 1, 50)
    done = backup(settings_for(database_url), tmp_path)
    assert {name: rows for name, rows in done.manifest.rows.items() if rows and TABLE in name} == {
        f"public.{name}": rows for name, rows in held(database_url).items()
    }
    with open_archive(done.path) as archive:
        restore(settings_for(empty_database_url), archive)
    assert held(empty_database_url) == held(database_url)
    maintain(settings_for(empty_database_url))
    assert is_clean(empty_database_url)


def test_month_is_the_databases_and_every_partitioned_table_has_its_retention(database_url: str) -> None:
    settings = settings_for(database_url, activity_retention_months=2, webhook_payload_retention_months=3)
    with opened(database_url) as connection:
        found = read_partitions(connection, migrator_config(settings))
    assert [(one.table, one.kept, one.month) for one in found] == [
        ("activity_events", 2, THIS_MONTH),
        ("board_webhook_payloads", 3, THIS_MONTH),
    ]

"""A revision waits briefly for a table in use, and lets the traffic behind it go on before it waits again."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.migrator.locking import retries
from tests.conftest import settings_for
from tests.migrations.conftest import Release, sql
from tests.support.backfill import DOUBLE, ROWS, define, fill, make_numbers, touched
from tests.support.database import applied, holding, query
from tests.support.migrator import upgrade
from tests.support.revisions import ADD_COLUMN, columns_of, history

BUSY = "LOCK TABLE tags IN ACCESS SHARE MODE"
LOCK_TIMEOUT = 0.4


def noting_the_wait(file: Path) -> str:
    """Return the code of a revision that appends its lock timeout in milliseconds to the file, in every attempt."""
    now = "SELECT setting FROM pg_settings WHERE name = 'lock_timeout'"
    return (
        f"with open({str(file)!r}, 'a') as noted:\n"
        f'    noted.write(op.get_bind().exec_driver_sql("{now}").scalar() + " ")\n'
    )


def noted(file: Path) -> list[int]:
    return [int(wait) for wait in file.read_text().split()] if file.exists() else []


def test_revision_waits_longer_while_the_table_stays_in_use_and_traffic_goes_on_between(
    database_url: str, release: Release, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "_SAME_LENGTH", 1.0)
    waits = tmp_path / "waits"
    revision = release.add(noting_the_wait(waits) + ADD_COLUMN)
    settings = settings_for(database_url, db_migrate_lock_timeout=LOCK_TIMEOUT)
    served_after = set()
    with ThreadPoolExecutor(1) as pool:
        with holding(database_url, BUSY):
            migration = pool.submit(upgrade, settings)
            while LOCK_TIMEOUT * 1000 not in noted(waits):
                assert not migration.done()
                query(database_url, "SELECT FROM tags")
                served_after.add(len(noted(waits)))
        migration.result()
    assert noted(waits) == sorted(noted(waits))
    assert {*noted(waits)} == {100, 200, 400}
    assert len(served_after) >= 3
    assert applied(database_url) == [revision]
    assert history(database_url, "outcome", "retries")[-1] == ("done", len(noted(waits)) - 1)


def test_revision_gets_in_between_transactions_that_follow_one_another(
    database_url: str, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three sessions use the table in turn, so that it is never free unless they queue behind the revision."""
    monkeypatch.setattr(retries, "_SAME_LENGTH", 0.5)
    release.add(ADD_COLUMN)
    used = "SELECT pg_sleep(0.3) FROM (SELECT count(*) FROM tags) AS found"
    with ThreadPoolExecutor(4) as pool:
        migration = pool.submit(upgrade, settings_for(database_url))

        def use() -> int:
            times = 0
            while not migration.done():
                query(database_url, used)
                times += 1
            return times

        uses = [pool.submit(use) for _ in range(3)]
        migration.result()
        assert all(one.result() for one in uses)
    assert "weight" in columns_of(database_url, "tags")


def test_table_in_the_middle_is_waited_for_as_long_as_the_work_before_took(
    database_url: str, release: Release, tmp_path: Path
) -> None:
    waits = tmp_path / "waits"
    release.add(noting_the_wait(waits) + sql("SELECT pg_sleep(0.3)") + noting_the_wait(waits))
    upgrade(settings_for(database_url))
    at_first, later = noted(waits)
    assert at_first == 100
    assert 600 <= later <= 2000
    # The limit that a revision has set itself stays.
    release.add(sql("SET LOCAL lock_timeout = '50ms'", "SELECT pg_sleep(0.3)") + noting_the_wait(waits))
    upgrade(settings_for(database_url))
    assert noted(waits)[-1] == 50


def test_without_retries_the_only_attempt_has_the_whole_time(
    database_url: str, release: Release, tmp_path: Path
) -> None:
    release.add(noting_the_wait(tmp_path / "waits"))
    upgrade(settings_for(database_url, db_migrate_lock_retries=0))
    assert noted(tmp_path / "waits") == [2000]


def test_batch_of_a_backfill_waits_briefly_for_a_row(database_url: str, release: Release) -> None:
    make_numbers(database_url)
    define(release, update=DOUBLE.replace("+ 1", "+ (current_setting('lock_timeout') = '100ms')::integer"))
    fill(database_url)
    assert touched(database_url) == {1: ROWS}


def test_partition_is_made_with_short_waits(database_url: str) -> None:
    """What the statements find is noted by a trigger on them."""
    children = "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'activity_events'::regclass"
    ((partition,),) = query(database_url, f"SELECT max(name) FROM ({children}) AS one WHERE name NOT LIKE '%default'")
    query(database_url, f"DROP TABLE {partition}")
    query(database_url, "CREATE TABLE noted AS SELECT current_setting('lock_timeout') AS wait WITH NO DATA")
    query(
        database_url,
        "CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$ BEGIN INSERT INTO public.noted VALUES (current_setting('lock_timeout')); END $$",
    )
    tags = "WHEN TAG IN ('ALTER TABLE')"
    query(database_url, f"CREATE EVENT TRIGGER noting ON ddl_command_end {tags} EXECUTE FUNCTION note()")
    upgrade(settings_for(database_url))
    assert query(database_url, "SELECT to_regclass(:name) IS NOT NULL", name=partition) == [(True,)]
    assert query(database_url, "SELECT DISTINCT wait FROM noted") == [("100ms",)]

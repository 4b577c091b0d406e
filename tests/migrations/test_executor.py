"""What surrounds each revision: retries, the lock, the plan that somebody agreed to, and what a failure says."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import uuid4

import pytest
from sqlalchemy import make_url
from structlog.testing import capture_logs

from app.core.settings import Environment, Settings
from app.migrator.execution.planned_steps import PlanChangedError
from app.migrator.locking.migration_lock import LOCK_KEY
from app.postgres.errors import DatabaseError, MigrationFailedError
from tests.conftest import settings_for
from tests.migrations.conftest import HEAD, Release
from tests.support.database import applied, by_driver, holding, query
from tests.support.migrator import downgrade, plan, preview_downgrade, read_drift, read_status, upgrade
from tests.support.revisions import ADD_COLUMN, columns_of, history
from tests.support.waiting import wait_until

BUSY = "LOCK TABLE tags IN ACCESS SHARE MODE"


@pytest.mark.parametrize(("version", "shown"), [("CAST(NULL AS text)", "NULL"), ("5", "5 (a number)")])
@pytest.mark.parametrize("command", [upgrade, plan, read_status, read_drift, partial(downgrade, revision="-1")])
def test_version_that_is_no_revision_is_said_with_what_to_do(
    database_url: str, version: str, shown: str, command: Callable[[Settings], object]
) -> None:
    query(database_url, "DROP TABLE alembic_version")
    query(database_url, f"CREATE TABLE alembic_version AS SELECT {version} AS version_num")
    with pytest.raises(MigrationFailedError) as caught:
        command(settings_for(database_url))
    assert f"alembic_version holds {shown}" in str(caught.value)
    assert "litestar database drift" in str(caught.value)


@pytest.mark.parametrize("name", ["", "head:", ":head", "base:head"])
@pytest.mark.parametrize("command", [upgrade, plan, downgrade, preview_downgrade])
def test_empty_name_and_range_are_no_destination(
    database_url: str, name: str, command: Callable[[Settings, str], object]
) -> None:
    with pytest.raises(MigrationFailedError, match=f"^{name!r} names no revision"):
        command(settings_for(database_url, environment=Environment.DEV), name)


def test_revision_that_meets_a_table_in_use_is_tried_again(database_url: str, release: Release) -> None:
    revision = release.add(f'op.execute("UPDATE tags SET name = name")\n{ADD_COLUMN}')
    settings = settings_for(database_url, db_migrate_lock_timeout=0.05)
    with capture_logs() as logs:
        with holding(database_url, BUSY):
            thread = threading.Thread(target=upgrade, args=(settings,))
            thread.start()
            while not any(entry["event"] == "the table is in use: trying again" for entry in logs):
                thread.join(0.01)
                assert thread.is_alive()
            # It is to be seen while the step runs.
            wait_until(lambda: history(database_url, "outcome", "retries")[-1] != ("running", 0), "it is recorded")
            assert history(database_url, "outcome")[-1] == ("running",)
        thread.join()
    assert applied(database_url) == [revision]
    outcome, retries = history(database_url, "outcome", "retries")[-1]
    assert outcome == "done"
    assert isinstance(retries, int)
    assert retries >= 1
    (done,) = [entry for entry in logs if entry["event"] == "applied a revision"]
    assert (done["revision"], done["phase"], done["retries"]) == (revision, "expand", retries)


def test_table_that_stays_in_use_is_left_alone_and_named(database_url: str, release: Release) -> None:
    release.add(ADD_COLUMN)
    before = applied(database_url)
    settings = settings_for(database_url, db_migrate_lock_timeout=0.05, db_migrate_lock_retries=1)
    with holding(database_url, BUSY), pytest.raises(MigrationFailedError, match=r"tried 2 times.*doctor"):
        upgrade(settings)
    assert applied(database_url) == before
    assert history(database_url, "outcome", "retries", "error")[-1] == (
        "failed",
        1,
        "canceling statement due to lock timeout",
    )


def test_deadlock_is_tried_again(database_url: str, release: Release) -> None:
    revision = release.add(
        """
        if not op.get_bind().exec_driver_sql("SELECT nextval('tries')").scalar() > 1:
            op.execute("DO $$ BEGIN RAISE deadlock_detected; END $$")
        """
    )
    query(database_url, "CREATE SEQUENCE tries")
    upgrade(settings_for(database_url))
    assert applied(database_url) == [revision]
    assert history(database_url, "retries")[-1] == (1,)


def test_value_of_a_row_is_in_no_message(database_url: str, release: Release) -> None:
    query(database_url, "INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'a \"secret\"')")
    release.add('op.execute("ALTER TABLE organizations ALTER name TYPE integer USING name::integer")', phase="contract")
    with pytest.raises(MigrationFailedError, match='invalid input syntax for type integer: "…"') as caught:
        upgrade(settings_for(database_url))
    assert "secret" not in str(caught.value)
    assert "secret" not in str(history(database_url, "error")[-1])


def test_revision_that_ends_the_program_fails(database_url: str, release: Release) -> None:
    release.add("raise SystemExit(0)")
    with pytest.raises(MigrationFailedError, match="SystemExit"):
        upgrade(settings_for(database_url))
    assert history(database_url, "outcome")[-1] == ("failed",)


# What is wrong with a file, as a line of it, and what is said.
UNREADABLE = {
    "ends the program": ("raise SystemExit(0)", "test.py cannot be imported: SystemExit"),
    "comes after nothing": ('down_revision = "gone"', "one comes after 'gone' .*, of which there is no file"),
    "does nothing": ("upgrade = None", r"\(.*test.py\) has no upgrade\(\)"),
}


@pytest.mark.filterwarnings("ignore:Revision gone referenced:UserWarning")
@pytest.mark.parametrize(("line", "said"), UNREADABLE.values(), ids=UNREADABLE)
def test_file_that_cannot_be_used_is_named(database_url: str, release: Release, line: str, said: str) -> None:
    revision = release.add("pass")
    (file,) = (release.root / "migrations" / "versions").glob("2027_*.py")
    file.write_text(f"{file.read_text()}\n\n{line}\n")
    for work in (upgrade, read_status):
        with pytest.raises(MigrationFailedError, match=said):
            work(settings_for(database_url))
    assert applied(database_url) != [revision]


def test_revision_finds_the_session_as_the_first_one_did(database_url: str, release: Release) -> None:
    release.add('op.execute("CREATE SCHEMA other"); op.execute("SET search_path = other, public")')
    release.add('op.execute("CREATE TABLE later ()")')
    upgrade(settings_for(database_url))
    assert query(database_url, "SELECT to_regclass('public.later') IS NOT NULL") == [(True,)]


def test_revision_that_lets_go_of_the_lock_is_undone(database_url: str, release: Release) -> None:
    release.add(f'op.execute("SELECT pg_advisory_unlock_all()")\n{ADD_COLUMN}')
    with pytest.raises(MigrationFailedError, match="it lets go of the lock for schema changes") as caught:
        upgrade(settings_for(database_url))
    assert "pooler" not in str(caught.value)
    assert "weight" not in columns_of(database_url, "tags")


def test_downgrade_by_one_step_reverts_the_one_that_was_shown(database_url: str, release: Release) -> None:
    release.add("pass")
    settings = settings_for(database_url, environment=Environment.DEV)
    upgrade(settings)
    shown, lost = preview_downgrade(settings, "-1")
    assert (shown, lost) == ([release.head], [])
    downgrade(settings, "-1")
    before = applied(database_url)
    with pytest.raises(PlanChangedError, match=f"{HEAD} would be reverted now"):
        downgrade(settings, "-1", agreed=shown)
    assert applied(database_url) == before


def test_upgrade_applies_nothing_that_was_not_shown(database_url: str, release: Release) -> None:
    settings = settings_for(database_url)
    first = release.add("pass")
    shown = [script.revision for script in plan(settings, "+1").revisions]
    assert shown == [first]
    second = release.add("pass")
    with pytest.raises(PlanChangedError, match=f"{second} would be applied now"):
        upgrade(settings, agreed=shown)
    assert applied(database_url) == [HEAD]
    upgrade(settings, "+1", agreed=shown)
    with pytest.raises(PlanChangedError, match=f"{second} would be applied now"):
        upgrade(settings, "+1", agreed=[])
    assert applied(database_url) == [first]


@pytest.mark.parametrize("change", [upgrade, downgrade])
def test_step_that_waits_for_somebody_elses_does_not_take_another(
    database_url: str, release: Release, change: Callable[[Settings, str], None]
) -> None:
    """Two people who each say one step: the second would take one that nobody was shown."""
    middle = release.add("pass")
    last = release.add("pass")
    is_up = change is upgrade
    settings = settings_for(database_url, environment=Environment.DEV)
    upgrade(settings, HEAD if is_up else last)
    tries = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_try_advisory_lock%'"
    with ThreadPoolExecutor(1) as pool, holding(database_url, f"SELECT pg_advisory_xact_lock({LOCK_KEY})"):
        waiting = pool.submit(change, settings, "+1" if is_up else "-1")
        while query(database_url, f"{tries} AND datname = current_database()") != [(True,)]:
            assert not waiting.done()
        # What the other one has done by the time that it lets go of the lock.
        query(database_url, "UPDATE alembic_version SET version_num = :step", step=middle)
    with pytest.raises(PlanChangedError, match=f"{last} would be applied" if is_up else f"{middle} would be reverted"):
        waiting.result()
    assert applied(database_url) == [middle]


@pytest.fixture
def unprivileged(database_url: str, administer: Callable[[str], None]) -> Iterator[str]:
    """The database's URL for a role that may sign in, and no more."""
    role = f"nobody_{uuid4().hex}"
    administer(f"CREATE ROLE {role} LOGIN")
    yield make_url(database_url).set(username=role).render_as_string(hide_password=False)
    administer(f"DROP ROLE {role}")


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_missing_privilege_is_named_and_not_taken_for_a_lost_connection(
    unprivileged: str, release: Release, driver: str
) -> None:
    release.add("pass")
    url = by_driver(unprivileged, driver)
    with pytest.raises(DatabaseError, match="permission denied for table alembic_version") as refused:
        upgrade(settings_for(url))
    assert "lost" not in str(refused.value)

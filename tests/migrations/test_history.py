"""The history of the schema: every step is in it, in the transaction of the step."""

import threading
from collections.abc import Callable

from alembic import command

from app import __version__
from tests.conftest import settings_for
from tests.migrations.conftest import HEAD, REVISIONS, Release
from tests.support.database import applied, holding, query
from tests.support.migrator import alembic_config, downgrade, load_revisions, upgrade
from tests.support.processes import environment, run
from tests.support.revisions import ADD_COLUMN, history


def test_every_step_is_in_the_history(empty_database_url: str) -> None:
    settings = settings_for(empty_database_url)
    # One by one: a new database would take the baseline.
    upgrade(settings, REVISIONS[0])
    upgrade(settings)
    downgrade(settings, "-1", accept_data_loss=True)
    rows = history(empty_database_url, "revision", "phase", "direction", "outcome", "release")
    assert len(rows) == len(REVISIONS) + 1
    assert {row[3] for row in rows} == {"done"}
    phase = load_revisions(settings).get_revision(HEAD).module.phase
    assert rows[-1] == (HEAD, phase, "downgrade", "done", __version__)
    details = history(empty_database_url, "duration > interval '0'", "length(checksum)", "applied_by LIKE '%@% as %'")
    assert set(details) == {(True, 64, True)}


def test_history_and_version_are_one_transaction(database_url: str, release: Release) -> None:
    """The version's row is locked, so the step waits after its DDL: neither is there before both are."""
    release.add(ADD_COLUMN)
    before = applied(database_url)
    with holding(database_url, "SELECT FROM alembic_version FOR UPDATE") as waiting:
        patient = settings_for(database_url, db_migrate_lock_timeout=30.0, db_migrate_lock_retries=0)
        thread = threading.Thread(target=upgrade, args=(patient,))
        thread.start()
        waiting(1)
        assert history(database_url, "outcome")[-1] == ("running",)
        assert applied(database_url) == before
    thread.join()
    assert history(database_url, "outcome")[-1] == ("done",)
    assert applied(database_url) != before


def test_history_of_an_earlier_release_gets_the_columns_that_it_lacks(
    database_url: str, release: Release, dump_schema: Callable[[str], str]
) -> None:
    before = dump_schema(database_url)
    query(database_url, "ALTER TABLE schema_history DROP COLUMN indexes")
    release.add("pass")
    upgrade(settings_for(database_url))
    assert dump_schema(database_url) == before


def test_stamping_is_in_the_history(database_url: str) -> None:
    env = environment(DATABASE_URL=database_url)
    assert run("alembic", "stamp", "5b2e8a4c9d17", env=env).returncode == 0
    assert run("litestar", "database", "stamp", "head", env=env).returncode == 0
    later = len(REVISIONS) - 2
    rows = history(database_url, "direction", "revision")[-2 * later :]
    assert [direction for direction, _ in rows] == ["unstamp"] * later + ["stamp"] * later
    assert rows[-1] == ("stamp", HEAD)


def test_several_revisions_can_be_stamped_after_a_purge(database_url: str, release: Release) -> None:
    head = release.add("pass")
    (path,) = [path for path in (release.root / "migrations" / "versions").iterdir() if "2027" in path.name]
    text = path.read_text().replace(f'revision = "{head}"', 'revision = "another"', 1)
    path.with_name("2027_01_01_0002_other.py").write_text(text)
    command.stamp(alembic_config(settings_for(database_url)), [head, "another"], purge=True)
    assert set(applied(database_url)) == {head, "another"}
    assert {row[0] for row in history(database_url, "revision")[-2:]} == {head, "another"}

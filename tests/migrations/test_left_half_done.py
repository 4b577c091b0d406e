"""What a cancelled statement CONCURRENTLY leaves, and who mends it: the next try, or going the other way."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from app.migrator import upgrade
from app.migrator.cli.main import main
from app.migrator.execution.commands import downgrade
from app.postgres.errors import MigrationFailedError
from tests.migrations.conftest import autocommit, sql
from tests.support.database import holding, query
from tests.support.plain_project import PlainProject

TABLES = (
    "CREATE TABLE t (id int PRIMARY KEY, n int)",
    "CREATE INDEX old ON t (n)",
    "CREATE TABLE p (at int) PARTITION BY RANGE (at)",
    "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (2)",
)
BUILD, DROP = "CREATE INDEX CONCURRENTLY made ON t (n)", "DROP INDEX CONCURRENTLY old"
DETACH = "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY"
CANCEL = """
    SELECT pg_cancel_backend(pid) FROM pg_stat_activity
    WHERE wait_event_type = 'Lock' AND datname = current_database()
"""
BROKEN = """
    SELECT relname::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE NOT indisvalid
    UNION ALL
    SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhdetachpending
"""


@contextmanager
def cancelled(url: str) -> Iterator[Callable[[Callable[[], None]], None]]:
    """Yield a function that has what it calls cancelled in a statement that waits for writers."""
    with ThreadPoolExecutor() as pool, holding(url, "LOCK t, p IN ROW EXCLUSIVE MODE") as wait:

        def run(work: Callable[[], None]) -> None:
            running = pool.submit(work)
            wait(then=CANCEL)
            with pytest.raises(MigrationFailedError):
                running.result()

        yield run


@pytest.fixture
def begun(project: PlainProject) -> PlainProject:
    project.add("first", sql(*TABLES), sql("DROP TABLE p, t"))
    upgrade(project.config)
    return project


# What is cancelled -> what it leaves.
LEFT = {
    BUILD: "made",
    "CREATE INDEX CONCURRENTLY IF NOT EXISTS made ON t (n)": "made",
    DROP: "old",
    "DROP INDEX CONCURRENTLY IF EXISTS old": "old",
    "REINDEX INDEX CONCURRENTLY old": "old_ccnew",
    "REINDEX (VERBOSE, CONCURRENTLY) TABLE t": "old_ccnew",
    DETACH: "p1",
}


@pytest.mark.parametrize(("statement", "left"), LEFT.items())
def test_next_try_goes_on_with_what_was_cancelled(
    begun: PlainProject, empty_database_url: str, statement: str, left: str
) -> None:
    begun.add("second", autocommit(statement))
    with cancelled(empty_database_url) as cancel:
        cancel(lambda: upgrade(begun.config))
    assert left in {name for (name,) in query(empty_database_url, BROKEN)}
    upgrade(begun.config)
    assert query(empty_database_url, BROKEN) == []
    assert query(empty_database_url, "SELECT version_num FROM alembic_version") == [("second",)]


def test_partition_that_was_detached_before_that_was_recorded_need_not_be_one(
    begun: PlainProject, empty_database_url: str
) -> None:
    begun.add("second", autocommit(DETACH) + sql("SELECT FROM wanted"))
    with pytest.raises(MigrationFailedError, match="wanted"):
        upgrade(begun.config)
    query(empty_database_url, "CREATE TABLE wanted ()")
    upgrade(begun.config)
    assert query(empty_database_url, "SELECT version_num FROM alembic_version") == [("second",)]


@pytest.mark.parametrize("destination", ["first", "base"])
@pytest.mark.parametrize("statement", [BUILD, DROP])
def test_downgrade_mends_what_an_upgrade_has_left(
    begun: PlainProject, empty_database_url: str, statement: str, destination: str
) -> None:
    """Also where there is nothing to revert: the revision was not applied."""
    begun.add("second", autocommit(statement))
    with cancelled(empty_database_url) as cancel:
        cancel(lambda: upgrade(begun.config))
    downgrade(begun.config, destination, accept_data_loss=True)
    assert query(empty_database_url, BROKEN) == []
    names = {name for (name,) in query(empty_database_url, "SELECT indexname FROM pg_indexes WHERE tablename = 't'")}
    assert names == ({"t_pkey", "old"} if destination == "first" else set())


@pytest.mark.parametrize("statement", [BUILD, DROP])
def test_upgrade_mends_what_a_downgrade_has_left(begun: PlainProject, empty_database_url: str, statement: str) -> None:
    begun.add("second", "pass", autocommit(statement))
    upgrade(begun.config)
    with cancelled(empty_database_url) as cancel:
        cancel(lambda: downgrade(begun.config, "first"))
    assert len(query(empty_database_url, BROKEN)) == 1
    upgrade(begun.config)
    assert query(empty_database_url, BROKEN) == []
    assert query(empty_database_url, "SELECT to_regclass('made'), to_regclass('old')::text") == [(None, "old")]


def test_doctor_names_a_partition_that_was_half_detached(begun: PlainProject, empty_database_url: str) -> None:
    begun.add("second", autocommit(DETACH))
    with cancelled(empty_database_url) as cancel:
        cancel(lambda: upgrade(begun.config))
    told = CliRunner().invoke(main, ["-c", str(begun.ini), "doctor"]).output
    assert "ALTER TABLE public.p DETACH PARTITION public.p1 FINALIZE" in told

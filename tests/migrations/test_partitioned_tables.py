"""What an upgrade does on the partitions of a table that refuses it."""

import pytest

from app.migrator import downgrade, upgrade
from app.migrator.preview.catalogue import read_catalogue
from app.migrator.sql.lock_modes import LockMode
from app.migrator.sql.statement_locks import locks_of
from app.migrator.sql.tokens import statements_of
from app.postgres.errors import MigrationFailedError
from tests.migrations.conftest import autocommit, sql
from tests.support.database import query, unpooled
from tests.support.plain_project import PlainProject

# One of its partitions has partitions itself.
WAVES = (
    "CREATE TABLE waves (id int NOT NULL, size int, code text) PARTITION BY RANGE (id)",
    "CREATE TABLE waves_1 PARTITION OF waves FOR VALUES FROM (0) TO (10)",
    "CREATE TABLE waves_2 PARTITION OF waves FOR VALUES FROM (10) TO (30) PARTITION BY RANGE (id)",
    'CREATE TABLE "waves_2.a" PARTITION OF waves_2 FOR VALUES FROM (10) TO (20)',
    "CREATE TABLE waves_2_b PARTITION OF waves_2 FOR VALUES FROM (20) TO (30)",
)
INDEXES = """
    SELECT indexrelid::regclass::text, indisvalid, inhparent::regclass::text FROM pg_index
    LEFT JOIN pg_inherits ON inhrelid = indexrelid WHERE indrelid::regclass::text ~ 'waves' ORDER BY 1
"""
CONDITION = "code LIKE '%:%' OR code IS NULL"


@pytest.fixture
def waves(project: PlainProject, empty_database_url: str) -> PlainProject:
    """A project with the partitioned table `waves`, of whose rows two are equal but for their key."""
    project.add("waves", sql(*WAVES))
    upgrade(project.config)
    query(empty_database_url, "INSERT INTO waves VALUES (1, 1), (12, 2), (25, 3), (25, 3)")
    return project


@pytest.mark.parametrize("is_constraint", [False, True])
def test_index_is_built_on_each_partition_goes_on_after_a_failure_and_is_made_for_later_partitions(
    waves: PlainProject, empty_database_url: str, is_constraint: bool
) -> None:
    url, keep, where = empty_database_url, "", f" WHERE {CONDITION}"
    if is_constraint:
        keep, where = "IF NOT EXISTS ", ""
        waves.add("alone", sql("ALTER TABLE ONLY waves ADD CONSTRAINT one UNIQUE (size, id)"))
    waves.add(
        "index",
        autocommit(f"CREATE UNIQUE INDEX CONCURRENTLY {keep}one ON waves (size, id){where}"),
        sql("ALTER TABLE waves DROP CONSTRAINT one" if is_constraint else "DROP INDEX one"),
    )
    with pytest.raises(MigrationFailedError, match="waves_2_b_one"):
        upgrade(waves.config)
    built = query(url, INDEXES)
    assert ("waves_1_one", True, "one") in built
    assert ("one", False, None) in built
    if not is_constraint:
        # Whoever goes back gives it up.
        downgrade(waves.config, "waves")
        assert query(url, INDEXES) == []
    query(url, "DELETE FROM waves WHERE id = 25")
    upgrade(waves.config)
    query(url, "CREATE TABLE waves_3 PARTITION OF waves FOR VALUES FROM (30) TO (40)")
    assert query(url, INDEXES) == [
        ('"waves_2.a_one"', True, "waves_2_one"),
        ("one", True, None),
        ("waves_1_one", True, "one"),
        ("waves_2_b_one", True, "waves_2_one"),
        ("waves_2_one", True, "one"),
        ("waves_3_size_id_" + ("key" if is_constraint else "idx"), True, "one"),
    ]
    constraints = "SELECT count(*) FROM pg_constraint WHERE contype = 'u' AND conname ~ 'waves|one'"
    assert query(url, constraints) == [(6 if is_constraint else 0,)]
    downgrade(waves.config, "waves", accept_data_loss=True)
    assert query(url, INDEXES) == []


def test_index_that_is_there_already_is_refused_or_kept(waves: PlainProject, empty_database_url: str) -> None:
    query(empty_database_url, "CREATE INDEX one ON waves (size)")
    waves.add("kept", autocommit("CREATE INDEX CONCURRENTLY IF NOT EXISTS one ON waves (size)"))
    upgrade(waves.config)
    waves.add("refused", autocommit("CREATE INDEX CONCURRENTLY one ON waves (size)"))
    with pytest.raises(MigrationFailedError, match='"one" already exists'):
        upgrade(waves.config)


def test_locks_of_a_concurrent_index_are_those_of_what_the_upgrade_does(
    waves: PlainProject, empty_database_url: str
) -> None:
    with unpooled(empty_database_url).connect() as connection:
        relations = read_catalogue(connection).relations
    (statement,) = statements_of("CREATE INDEX CONCURRENTLY one ON waves (size)")
    locks = {lock.table: lock.mode for lock in locks_of(statement, relations)}
    assert locks.pop("waves") is LockMode.SHARE
    assert set(locks.values()) == {LockMode.SHARE_UPDATE_EXCLUSIVE}
    assert locks.keys() >= {"waves_1", "waves_2_b"}

"""`litestar database lint` about partitioned tables, which refuse much of what is safe elsewhere."""

import pytest

from app.core.settings import Settings
from app.migrator.lint.finding import Finding
from app.postgres.errors import MigrationFailedError
from tests.conftest import settings_for
from tests.migrations.conftest import Release, autocommit, sql
from tests.support.database import query
from tests.support.migrator import lint, upgrade


def findings(release: Release) -> tuple[Finding, ...]:
    return lint(Settings(), [release.head or ""]).findings


def rules(release: Release) -> list[str]:
    return [finding.rule for finding in findings(release)]


# What is safe elsewhere and refused or slow here, with a word of its rewrite.
REFUSED = {
    "an index built on the parent alone, concurrently": (
        autocommit("CREATE INDEX CONCURRENTLY one ON ONLY activity_events (message)"),
        "CREATE INDEX CONCURRENTLY, in an autocommit block",
    ),
    "an index": (sql("CREATE INDEX one ON activity_events (message)"), "ON ONLY"),
    "an index dropped concurrently": (
        autocommit("DROP INDEX CONCURRENTLY ix_activity_events_organization_id_created_at_id"),
        "DROP INDEX",
    ),
    "a unique constraint": (
        sql("ALTER TABLE activity_events ADD CONSTRAINT one UNIQUE (message, created_at)"),
        "ALTER TABLE ONLY",
    ),
    "a constraint of an index": (
        sql("ALTER TABLE activity_events ADD CONSTRAINT one UNIQUE USING INDEX two"),
        "ALTER TABLE ONLY",
    ),
    "a foreign key": (
        sql("ALTER TABLE activity_events ADD CONSTRAINT one FOREIGN KEY (board_id) REFERENCES boards (id)"),
        "ADD CONSTRAINT … NOT VALID",
    ),
}


@pytest.mark.parametrize(("upgrade", "rewrite"), REFUSED.values(), ids=REFUSED)
def test_step_that_a_partitioned_table_refuses_has_a_rewrite_that_it_takes(
    release: Release, upgrade: str, rewrite: str
) -> None:
    release.add(upgrade, phase="contract")
    (finding,) = findings(release)
    assert finding.rule == "partitioned-table"
    assert rewrite in finding.rewrite


TAKEN = {
    "an index built concurrently": autocommit("CREATE INDEX CONCURRENTLY one ON activity_events (message)"),
    "a foreign key that is not valid": sql(
        "ALTER TABLE activity_events ADD CONSTRAINT one FOREIGN KEY (board_id) REFERENCES boards (id) NOT VALID"
    ),
    "an index on the parent alone": sql("CREATE INDEX one ON ONLY activity_events (message)"),
    "an index on the parent alone of a table that nothing tells about": sql("CREATE INDEX one ON ONLY nobodys (a)"),
    "an index of a partition": autocommit("CREATE INDEX CONCURRENTLY one ON activity_events_default (message)"),
    "an index attached": sql("ALTER INDEX one ATTACH PARTITION two"),
    "an index dropped": sql("DROP INDEX ix_activity_events_organization_id_created_at_id"),
    "a constraint on the parent alone": sql(
        "ALTER TABLE ONLY activity_events ADD CONSTRAINT one UNIQUE (id, created_at)"
    ),
    "a check": sql("ALTER TABLE activity_events ADD CONSTRAINT one CHECK (message <> '') NOT VALID"),
    "a check that is validated": sql("ALTER TABLE activity_events VALIDATE CONSTRAINT one"),
    "a partition detached": autocommit("ALTER TABLE activity_events DETACH PARTITION a CONCURRENTLY"),
    "a new table's": sql(
        "CREATE TABLE waves (id bigint NOT NULL) PARTITION BY LIST (id)",
        "CREATE TABLE first_waves PARTITION OF waves FOR VALUES IN (1)",
        "CREATE INDEX one ON waves (id)",
        "ALTER TABLE waves ADD CONSTRAINT two UNIQUE (id)",
    ),
}


@pytest.mark.parametrize("upgrade", TAKEN.values(), ids=TAKEN)
def test_step_that_a_partitioned_table_takes_is_fine(release: Release, upgrade: str) -> None:
    release.add(upgrade, phase="contract")
    assert rules(release) == []


def test_index_on_a_table_that_is_not_partitioned_is_built_at_once_whatever_it_says(release: Release) -> None:
    release.add(sql("CREATE INDEX one ON ONLY tasks (title)"))
    assert rules(release) == ["require-concurrent-index-creation"]


def test_table_is_known_to_be_partitioned_under_its_new_name(release: Release) -> None:
    release.add(sql("ALTER TABLE activity_events RENAME TO trail"), phase="contract")
    release.add(sql("CREATE INDEX one ON trail (message)"))
    assert rules(release) == ["partitioned-table"]


def partitions(url: str) -> list[str]:
    listed = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'activity_events'::regclass"
    return [str(name) for (name,) in query(url, listed)]


SERVER_REFUSES = [
    autocommit("CREATE INDEX CONCURRENTLY one ON ONLY activity_events (message)"),
    autocommit("DROP INDEX CONCURRENTLY ix_activity_events_organization_id_created_at_id"),
    sql(
        "CREATE UNIQUE INDEX two ON activity_events (id, created_at)",
        "ALTER TABLE activity_events ADD CONSTRAINT one UNIQUE USING INDEX two",
    ),
]


@pytest.mark.parametrize("refused", SERVER_REFUSES)
def test_server_refuses_what_is_said_to_be_refused(database_url: str, release: Release, refused: str) -> None:
    release.add(refused, phase="contract")
    assert set(rules(release)) == {"partitioned-table"}
    with pytest.raises(MigrationFailedError, match="partitioned"):
        upgrade(settings_for(database_url))


def test_rewrite_for_an_index_leads_to_one_that_is_valid(database_url: str, release: Release) -> None:
    release.add(sql("CREATE INDEX one ON ONLY activity_events (message)"))
    assert rules(release) == []
    for number, partition in enumerate(partitions(database_url)):
        release.add(autocommit(f"CREATE INDEX CONCURRENTLY one_{number} ON {partition} (message)"))
        assert rules(release) == []
        release.add(sql(f"ALTER INDEX one ATTACH PARTITION one_{number}"))
        assert rules(release) == []
    upgrade(settings_for(database_url))
    assert query(database_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'one'::regclass") == [(True,)]


def test_rewrite_for_a_unique_constraint_leads_to_one_that_is_valid(database_url: str, release: Release) -> None:
    release.add(sql("ALTER TABLE ONLY activity_events ADD CONSTRAINT one UNIQUE (id, created_at)"), phase="contract")
    assert rules(release) == []
    for number, partition in enumerate(partitions(database_url)):
        index = f"one_{number}"
        release.add(
            autocommit(f"CREATE UNIQUE INDEX CONCURRENTLY {index} ON {partition} (id, created_at)"), phase="contract"
        )
        assert rules(release) == []
        attach = f"ALTER INDEX one ATTACH PARTITION {index}"
        release.add(sql(f"ALTER TABLE {partition} ADD CONSTRAINT {index} UNIQUE USING INDEX {index}", attach))
        assert rules(release) == []
    upgrade(settings_for(database_url))
    assert query(database_url, "SELECT indisvalid FROM pg_index WHERE indexrelid = 'one'::regclass") == [(True,)]

"""`litestar database lint`: what each rule finds, what is fine beside it, and how a finding is suppressed."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import context
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory

from app.core.settings import Settings
from app.migrator.lint.finding import Finding
from app.migrator.lint.linter import UnknownRevisionError
from app.migrator.lint.squawk import NESTING, OFF, ON, SquawkError, is_rule
from app.migrator.sql.functions import HARMLESS_FUNCTIONS
from app.migrator.sql.offline import offline_sql
from app.postgres.errors import MigrationFailedError
from tests.conftest import settings_for
from tests.migrations.conftest import HEAD, REVISIONS, Release, autocommit, copied_release, sql
from tests.support.database import query
from tests.support.migrator import lint, upgrade
from tests.support.processes import ROOT, environment, run

OFFLINE = Settings()
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
# With agents, the last table that a test changes.
_KEPT = 8


@pytest.fixture(scope="module")
def first_revisions() -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch, copied_release(ROOT, patch) as release:
        release.keep(REVISIONS[:_KEPT])
        patch.undo()
        yield release.root


@pytest.fixture
def release(
    first_revisions: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Release]:
    """Where no database is asked, with the first revisions alone: each time all of them are read."""
    source = ROOT if "database_url" in request.fixturenames else first_revisions
    with copied_release(source, monkeypatch) as release:
        yield release


def rules(release: Release, *revisions: str) -> list[str]:
    """The rules by which something is found in the revisions; without one, in the newest."""
    return [finding.rule for finding in findings(release, *revisions)]


def findings(release: Release, *revisions: str) -> tuple[Finding, ...]:
    return lint(OFFLINE, revisions or [release.head or ""]).findings


def test_every_revision_of_the_project_is_clean() -> None:
    report = lint(OFFLINE, every=True)
    assert report.findings == ()
    assert report.linted == tuple(REVISIONS)
    assert report.note is None


# Steps after which the previous release may not work, in an expand revision; the same in a contract revision is fine.
CONTRACT_STEPS = {
    "a table dropped": "DROP TABLE tags",
    "a column dropped": "ALTER TABLE tags DROP COLUMN color",
    "a table renamed": "ALTER TABLE tags RENAME TO labels",
    "a table moved": "ALTER TABLE tags SET SCHEMA other",
    "a column renamed": "ALTER TABLE tags RENAME color TO colour",
    "a type renamed": "ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'",
    "a view dropped": "DROP VIEW busy",
    "rows thrown away": "TRUNCATE tags",
    "a default dropped": "ALTER TABLE tags ALTER color DROP DEFAULT",
    "NULL allowed": "ALTER TABLE tags ALTER color DROP NOT NULL",
    "a check added": "ALTER TABLE tags ADD CONSTRAINT c CHECK (color <> '') NOT VALID",
    "a foreign key added": "ALTER TABLE tags ADD CONSTRAINT c FOREIGN KEY (id) REFERENCES users (id) NOT VALID",
    "a constraint dropped": "ALTER TABLE tags DROP CONSTRAINT uq_tags_organization_id_slug",
    "a constraint renamed": "ALTER TABLE tags RENAME CONSTRAINT uq_tags_organization_id_slug TO uq_tags_slug",
    "a constraint changed": "ALTER TABLE tags ALTER CONSTRAINT fk_tags_organization_id_organizations DEFERRABLE",
    "a unique index renamed": "ALTER INDEX uq_agents_board_id_lead RENAME TO one_lead",
    "a trigger": "CREATE TRIGGER t BEFORE INSERT ON tags FOR EACH ROW EXECUTE FUNCTION f()",
    "another schema's table dropped": "DROP TABLE other.tags",
}


@pytest.mark.parametrize("statement", CONTRACT_STEPS.values(), ids=CONTRACT_STEPS)
def test_contract_step_is_found_in_an_expand_revision_alone(release: Release, statement: str) -> None:
    expand = release.add(sql("SELECT 1", statement))
    contract = release.add(sql(statement), phase="contract")
    (finding,) = findings(release, expand)
    assert (finding.rule, finding.revision, finding.line) == ("contract-step-in-expand", expand, 3)
    assert finding.sql == statement
    assert finding.rewrite
    # The models of this test still have everything.
    assert set(rules(release, contract)) <= {"dropped-but-used"}


# Each looks like a step of the table above that is none.
HIDDEN_CONTRACT_STEPS = {
    "a default that is none": ["ALTER TABLE tags ADD COLUMN weight bigint NOT NULL DEFAULT NULL"],
    "another's default": ["ALTER TABLE tags ADD COLUMN by uuid NOT NULL REFERENCES users (id) ON DELETE SET DEFAULT"],
    "a default taken away": ["ALTER TABLE tags ALTER color SET DEFAULT NULL"],
    "a column that may be an old one": [
        "ALTER TABLE tags ADD COLUMN IF NOT EXISTS color text",
        "ALTER TABLE tags DROP COLUMN color",
    ],
    "a table that may be an old one": ["CREATE TABLE IF NOT EXISTS tags (id bigint)", "DROP TABLE tags"],
    "a table of another schema": ["CREATE TABLE other.tags (id bigint)", "DROP TABLE tags"],
    "a table of a schema whose namesake is new": ["CREATE TABLE swell (id bigint)", "DROP TABLE other.swell"],
    "a view of another schema": ["CREATE VIEW other.busy AS SELECT 1 AS one", "DROP VIEW busy"],
    "a column of another schema": ["ALTER TABLE other.tags ADD COLUMN color text", "ALTER TABLE tags DROP color"],
    "a table behind a temporary one": ["CREATE TEMP TABLE tags (id bigint)", "DROP TABLE public.tags"],
    "a unique default": [
        "ALTER TABLE tags ADD COLUMN code text DEFAULT 'x'",
        "CREATE UNIQUE INDEX tags_code ON tags (code)",
    ],
    "a unique default in one": ["ALTER TABLE tags ADD COLUMN code text DEFAULT 'x' UNIQUE"],
    "a unique NULL": [
        "ALTER TABLE tags ADD COLUMN code text",
        "CREATE UNIQUE INDEX tags_code ON tags (code) NULLS NOT DISTINCT",
    ],
    "a default of another table": ["ALTER TABLE tags ADD COLUMN by uuid DEFAULT uuid_nil() REFERENCES users (id)"],
    "a check in a column": ["ALTER TABLE tags ADD COLUMN weight bigint CHECK (weight IS NOT NULL)"],
    "a check of an old column": ["ALTER TABLE tags ADD COLUMN weight bigint CHECK (color <> '')"],
    "an attribute dropped": ["ALTER TYPE size DROP ATTRIBUTE height"],
    "a domain without NULL": ["ALTER DOMAIN code SET NOT NULL"],
}


@pytest.mark.parametrize("statements", HIDDEN_CONTRACT_STEPS.values(), ids=HIDDEN_CONTRACT_STEPS)
def test_contract_step_is_found_though_it_looks_like_none(release: Release, statements: list[str]) -> None:
    release.add(sql(*statements))
    assert "contract-step-in-expand" in rules(release)


FREE = {
    "a nullable column": ["ALTER TABLE tags ADD COLUMN weight bigint"],
    "a required column with a default": ["ALTER TABLE tags ADD COLUMN weight bigint NOT NULL DEFAULT 0"],
    "a new table, changed at will": [
        "CREATE TABLE waves (id bigint PRIMARY KEY, a text)",
        "CREATE UNIQUE INDEX waves_a ON waves (a)",
        "ALTER TABLE waves ALTER a SET NOT NULL, ADD CONSTRAINT c CHECK (a <> '') NOT VALID",
        "ALTER TABLE waves DROP a",
        "DROP TABLE waves",
    ],
    "a new table of another schema, moved": [
        "CREATE TABLE other.waves (id bigint, a text)",
        "ALTER TABLE other.waves DROP a",
        "ALTER TABLE other.waves RENAME TO swell",
        "ALTER TABLE other.swell SET SCHEMA public",
        "DROP TABLE swell",
    ],
    "a new table's trigger, lock and partition": [
        "CREATE TABLE public.waves (id bigint) PARTITION BY LIST (id)",
        "CREATE TABLE first_waves (id bigint)",
        "CREATE TRIGGER t BEFORE INSERT ON waves FOR EACH ROW EXECUTE FUNCTION f()",
        "LOCK waves",
        "ALTER TABLE first_waves SET UNLOGGED",
        "ALTER TABLE waves ATTACH PARTITION first_waves FOR VALUES IN (1)",
    ],
    "a column that the revision itself has added": [
        "ALTER TABLE tags ADD COLUMN weight bigint",
        "ALTER TABLE tags RENAME weight TO mass",
        "ALTER TABLE tags DROP COLUMN mass",
    ],
    "a foreign key of a new column": [
        "ALTER TABLE tags ADD COLUMN by uuid",
        "ALTER TABLE tags ADD CONSTRAINT c FOREIGN KEY (by) REFERENCES users (id) NOT VALID",
    ],
    "a check that NULL passes, on new columns": [
        "ALTER TABLE tags ADD COLUMN low bigint, ADD COLUMN high bigint",
        "ALTER TABLE tags ADD CONSTRAINT c CHECK (low < high) NOT VALID",
    ],
    "a check of a pattern and a length that NULL passes": [
        "ALTER TABLE tags ADD COLUMN code text",
        "ALTER TABLE tags ADD CONSTRAINT c CHECK (code ~ '^[a-z]+$' AND length(code) < 9) NOT VALID",
    ],
    "a check on a new column with a default": [
        "ALTER TABLE tags ADD COLUMN weight bigint DEFAULT 0",
        "ALTER TABLE tags ADD CONSTRAINT c CHECK (weight IS NOT NULL) NOT VALID",
    ],
    "a new table, renamed and changed at will": [
        "CREATE TABLE waves (id bigint PRIMARY KEY, a text)",
        "ALTER TABLE waves RENAME TO swell",
        "ALTER TABLE swell ALTER a SET NOT NULL",
    ],
    "a constraint of a new column, renamed": [
        "ALTER TABLE tags ADD COLUMN by uuid",
        "ALTER TABLE tags ADD CONSTRAINT c FOREIGN KEY (by) REFERENCES users (id) NOT VALID",
        "ALTER TABLE tags RENAME CONSTRAINT c TO d",
        "ALTER TABLE tags DROP CONSTRAINT d",
    ],
    "an index that is not unique, renamed": ["ALTER INDEX ix_task_tags_tag_id RENAME TO by_tag"],
    "a view that the revision itself has made": [
        "CREATE MATERIALIZED VIEW busy AS SELECT 1 AS one WITH NO DATA",
        "REFRESH MATERIALIZED VIEW busy",
        "DROP MATERIALIZED VIEW busy",
    ],
    "a default": ["ALTER TABLE tags ALTER color SET DEFAULT 'red'"],
    "rows added": ["INSERT INTO tags (slug) SELECT name FROM organizations"],
}


@pytest.mark.parametrize("statements", FREE.values(), ids=FREE)
def test_step_that_the_previous_release_does_not_notice_is_free(release: Release, statements: list[str]) -> None:
    release.add(sql(*statements))
    assert rules(release) == []


def test_change_of_type_is_found_for_the_release_and_for_the_lock(release: Release) -> None:
    statement = "ALTER TABLE tags ALTER color TYPE bigint USING 1"
    expand = release.add(sql(statement))
    contract = release.add(sql(statement), phase="contract")
    assert rules(release, expand) == ["contract-step-in-expand", "changing-column-type"]
    assert rules(release, contract) == ["changing-column-type"]


def test_required_column_without_a_default_is_found_in_both_phases(release: Release) -> None:
    statement = "ALTER TABLE tags ADD COLUMN weight bigint NOT NULL"
    expand = release.add(sql(statement))
    contract = release.add(sql(statement), phase="contract")
    assert rules(release, expand) == ["contract-step-in-expand"]
    assert rules(release, contract) == ["adding-required-field"]


def test_default_that_the_same_revision_takes_away_again_is_found(release: Release) -> None:
    release.add(
        sql(
            "ALTER TABLE tags ADD COLUMN weight bigint NOT NULL DEFAULT 0",
            "ALTER TABLE tags ALTER COLUMN weight DROP DEFAULT",
        )
    )
    assert rules(release) == ["contract-step-in-expand"]


def test_unique_index_is_found_even_if_it_is_built_concurrently(release: Release) -> None:
    release.add(autocommit("CREATE UNIQUE INDEX CONCURRENTLY one ON tags (color)"))
    assert rules(release) == ["contract-step-in-expand"]
    release.add(sql("ALTER TABLE tags ADD CONSTRAINT one UNIQUE USING INDEX one"))
    assert rules(release) == []


def test_unique_index_that_is_dropped_is_found_and_another_is_not(release: Release) -> None:
    """An ON CONFLICT that names its columns fails without it."""
    assert rules(release, release.add(autocommit("DROP INDEX CONCURRENTLY uq_agents_board_id_lead"))) == [
        "contract-step-in-expand"
    ]
    assert rules(release, release.add(autocommit("DROP INDEX CONCURRENTLY ix_task_tags_tag_id"))) == []


def test_unique_index_that_was_renamed_or_dropped_is_known_to_be_so(release: Release) -> None:
    release.add(sql("ALTER INDEX uq_agents_board_id_lead RENAME TO one_lead"), phase="contract")
    assert rules(release, release.add(autocommit("DROP INDEX CONCURRENTLY one_lead"))) == ["contract-step-in-expand"]
    release.add(autocommit("CREATE INDEX CONCURRENTLY one_lead ON agents (board_id)"))
    assert rules(release, release.add(autocommit("DROP INDEX CONCURRENTLY one_lead"))) == []


SET_NOT_NULL = "ALTER TABLE tasks ALTER description SET NOT NULL"
# What makes a check or NOT NULL of `tags.weight` a thing of the past, or of another name.
GONE = {
    "column dropped": (
        ["ALTER TABLE tags DROP COLUMN weight", "ALTER TABLE tags ADD COLUMN weight bigint"],
        "tags",
        "weight",
    ),
    "table dropped": (["DROP TABLE tags", "CREATE TABLE tags (weight bigint)"], "tags", "weight"),
    "column renamed": (
        ["ALTER TABLE tags RENAME weight TO mass", "ALTER TABLE tags ADD COLUMN weight bigint"],
        "tags",
        "weight",
    ),
    "table renamed": (["ALTER TABLE tags RENAME TO labels", "CREATE TABLE tags (weight bigint)"], "tags", "weight"),
    "table moved": (["ALTER TABLE tags SET SCHEMA other"], "tags", "weight"),
}
KEPT = {
    "column renamed": (["ALTER TABLE tags RENAME weight TO mass"], "tags", "mass"),
    "table renamed": (["ALTER TABLE tags RENAME TO labels"], "labels", "weight"),
    "table moved": (["ALTER TABLE tags SET SCHEMA other"], "other.tags", "weight"),
    "table moved and back": (
        ["ALTER TABLE tags SET SCHEMA other", "ALTER TABLE other.tags SET SCHEMA public"],
        "tags",
        "weight",
    ),
    "constraint renamed": (["ALTER TABLE tags RENAME CONSTRAINT c TO d"], "tags", "weight"),
}


def weighed(release: Release, changes: list[str], table: str, column: str) -> list[str]:
    """What is found in SET NOT NULL after the column had a validated check, and then these changes."""
    release.add(sql("ALTER TABLE tags ADD COLUMN weight bigint"))
    release.add(sql("ALTER TABLE tags ADD CONSTRAINT c CHECK (weight IS NOT NULL) NOT VALID"), phase="contract")
    release.add(sql("ALTER TABLE tags VALIDATE CONSTRAINT c"))
    release.add(sql(*changes), phase="contract")
    release.add(sql(f"ALTER TABLE {table} ALTER {column} SET NOT NULL"))
    return rules(release)


@pytest.mark.parametrize(("changes", "table", "column"), GONE.values(), ids=GONE)
def test_check_of_what_is_gone_helps_nobody_of_its_name(
    release: Release, changes: list[str], table: str, column: str
) -> None:
    assert weighed(release, changes, table, column) == ["contract-step-in-expand", "not-null-without-check"]


@pytest.mark.parametrize(("changes", "table", "column"), KEPT.values(), ids=KEPT)
def test_check_is_known_under_a_new_name(release: Release, changes: list[str], table: str, column: str) -> None:
    assert weighed(release, changes, table, column) == []


def test_column_that_was_required_before_it_was_dropped_is_not_so_when_it_comes_again(release: Release) -> None:
    release.add(sql("ALTER TABLE tags ADD COLUMN weight bigint NOT NULL DEFAULT 0"))
    release.add(sql("ALTER TABLE tags DROP COLUMN weight"), phase="contract")
    release.add(sql("ALTER TABLE tags ADD COLUMN weight bigint"))
    release.add(sql("ALTER TABLE tags ALTER weight SET NOT NULL"))
    assert rules(release) == ["contract-step-in-expand", "not-null-without-check"]


def test_constraint_that_comes_again_is_not_valid_because_its_namesake_was(release: Release) -> None:
    check = "ALTER TABLE tags ADD CONSTRAINT c CHECK (weight IS NOT NULL) NOT VALID"
    again = ["ALTER TABLE tags DROP COLUMN weight", "ALTER TABLE tags ADD COLUMN weight bigint", check]
    found = weighed(release, again, "tags", "weight")
    assert found == ["contract-step-in-expand", "not-null-without-check"]


def test_not_null_of_a_column_that_is_so_is_fine(release: Release) -> None:
    release.add(sql("ALTER TABLE tasks ALTER title SET NOT NULL"))
    assert rules(release) == []


def test_not_null_without_a_check_is_found_for_the_release_and_for_the_scan(release: Release) -> None:
    expand = release.add(sql(SET_NOT_NULL))
    contract = release.add(sql("ALTER TABLE boards ALTER objective SET NOT NULL"), phase="contract")
    assert rules(release, expand) == ["contract-step-in-expand", "not-null-without-check"]
    assert rules(release, contract) == ["not-null-without-check"]


def test_not_null_in_three_revisions_is_fine(release: Release) -> None:
    """Only the first says something to the previous release: it may no longer write NULL."""
    reason = 'lint_ignore = {"contract-step-in-expand": "The previous release writes a description always."}'
    first = release.add(
        sql("ALTER TABLE tasks ADD CONSTRAINT c CHECK (description IS NOT NULL) NOT VALID"), extra=f"\n{reason}"
    )
    second = release.add(sql("ALTER TABLE tasks VALIDATE CONSTRAINT c"))
    third = release.add(sql(SET_NOT_NULL, "ALTER TABLE tasks DROP CONSTRAINT c"))
    assert rules(release, first, second, third) == []


def test_check_that_was_not_validated_does_not_help(release: Release) -> None:
    release.add(sql("ALTER TABLE tasks ADD CONSTRAINT c CHECK (description IS NOT NULL) NOT VALID"), phase="contract")
    release.add(sql(SET_NOT_NULL), phase="contract")
    assert rules(release) == ["not-null-without-check"]


def test_check_that_was_validated_and_dropped_does_not_help(release: Release) -> None:
    release.add(sql("ALTER TABLE tasks ADD CONSTRAINT c CHECK (description IS NOT NULL) NOT VALID"), phase="contract")
    release.add(sql("ALTER TABLE tasks VALIDATE CONSTRAINT c", "ALTER TABLE tasks DROP CONSTRAINT c"), phase="contract")
    release.add(sql(SET_NOT_NULL), phase="contract")
    assert rules(release) == ["not-null-without-check"]


@pytest.mark.parametrize(
    "statements",
    [
        ["ADD CONSTRAINT c CHECK (description IS NOT NULL) NOT ENFORCED"],
        ["ADD CONSTRAINT c CHECK (description IS NOT NULL)", "ALTER CONSTRAINT c NOT ENFORCED"],
        ["ADD CONSTRAINT c CHECK (description IS NOT NULL) NOT ENFORCED", "VALIDATE CONSTRAINT c"],
        ["ADD CHECK (description IS NOT NULL) NOT VALID", "ADD CHECK (description <> '')"],
    ],
    ids=["not enforced", "perhaps not enforced any more", "not enforced, so not validated", "another one is valid"],
)
def test_check_that_is_not_valid_does_not_help(release: Release, statements: list[str]) -> None:
    for statement in statements:
        release.add(sql(f"ALTER TABLE tasks {statement}"), phase="contract")
    release.add(sql(SET_NOT_NULL), phase="contract")
    assert rules(release) == ["not-null-without-check"]


def test_check_without_a_name_is_known_by_the_servers(release: Release) -> None:
    release.add(sql("ALTER TABLE tasks ADD CHECK (description IS NOT NULL) NOT VALID"), phase="contract")
    release.add(sql("ALTER TABLE tasks VALIDATE CONSTRAINT tasks_description_check"), phase="contract")
    release.add(sql(SET_NOT_NULL), phase="contract")
    assert rules(release) == []


BUILD = "CREATE INDEX CONCURRENTLY one ON tags (color)"
VALIDATE = "ALTER TABLE {} VALIDATE CONSTRAINT c"
NOT_ALONE = {
    "two builds": autocommit(BUILD, "CREATE INDEX CONCURRENTLY two ON tags (name)"),
    "a statement before": sql("SELECT 1") + "\n" + autocommit(BUILD),
    "a statement after": autocommit(BUILD) + "\n" + sql("SELECT 1"),
    "the drop of another index": autocommit("DROP INDEX CONCURRENTLY IF EXISTS two", BUILD),
    "the drop of another schema's": autocommit("DROP INDEX CONCURRENTLY IF EXISTS other.one", BUILD),
    "a drop that may fail": autocommit("DROP INDEX CONCURRENTLY one", BUILD),
    "two statements in autocommit": autocommit("SELECT 1", "SELECT 2"),
    "a validation after another statement": autocommit("VACUUM tags", VALIDATE.format("tags")),
    "a validation after a build": autocommit(BUILD, VALIDATE.format("tags")),
}
ALONE = {
    "a build": autocommit(BUILD),
    "a build after the drop of what failed": autocommit("DROP INDEX CONCURRENTLY IF EXISTS one", BUILD),
    "a build in another schema": autocommit(
        "DROP INDEX CONCURRENTLY IF EXISTS other.one", "CREATE INDEX CONCURRENTLY one ON other.tags (color)"
    ),
    "a drop": autocommit("DROP INDEX CONCURRENTLY IF EXISTS one"),
    "another that needs autocommit": autocommit("VACUUM tags"),
    "validations, which may be repeated": autocommit(VALIDATE.format("tags"), VALIDATE.format("users")),
    "the refresh of a view, in a transaction": sql("SELECT 1", "REFRESH MATERIALIZED VIEW CONCURRENTLY busy"),
    "the word in a string": sql("SELECT 1", "SELECT 'CONCURRENTLY'"),
}


@pytest.mark.parametrize("upgrade", NOT_ALONE.values(), ids=NOT_ALONE)
def test_work_outside_a_transaction_is_alone_in_its_revision(release: Release, upgrade: str) -> None:
    release.add(upgrade)
    assert rules(release) == ["concurrently-not-alone"]


def test_locks_outside_a_transaction_are_given_back(release: Release) -> None:
    release.add(
        autocommit(
            "ALTER TABLE tags ADD COLUMN a text",
            "ALTER TABLE users ADD COLUMN a text",
            "ALTER TABLE tasks VALIDATE CONSTRAINT c",
        )
    )
    assert rules(release) == ["concurrently-not-alone"]


@pytest.mark.parametrize("upgrade", ALONE.values(), ids=ALONE)
def test_work_outside_a_transaction_that_is_alone_is_fine(release: Release, upgrade: str) -> None:
    release.add(upgrade)
    assert rules(release) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE tags SET color = 'red'",
        "DELETE FROM tags WHERE color = 'red'",
        "WITH gone AS (DELETE FROM tags RETURNING *) INSERT INTO users SELECT * FROM gone",
        "INSERT INTO tags SELECT * FROM tags ON CONFLICT (id) DO UPDATE SET color = excluded.color",
    ],
)
def test_rows_are_not_changed_in_a_revision(release: Release, statement: str) -> None:
    release.add(sql(statement))
    assert rules(release) == ["backfill-in-revision"]
    release.add(sql("CREATE TABLE tags AS SELECT 1 AS id", statement))
    assert rules(release) == []


def test_tables_in_use_are_changed_one_a_revision(release: Release) -> None:
    release.add(sql("ALTER TABLE tags ADD COLUMN a bigint", "ALTER TABLE users ADD COLUMN a bigint"))
    (finding,) = findings(release)
    assert (finding.rule, finding.line) == ("several-tables-locked", 3)
    assert "tags" in finding.message
    release.add(sql("ALTER TABLE tags ADD COLUMN b bigint", "ALTER TABLE tags ADD COLUMN c bigint"))
    assert rules(release) == []
    release.add(sql("CREATE TABLE new (id bigint)", "ALTER TABLE new ADD a bigint", "ALTER TABLE users ADD c bigint"))
    assert rules(release) == []


# Each stops the traffic of a table for as long as it takes, in every phase.
LOCKS = {
    "LOCK TABLE tags IN SHARE MODE": "the revision",
    "VACUUM FULL tags": "written anew",
    "CLUSTER tags USING pk_tags": "written anew",
    "REFRESH MATERIALIZED VIEW busy": "CONCURRENTLY",
    "ALTER TABLE tags SET UNLOGGED": "written anew",
    "ALTER TABLE tags SET LOGGED": "written anew",
    "ALTER TABLE tags SET TABLESPACE fast": "written anew",
    "ALTER TABLE waves ATTACH PARTITION tags FOR VALUES IN (1)": "CHECK",
    "CREATE TABLE new PARTITION OF activity_events DEFAULT": "ATTACH PARTITION",
}


def test_lock_that_lasts_is_found_in_both_phases(release: Release) -> None:
    revisions = {release.add(sql(lock), phase=phase): lock for lock in LOCKS for phase in ("expand", "contract")}
    found = findings(release, *revisions)
    assert [(f.revision, f.rule) for f in found] == [(revision, "table-locked") for revision in revisions]
    for finding in found:
        assert LOCKS[revisions[finding.revision or ""]] in finding.message + finding.rewrite


# What stops the traffic of a second table, or of one for as long as another is read.
SECOND_LOCKS = {
    "a new table that refers to two": [
        "CREATE TABLE waves (id bigint, a uuid REFERENCES users (id), b uuid REFERENCES boards (id))"
    ],
    "a new table that refers to one, and another one changed": [
        "CREATE TABLE waves (id bigint, a uuid REFERENCES users (id))",
        "ALTER TABLE tags ADD COLUMN note text",
    ],
    "foreign keys to two": [
        "ALTER TABLE tags ADD COLUMN a uuid, ADD COLUMN b uuid",
        "ALTER TABLE tags ADD CONSTRAINT a FOREIGN KEY (a) REFERENCES users (id) NOT VALID",
        "ALTER TABLE tags ADD CONSTRAINT b FOREIGN KEY (b) REFERENCES boards (id) NOT VALID",
    ],
    "a renamed one and another": ["ALTER TABLE tags ENABLE ROW LEVEL SECURITY", "ALTER TABLE users OWNER TO x"],
    "a trigger renamed": ["ALTER TABLE tags ALTER color SET DEFAULT ''", "ALTER TRIGGER t ON users RENAME TO u"],
}


def test_rewrite_for_a_new_table_that_refers_to_two_is_fine_with_its_reason(release: Release) -> None:
    first = release.add(sql("CREATE TABLE waves (id bigint, a uuid REFERENCES users (id), b uuid)"))
    reason = 'lint_ignore = {"contract-step-in-expand": "No release writes this table yet."}'
    key = "ALTER TABLE waves ADD CONSTRAINT b FOREIGN KEY (b) REFERENCES boards (id) NOT VALID"
    second = release.add(sql(key), extra=reason)
    third = release.add(sql("ALTER TABLE waves VALIDATE CONSTRAINT b"))
    assert rules(release, first, second, third) == []


@pytest.mark.parametrize("statements", SECOND_LOCKS.values(), ids=SECOND_LOCKS)
def test_lock_of_a_second_table_is_found_whatever_takes_it(release: Release, statements: list[str]) -> None:
    release.add(sql(*statements), phase="contract")
    assert rules(release) == ["several-tables-locked"]


# Of a table in use, one is locked, and others are read and written.
ONE_LOCK = {
    "a new table that refers to one": [
        "CREATE TABLE waves (id bigint, a uuid REFERENCES users (id), b uuid REFERENCES users (id))"
    ],
    "a foreign key, and its column": [
        "ALTER TABLE tags ADD COLUMN a uuid",
        "ALTER TABLE tags ADD CONSTRAINT a FOREIGN KEY (a) REFERENCES users (id) NOT VALID",
    ],
    "a table under its new name": [
        "ALTER TABLE tags RENAME TO labels",
        "ALTER TABLE labels ALTER color SET DEFAULT 'red'",
    ],
    "two checks that are validated": [
        "ALTER TABLE tags VALIDATE CONSTRAINT a",
        "ALTER TABLE tasks VALIDATE CONSTRAINT b",
    ],
    "statistics of another": [
        "ALTER TABLE tags ADD COLUMN a text",
        "ALTER TABLE users ALTER COLUMN name SET STATISTICS 500, SET (fillfactor = 70)",
    ],
}


@pytest.mark.parametrize("statements", ONE_LOCK.values(), ids=ONE_LOCK)
def test_lock_of_one_table_is_fine(release: Release, statements: list[str]) -> None:
    release.add(sql(*statements), phase="contract")
    assert rules(release) == []


UNDER_LOCK = {
    "after a change of another table": [
        "ALTER TABLE tags ADD COLUMN note text",
        "ALTER TABLE tasks VALIDATE CONSTRAINT c",
    ],
    "in the statement of another change": ["ALTER TABLE tags ADD COLUMN note text, VALIDATE CONSTRAINT c"],
    "after a new table that refers to one": [
        "CREATE TABLE waves (id bigint, a uuid REFERENCES users (id))",
        "ALTER TABLE tasks VALIDATE CONSTRAINT c",
    ],
    "after a trigger": [
        "DROP TRIGGER IF EXISTS t ON tasks",
        "ALTER TABLE tasks VALIDATE CONSTRAINT c",
    ],
    "with its column": ["ALTER TABLE tags ADD COLUMN weight bigint CHECK (weight > 0)"],
}


@pytest.mark.parametrize("statements", UNDER_LOCK.values(), ids=UNDER_LOCK)
def test_rows_are_not_read_while_a_table_is_locked(release: Release, statements: list[str]) -> None:
    release.add(sql(*statements), phase="contract")
    assert rules(release) == ["validated-under-lock"]


NOT_UNDER_LOCK = {
    "before the table is locked": ["ALTER TABLE tasks VALIDATE CONSTRAINT c", "ALTER TABLE tasks ADD COLUMN a text"],
    "after a new table": ["CREATE TABLE waves (id bigint)", "ALTER TABLE tasks VALIDATE CONSTRAINT c"],
    "of a new table": [
        "CREATE TABLE waves (id bigint)",
        "ALTER TABLE waves ADD COLUMN weight bigint CHECK (weight > 0)",
    ],
}


@pytest.mark.parametrize("statements", NOT_UNDER_LOCK.values(), ids=NOT_UNDER_LOCK)
def test_rows_are_read_beside_traffic(release: Release, statements: list[str]) -> None:
    release.add(sql(*statements))
    assert rules(release) == []


def test_primary_key_of_a_nullable_column_is_found(release: Release) -> None:
    build = autocommit("CREATE UNIQUE INDEX CONCURRENTLY one ON tags (id, description)")
    release.add(build, phase="contract")
    release.add(sql("ALTER TABLE tags ADD CONSTRAINT one PRIMARY KEY USING INDEX one"), phase="contract")
    (finding,) = findings(release)
    assert (finding.rule, "tags.description" in finding.message) == ("not-null-without-check", True)
    release.add(sql("ALTER TABLE tags ADD PRIMARY KEY USING INDEX nobodys"), phase="contract")
    assert rules(release) == ["not-null-without-check"]


def test_primary_key_of_columns_that_are_not_null_is_fine(release: Release) -> None:
    release.add(autocommit("CREATE UNIQUE INDEX CONCURRENTLY one ON tags (id, slug)"), phase="contract")
    release.add(sql("ALTER TABLE tags ADD CONSTRAINT one PRIMARY KEY USING INDEX one"))
    assert rules(release) == []


@pytest.mark.parametrize(
    "statement",
    [
        "SET lock_timeout = 0",
        "SET LOCAL lock_timeout TO '1min'",
        "SET SESSION statement_timeout = '2h'",
        "SET lock_timeout TO DEFAULT",
        "RESET statement_timeout",
        "RESET ALL",
        "DISCARD ALL",
        "SELECT set_config('lock_timeout', '0', false)",
        "SELECT count(set_config('statement_timeout', '0', true))",
        "SELECT set_config(is_local => true, setting_name => 'lock_timeout', new_value => '0')",
        "SELECT set_config('lock_' || 'timeout', '0', true)",
        "SELECT set_config('lock_timeout'::text, '0'::text, true)",
        "SELECT set_config(name, '0', true) FROM pg_settings WHERE name LIKE '%timeout'",
        "SET idle_in_transaction_session_timeout = 0",
        "SET lock_timeout = '2.5s'",
    ],
)
def test_longer_limit_than_the_engines_is_found(release: Release, statement: str) -> None:
    release.add(sql(statement))
    assert rules(release) == ["limit-lifted"]


@pytest.mark.parametrize(
    "statement",
    [
        "SET lock_timeout = '1s'",
        "SET LOCAL statement_timeout = 30000",
        "SELECT set_config('lock_timeout', '500ms', true)",
        "SELECT set_config(new_value := '500ms'::text, setting_name := 'lock_timeout', is_local := true)",
        "SET work_mem = '1GB'",
        "RESET work_mem",
        "SELECT 'set_config', 'lock_timeout', '0'",
    ],
)
def test_shorter_limit_is_fine(release: Release, statement: str) -> None:
    release.add(sql(statement))
    assert rules(release) == []


def test_lock_of_a_second_table_is_found(release: Release) -> None:
    release.add(sql("LOCK tags, users"))
    assert rules(release) == ["table-locked", "table-locked", "several-tables-locked"]


@pytest.mark.parametrize(
    "statement",
    [
        "DO $$ BEGIN DROP TABLE tags; END $$",
        "CALL tidy()",
        "SELECT tidy()",
        "SELECT count(tidy())",
        "INSERT INTO tags (slug) SELECT tidy()",
        "INSERT INTO tags (slug) VALUES (tidy())",
        "CREATE MATERIALIZED VIEW busy AS SELECT tidy()",
    ],
)
def test_block_of_code_is_found(release: Release, statement: str) -> None:
    release.add(sql(statement), phase="contract")
    assert rules(release) == ["block-of-code"]


# Those of JSON, arrays and dates, without what serves operators, aggregates and indexes from inside.
_CALLED_IN_QUERIES = r"""
    SELECT DISTINCT upper(proname) FROM pg_proc AS p
    WHERE pronamespace = 'pg_catalog'::regnamespace AND proname ~ '^(jsonb?|array|date|regexp)_'
        AND prokind IN ('f', 'a', 'w') AND provolatile <> 'v'
        AND NOT '{internal,cstring}'::regtype[] && (proargtypes::oid[] || prorettype)::regtype[]
        AND prorettype <> 'bytea'::regtype
        AND NOT EXISTS (SELECT FROM pg_operator WHERE oprcode = p.oid)
        AND NOT EXISTS (SELECT FROM pg_aggregate WHERE p.oid IN (aggtransfn, aggfinalfn))
        AND NOT EXISTS (SELECT FROM pg_amproc WHERE amproc = p.oid)"""


def test_servers_functions_of_values_are_no_blocks_of_code(database_url: str) -> None:
    called = {name for (name,) in query(database_url, _CALLED_IN_QUERIES)}
    assert len(called) > 80
    assert called - HARMLESS_FUNCTIONS == set()


def test_revision_that_looks_at_the_database_cannot_be_linted(release: Release) -> None:
    release.add("assert op.get_bind().exec_driver_sql('SELECT 1').scalar() == 1")
    (finding,) = findings(release)
    assert (finding.rule, finding.line, finding.sql) == ("cannot-run-offline", None, None)


def test_revision_that_ends_the_program_cannot_be_linted(release: Release) -> None:
    release.add("raise SystemExit(0)")
    assert rules(release) == ["cannot-run-offline"]


# What a revision does only where it believes that a database is there.
ONLINE_ALONE = {
    "or": "op.get_context().as_sql or op.drop_table('tags')",
    "if": "if not op.get_context().as_sql:\n    op.drop_table('tags')",
    "early return": "if op.get_context().as_sql:\n    return\nop.drop_table('tags')",
    "getattr": "getattr(op.get_context(), 'as_sql') or op.drop_table('tags')",
    "of the implementation": "op.get_context().impl.as_sql or op.drop_table('tags')",
    "of the options": "op.get_context().opts['as_sql'] or op.drop_table('tags')",
    "of the options, perhaps": "op.get_context().opts.get('as_sql') or op.drop_table('tags')",
    "no connection": "if op.get_bind() is not None:\n    op.drop_table('tags')",
    "no connection of the context": "op.get_context().connection is None or op.drop_table('tags')",
    "no bind of the context": "op.get_context().bind is None or op.drop_table('tags')",
    "of Alembic's context": "from alembic import context\ncontext.is_offline_mode() or op.drop_table('tags')",
    "its dialect": "from alembic import context\n"
    "if context.get_context().dialect.name != 'oracle':\n    op.drop_table('tags')",
    "the driver": "op.get_bind().exec_driver_sql('DROP TABLE tags')",
    "the dialect": "if op.get_bind().dialect.name == 'postgresql':\n    op.drop_table('tags')",
}


@pytest.mark.parametrize("upgrade", ONLINE_ALONE.values(), ids=ONLINE_ALONE)
def test_step_that_a_revision_keeps_for_a_database_is_found(release: Release, upgrade: str) -> None:
    release.add(upgrade)
    assert rules(release) == ["contract-step-in-expand"]


# What a revision asks that only a database knows, or its own mistake -> what the finding says of it.
REASONS = {
    "op.get_bind().execute(sa.text('SELECT 1')).scalar_one()": "scalar_one is not known without a database",
    "op.get_bind().exec_driver_sql('SELECT %s', (1,))": "how the driver writes parameters is not known",
    "sa.inspect(op.get_bind()).get_table_names()": "it inspects the schema of the database",
    "op.get_bind().commit()": "it needs commit() of a connection",
    "op.drop_tabel('tags')": "AttributeError: module 'alembic.op' has no attribute 'drop_tabel'",
    "raise RuntimeError('postgresql://me:secret@db')": "RuntimeError",
}


def test_finding_of_what_cannot_run_offline_says_why(release: Release) -> None:
    for step, reason in REASONS.items():
        release.add(step)
        (finding,) = findings(release)
        assert (finding.rule, reason in finding.message) == ("cannot-run-offline", True), finding.message
        assert "secret" not in finding.message


def test_transaction_that_a_revision_ends_is_found_once_and_where_it_is(release: Release) -> None:
    release.add("op.execute('COMMIT')\nop.create_index('one', 'tags', ['name'], postgresql_concurrently=True)")
    (nesting,) = [finding for finding in findings(release) if finding.rule == NESTING]
    assert (nesting.line, nesting.sql, file_of(nesting)[(nesting.file_line or 0) - 1].strip()) == (
        *(1, "COMMIT"),
        "op.execute('COMMIT')",
    )
    assert "autocommit_block" in nesting.rewrite


def test_revision_that_is_read_leaves_alembics_context_to_the_command_that_reads_it(release: Release) -> None:
    revision = release.add("from alembic import context\ncontext.get_context()\nop.execute('SELECT 1')")
    directory = ScriptDirectory(str(release.root / "migrations"))
    script = directory.get_revision(revision)
    with EnvironmentContext(Config(), directory, tag="outer"):
        assert offline_sql(script) == "SELECT 1;\n\n"
        assert context.get_tag_argument() == "outer"
    assert offline_sql(script) == "SELECT 1;\n\n"
    with pytest.raises((NameError, AttributeError)):
        context.get_tag_argument()


def test_autocommit_block_is_read_though_no_database_is_there(release: Release) -> None:
    release.add(autocommit("CREATE INDEX CONCURRENTLY one ON tags (name)"))
    assert rules(release) == []


def file_of(finding: Finding) -> list[str]:
    return Path(finding.file or "").read_text().splitlines()


def test_finding_names_the_line_of_the_file_that_runs_the_statement(release: Release) -> None:
    helper = "def drop_column(table, column):\n    op.drop_column(table, column)\n"
    release.add(
        "op.execute('SELECT 1; SELECT 2')\n"
        "op.drop_table(\n    'tags',\n)\n"
        "drop_column('tasks', 'title')\n"
        "op.create_index('one', 'tasks', ['status'])",
        extra=helper,
    )
    found = findings(release)
    assert [(f.rule, file_of(f)[(f.file_line or 0) - 1].strip()) for f in found] == [
        ("contract-step-in-expand", "op.drop_table("),
        ("contract-step-in-expand", "op.drop_column(table, column)"),
        ("require-concurrent-index-creation", "op.create_index('one', 'tasks', ['status'])"),
    ]


@pytest.mark.parametrize(
    ("upgrade", "extra", "line"),
    [
        ("pass\nop.get_bind().execute()", "", "op.get_bind().execute()"),
        ("op.execute('SELECT ' + chr(39))", "", "op.execute('SELECT ' + chr(39))"),
        ("pass", "lint_ignore = ['wrong']", "lint_ignore = ['wrong']"),
    ],
)
def test_finding_without_a_statement_names_a_line_too(release: Release, upgrade: str, extra: str, line: str) -> None:
    release.add(upgrade, extra=extra)
    assert {file_of(f)[(f.file_line or 0) - 1].strip() for f in findings(release)} == {line}


def test_several_heads_are_found(release: Release) -> None:
    release.add("pass")
    (file,) = (release.root / "migrations" / "versions").glob("2027*")
    other = re.sub(r'^revision = ".*"$', 'revision = "other"', file.read_text(), flags=re.MULTILINE)
    file.with_name("2027_01_01_0002_other.py").write_text(other)
    (finding,) = lint(OFFLINE, every=True).findings
    assert (finding.rule, finding.revision) == ("several-heads", None)
    assert "other" in finding.message


def test_file_that_was_edited_after_it_was_applied_is_found(database_url: str, release: Release) -> None:
    settings = settings_for(database_url)
    assert lint(settings, every=True).findings == ()
    (first,) = (release.root / "migrations" / "versions").glob("*_first_tables.py")
    first.write_text(first.read_text() + "\n# Changed.\n")
    outdated, finding = lint(settings).findings
    assert (outdated.rule, outdated.revision) == ("outdated-baseline", HEAD)
    assert (finding.rule, finding.revision) == ("edited-after-applied", REVISIONS[0])
    # Reverted, it is like any other that is not applied.
    query(database_url, "UPDATE schema_history SET direction = 'downgrade' WHERE revision = :r", r=REVISIONS[0])
    assert lint(settings).findings == (outdated,)


# squawk's: the statements, by which of its rules, and the rewrite.
SQUAWK = {
    "an index that stops writes": (
        sql("CREATE INDEX one ON tags (color)"),
        ["require-concurrent-index-creation"],
        autocommit("CREATE INDEX CONCURRENTLY one ON tags (color)"),
    ),
    "an index dropped in a transaction": (
        sql("DROP INDEX one"),
        ["require-concurrent-index-deletion"],
        autocommit("DROP INDEX CONCURRENTLY one"),
    ),
    "a default for each row": (
        sql("ALTER TABLE tags ADD COLUMN weight double precision DEFAULT random()"),
        ["adding-field-with-default"],
        sql("ALTER TABLE tags ADD COLUMN weight double precision DEFAULT 0"),
    ),
    "a constraint that cannot be NOT VALID": (
        sql("ALTER TABLE tags ADD COLUMN a bigint", "ALTER TABLE tags ADD CONSTRAINT c UNIQUE (a)"),
        ["disallowed-unique-constraint"],
        sql("ALTER TABLE tags ADD COLUMN a bigint"),
    ),
    "a right taken away": (sql("REVOKE SELECT ON tags FROM x"), ["ban-revoke"], sql("GRANT SELECT ON tags TO x")),
    "a role's settings": (
        sql("ALTER ROLE x SET search_path = other", "ALTER EXTENSION x UPDATE", "ALTER FUNCTION f() STRICT"),
        ["ban-alter-extension", "ban-alter-function-options", "ban-alter-role-options"],
        sql("CREATE ROLE x"),
    ),
    "nonsense": (sql("SELEC 1"), ["block-of-code", "syntax-error"], sql("SELECT 1")),
}


@pytest.mark.parametrize(("bad", "found", "good"), SQUAWK.values(), ids=SQUAWK)
def test_squawk_is_asked(release: Release, bad: str, found: list[str], good: str) -> None:
    revision = release.add(bad)
    assert sorted(set(rules(release))) == found
    assert {(finding.revision, bool(finding.rewrite)) for finding in findings(release)} == {(revision, True)}
    release.add(good)
    assert rules(release) == []


def test_line_of_squawks_findings_is_that_of_the_sql(release: Release) -> None:
    release.add(sql("SELECT 1", "CREATE INDEX one ON tags (color)", "SELECT 2"))
    (finding,) = findings(release)
    assert (finding.line, finding.sql) == (3, "CREATE INDEX one ON tags (color)")


def test_squawks_own_suppression_has_no_reason_and_no_effect(release: Release) -> None:
    release.add(sql("-- squawk-ignore require-concurrent-index-creation\nCREATE INDEX one ON tags (color)"))
    assert rules(release) == ["require-concurrent-index-creation"]


def test_rules_that_are_switched_on_or_off_are_squawks_and_have_a_reason() -> None:
    for choice in (*OFF, *ON):
        assert choice.why
        assert [rule for rule in choice.rules if not is_rule(rule)] == []
    assert not is_rule("no-such-rule")


def test_image_is_without_squawk_and_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(SquawkError, match=r"for development.*pip install squawk-cli"):
        lint(OFFLINE, every=True)
    assert SquawkError.exit_code == 2


DROP = sql("ALTER TABLE tags DROP COLUMN color")
REASON = "The column was never used by a release."


def test_finding_is_suppressed_by_a_reason_in_the_file(release: Release) -> None:
    release.add(DROP, extra=f'lint_ignore = {{"contract-step-in-expand": "{REASON}"}}')
    assert rules(release) == []
    release.add(
        sql("CREATE INDEX one ON tags (name)"),
        extra=f'lint_ignore = {{"require-concurrent-index-creation": "{REASON}"}}',
    )
    assert rules(release) == []


@pytest.mark.parametrize(
    ("upgrade", "given", "message"),
    [
        (DROP, '{"contract-step-in-expand": "  "}', "without a reason"),
        (DROP, '{"contract-step-in-expand": "It is fine."}', "without a reason"),
        ("pass", f'{{"no-such-rule": "{REASON}"}}', "no rule 'no-such-rule'"),
        ("pass", f'{{"several-heads": "{REASON}"}}', "no rule 'several-heads'"),
        ("pass", f'{{"contract-step-in-expand": "{REASON}"}}', "needs no suppression"),
        ("pass", f'{{"ban-char-field": "{REASON}"}}', "needs no suppression"),
        ("pass", f'{{"prefer-robust-stmts": "{REASON}"}}', "needs no suppression"),
        ("pass", '["contract-step-in-expand"]', "not a dict"),
        ("pass", '{"contract-step-in-expand": None}', "not a dict"),
    ],
)
def test_wrong_suppression_is_a_finding_itself(release: Release, upgrade: str, given: str, message: str) -> None:
    release.add(upgrade, extra=f"lint_ignore = {given}")
    (finding,) = findings(release)
    assert finding.rule == "lint-ignore"
    assert message in finding.message


def accept(release: Release, text: str) -> None:
    (release.root / "migrations" / "lint_ignore.toml").write_text(text)


def test_finding_in_an_applied_revision_is_accepted_beside_it(release: Release) -> None:
    revision = release.add(DROP)
    accept(release, f'["{revision}"]\ncontract-step-in-expand = "{REASON}"\n')
    assert rules(release) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('["nobody"]\nblock-of-code = "{REASON}"\n', "no revision 'nobody'"),
        ('["{revision}"]\nblock-of-code = "It is fine."\n', "needs no suppression"),
        ('["{revision}"]\nblock-of-code = 1\n', "not a dict"),
        ('"{revision}" = 1\n', "not a dict"),
    ],
)
def test_wrong_acceptance_is_a_finding_itself(release: Release, text: str, message: str) -> None:
    revision = release.add("pass")
    accept(release, text.replace("{revision}", revision))
    (finding,) = findings(release)
    assert finding.rule == "lint-ignore"
    assert message in finding.message


def test_acceptances_that_cannot_be_read_are_said(release: Release) -> None:
    accept(release, "no toml")
    with pytest.raises(MigrationFailedError, match=r"lint_ignore\.toml cannot be read"):
        lint(OFFLINE, every=True)


def linted(*named: str, every: bool = False, settings: Settings = OFFLINE) -> list[str]:
    return list(lint(settings, named, every=every).linted)


def test_revisions_are_named_as_alembic_understands_them() -> None:
    assert linted("a47e5d") == ["a47e5d20c8f9"]
    assert linted("head", "1d9c6f0b7a31") == [REVISIONS[0], REVISIONS[-1]]
    assert linted("-1") == [REVISIONS[-2]]
    assert linted(f"8f3d1c7e2b64:{REVISIONS[4]}") == REVISIONS[3:5]
    assert linted("8f3d1c7e2b64:") == REVISIONS[3:]
    assert linted(":8f3d1c7e2b64") == REVISIONS[:3]


@pytest.mark.parametrize("name", ["nonsense", "nonsense:head", "head:base", "head:8f3d1c7e2b64"])
def test_unknown_revision_is_named(name: str) -> None:
    with pytest.raises(UnknownRevisionError, match=f"^{name}: "):
        lint(OFFLINE, [name])


def test_empty_name_is_no_revision() -> None:
    with pytest.raises(UnknownRevisionError, match="an empty name"):
        lint(OFFLINE, [""])


def test_what_the_database_has_not_applied_is_linted_unless_told_otherwise(empty_database_url: str) -> None:
    settings = settings_for(empty_database_url)
    upgrade(settings, REVISIONS[3])
    assert linted(settings=settings) == REVISIONS[4:]
    assert linted(every=True, settings=settings) == REVISIONS
    assert linted("head", settings=settings) == REVISIONS[-1:]
    query(empty_database_url, "UPDATE alembic_version SET version_num = 'from_the_future'")
    assert linted(settings=settings) == REVISIONS


def test_revision_may_be_named_by_its_file(release: Release, tmp_path: Path) -> None:
    revision = release.add("pass")
    (file,) = (release.root / "migrations" / "versions").glob("*_test.py")
    assert lint(OFFLINE, [str(file)]).linted == (revision,)
    elsewhere = tmp_path / file.name
    shutil.copy(file, elsewhere)
    with pytest.raises(UnknownRevisionError, match="is no revision of this project"):
        lint(OFFLINE, [str(elsewhere)])


def test_database_that_cannot_be_reached_does_not_matter() -> None:
    report = lint(settings_for(NOWHERE, db_connect_timeout=0.1))
    assert list(report.linted) == REVISIONS
    assert "cannot be reached" in (report.note or "")


def test_revision_without_a_phase_is_not_linted(release: Release) -> None:
    release.add("pass", phase=None)  # type: ignore[arg-type]
    with pytest.raises(MigrationFailedError, match="declares no phase"):
        lint(OFFLINE, every=True)


def test_command_says_what_where_and_the_rewrite(release: Release) -> None:
    revision = release.add(DROP)
    env = environment(ENVIRONMENT=None, LOCAL_AUTH_TOKEN=None)
    shutil.copytree(ROOT / "app", release.root / "app", ignore=shutil.ignore_patterns("*.pyc.*"))
    result = run("litestar", "database", "lint", "--all", env=env, cwd=release.root)
    assert result.returncode == 1, result.stderr
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0].startswith(f"{revision}  ")
    assert lines[0].endswith("_test.py")
    assert lines[1:4] == [
        "  contract-step-in-expand, line 14 (line 1 of its SQL)",
        "    ALTER TABLE tags DROP COLUMN color",
        "    drop column tags.color: the previous release may use it",
    ]
    assert lines[4].startswith("    → Stop using it")
    assert lines[-1] == f"{_KEPT + 1} revision(s) linted: 1 finding(s)"
    # Neither a database was started nor a token made.
    assert {path.name for path in release.root.iterdir()} == {"alembic.ini", "app", "migrations"}
    found = run("litestar", "database", "lint", "--json", "head", env=env, cwd=release.root)
    assert found.returncode == 1
    (finding,) = json.loads(found.stdout)
    assert (finding["revision"], finding["rule"], finding["line"]) == (revision, "contract-step-in-expand", 1)
    assert finding["file_line"] == 14


@pytest.mark.parametrize(
    ("arguments", "code", "shown"),
    [
        (["--json", "head"], 0, ""),
        (["nonsense"], 2, "nonsense"),
        (["--all", "head"], 2, "--all"),
    ],
)
def test_exit_code_says_how_it_went(arguments: list[str], code: int, shown: str) -> None:
    result = run("litestar", "database", "lint", *arguments, env=environment(ENVIRONMENT=None))
    assert result.returncode == code, result.stdout + result.stderr
    assert shown in result.stderr
    if arguments[0] == "--json":
        assert json.loads(result.stdout) == []

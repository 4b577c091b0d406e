"""The guard of a revision's statements: their time, indexes that were half built, and commits before the end."""

from collections.abc import Callable

import pytest

from app.postgres.errors import MigrationFailedError
from tests.conftest import settings_for
from tests.migrations.conftest import Release, autocommit, in_autocommit, sql
from tests.support.database import applied, by_psycopg, query
from tests.support.migrator import upgrade
from tests.support.revisions import ADD_COLUMN, columns_of, history


def test_statement_that_takes_too_long_is_ended_and_explained(database_url: str, release: Release) -> None:
    release.add('op.execute("SELECT pg_sleep(300)")')
    with pytest.raises(MigrationFailedError, match="DB_MIGRATE_STATEMENT_TIMEOUT"):
        upgrade(settings_for(database_url, db_migrate_statement_timeout=0.5))
    assert history(database_url, "outcome")[-1] == ("failed",)


def test_work_that_stops_no_traffic_has_no_time_limit(database_url: str, release: Release) -> None:
    """A check and an index whose expressions fail unless they are evaluated under the limits that are due."""
    query(
        database_url,
        "CREATE FUNCTION limits(wanted text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$"
        " DECLARE found text := current_setting('lock_timeout') || ' ' || current_setting('statement_timeout');"
        " BEGIN IF found <> wanted THEN RAISE '% instead of %', found, wanted; END IF; RETURN true; END $$",
    )
    query(database_url, "INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'o')")
    query(database_url, "ALTER TABLE organizations ADD CONSTRAINT looks CHECK (limits('2s 0')) NOT VALID")
    release.add('op.execute("ALTER TABLE organizations VALIDATE CONSTRAINT looks")')
    build = "CREATE INDEX CONCURRENTLY looking ON organizations (limits('0 0'))"
    # Divides by zero where the limit has not come back.
    release.add(autocommit(build) + sql("SELECT 1 / (current_setting('statement_timeout') = '1min')::integer"))
    upgrade(settings_for(database_url))
    assert applied(database_url) == [release.head]


VALIDATE = "ALTER TABLE organizations VALIDATE CONSTRAINT looks"
REFRESH = "REFRESH MATERIALIZED VIEW CONCURRENTLY looking"


def limited(url: str, wanted: str) -> None:
    """Make a check that fails unless it is evaluated under this limit of a statement's time."""
    query(
        url,
        "CREATE FUNCTION limits() RETURNS boolean LANGUAGE plpgsql AS $$"
        " DECLARE found text := current_setting('statement_timeout');"
        f" BEGIN IF found <> '{wanted}' THEN RAISE '%', found; END IF; RETURN true; END $$",
    )
    query(url, "INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'o')")
    query(url, "ALTER TABLE organizations ADD CONSTRAINT looks CHECK (limits()) NOT VALID")


@pytest.mark.parametrize(
    "statements",
    [
        ["ALTER TABLE organizations ADD CONSTRAINT other CHECK (true), VALIDATE CONSTRAINT looks"],
        ["ALTER TABLE organizations VALIDATE CONSTRAINT looks, ADD COLUMN more integer"],
        ["INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'made CONCURRENTLY')"],
        ["-- not CONCURRENTLY\nINSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'n')"],
        # Traffic of what was locked before waits for as long.
        ["ALTER TABLE tags ADD COLUMN note text", VALIDATE],
        ["LOCK TABLE tags IN SHARE MODE", VALIDATE],
        ["CREATE INDEX one ON tags (name)", VALIDATE],
        ["CREATE TABLE new (id uuid REFERENCES users (id))", VALIDATE],
        ["ALTER TABLE organizations ADD COLUMN more integer", VALIDATE],
        ["REINDEX INDEX pk_tags", VALIDATE],
        ["CREATE TABLE new (id uuid)", "ALTER TABLE tags ALTER COLUMN id SET DEFAULT gen_random_uuid()", VALIDATE],
    ],
)
def test_what_does_more_than_that_is_limited(database_url: str, release: Release, statements: list[str]) -> None:
    limited(database_url, "1min")
    release.add(sql(*statements))
    upgrade(settings_for(database_url))
    assert applied(database_url) == [release.head]


def test_work_beside_traffic_is_not_limited_because_of_other_work_beside_traffic(
    database_url: str, release: Release
) -> None:
    limited(database_url, "0")
    release.add(
        sql(
            "UPDATE users SET name = name",
            "ALTER TABLE organizations ALTER COLUMN name SET STATISTICS 500",
            VALIDATE,
        )
    )
    upgrade(settings_for(database_url))
    assert applied(database_url) == [release.head]


def test_validation_beside_a_table_that_the_revision_has_made_is_not_limited(
    database_url: str, release: Release
) -> None:
    limited(database_url, "0")
    made = (
        "CREATE TABLE new (id bigserial PRIMARY KEY, note text)",
        "CREATE INDEX noted ON new (note)",
        "ALTER TABLE new ADD COLUMN more integer",
        "ALTER TABLE new ADD CONSTRAINT own CHECK (limits()) NOT VALID",
        "ALTER TABLE new VALIDATE CONSTRAINT own",
    )
    release.add(sql("UPDATE users SET name = name", *made, VALIDATE))
    upgrade(settings_for(database_url))
    assert applied(database_url) == [release.head]


def test_view_is_refreshed_within_the_limits_where_a_table_is_locked(database_url: str, release: Release) -> None:
    limit = "current_setting('statement_timeout') AS statement_timeout"
    query(database_url, f"CREATE MATERIALIZED VIEW looking AS SELECT 1 AS id, {limit}")
    query(database_url, "CREATE UNIQUE INDEX ON looking (id)")
    release.add(sql(REFRESH))
    upgrade(settings_for(database_url))
    assert query(database_url, "SELECT statement_timeout FROM looking") == [("0",)]
    release.add(sql("ALTER TABLE tags ADD COLUMN note text", REFRESH))
    upgrade(settings_for(database_url))
    assert query(database_url, "SELECT statement_timeout FROM looking") == [("1min",)]


def test_index_without_a_name_is_not_built_concurrently(database_url: str, release: Release) -> None:
    release.add(autocommit("CREATE INDEX CONCURRENTLY ON tags (name)"))
    with pytest.raises(MigrationFailedError, match="without a name"):
        upgrade(settings_for(database_url))
    assert query(database_url, "SELECT FROM pg_indexes WHERE indexname = 'tags_name_idx'") == []


@pytest.mark.parametrize("clause", ["", "IF NOT EXISTS"])
def test_half_built_index_is_built_again(database_url: str, release: Release, clause: str) -> None:
    query(database_url, 'CREATE INDEX "Half" ON tags (name)')
    query(database_url, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '\"Half\"'::regclass")
    release.add(autocommit(f'CREATE INDEX CONCURRENTLY {clause} "Half" ON public.tags (name, color)'))
    upgrade(settings_for(database_url))
    rows = query(
        database_url,
        "SELECT indisvalid, pg_get_indexdef(indexrelid) FROM pg_index WHERE indexrelid = '\"Half\"'::regclass",
    )
    assert rows == [(True, 'CREATE INDEX "Half" ON public.tags USING btree (name, color)')]


def test_index_of_a_build_that_died_before_it_was_recorded_is_built_again(database_url: str, release: Release) -> None:
    revision = release.add(in_autocommit('op.create_index("built", "tags", ["name"], postgresql_concurrently=True)'))
    query(database_url, "CREATE INDEX built ON tags (name)")
    query(
        database_url,
        "INSERT INTO schema_history (revision, phase, direction, outcome, applied_by, release, checksum, indexes)"
        " VALUES (:r, 'expand', 'upgrade', 'running', 'x', '0', '0', '{built}')",
        r=revision,
    )
    upgrade(settings_for(database_url))
    assert [outcome for (outcome,) in history(database_url, "outcome")][-2:] == ["interrupted", "done"]


def test_index_that_was_dropped_before_that_was_recorded_need_not_be_there(database_url: str, release: Release) -> None:
    """The revision dies after it, and is tried again."""
    query(database_url, "CREATE INDEX old ON tags (name)")
    release.add(in_autocommit('op.drop_index("old", "tags", postgresql_concurrently=True)') + sql("SELECT FROM wanted"))
    with pytest.raises(MigrationFailedError, match="wanted"):
        upgrade(settings_for(database_url))
    assert query(database_url, "SELECT to_regclass('old')") == [(None,)]
    query(database_url, "CREATE TABLE wanted ()")
    upgrade(settings_for(database_url))
    assert applied(database_url) == [release.head]


def test_index_that_is_to_be_dropped_and_never_was_is_an_error(database_url: str, release: Release) -> None:
    release.add(autocommit("DROP INDEX CONCURRENTLY never_was"))
    with pytest.raises(MigrationFailedError, match='"never_was" does not exist'):
        upgrade(settings_for(database_url))


def test_index_that_somebody_else_made_is_not_touched(database_url: str, release: Release) -> None:
    release.add(in_autocommit('op.create_index("theirs", "tags", ["name"], postgresql_concurrently=True)'))
    query(database_url, "CREATE INDEX theirs ON tags (color)")
    # A platform starts again what has failed.
    for _ in range(2):
        with pytest.raises(MigrationFailedError, match='"theirs" already exists'):
            upgrade(settings_for(database_url))
    assert query(database_url, "SELECT pg_get_indexdef('theirs'::regclass) LIKE '%(color)'") == [(True,)]


def test_index_of_another_table_is_not_touched_though_the_revision_began_one_of_its_name(
    database_url: str, release: Release
) -> None:
    release.add(in_autocommit('op.create_index("theirs", "tags", ["wanted"], postgresql_concurrently=True)'))
    with pytest.raises(MigrationFailedError, match='"wanted" does not exist'):
        upgrade(settings_for(database_url))
    query(database_url, "CREATE INDEX theirs ON tasks (title)")
    query(database_url, "ALTER TABLE tags ADD COLUMN wanted integer")
    with pytest.raises(MigrationFailedError, match='"theirs" already exists'):
        upgrade(settings_for(database_url))
    assert query(database_url, "SELECT pg_get_indexdef('theirs'::regclass) LIKE '%(title)'") == [(True,)]


COMMITS = {
    "an autocommit block": autocommit("CREATE INDEX CONCURRENTLY later ON tags (name)"),
    "a commit": "op.get_bind().commit()",
    "COMMIT": 'op.execute("COMMIT")',
}


@pytest.mark.parametrize("commit", COMMITS.values(), ids=COMMITS)
def test_revision_that_commits_before_it_is_over_is_undone(
    database_url: str, release: Release, dump_schema: Callable[[str], str], commit: str
) -> None:
    before = dump_schema(database_url)
    release.add(f"{ADD_COLUMN}\n{commit}")
    with pytest.raises(MigrationFailedError, match="would stay where the revision fails"):
        upgrade(settings_for(database_url))
    assert dump_schema(database_url) == before
    assert history(database_url, "outcome")[-1] == ("failed",)


TOGETHER = {
    "a commit among others": "CREATE TABLE later (); COMMIT; CREATE TABLE never (); SELECT FROM wanted",
    "a commit and a new beginning": "CREATE TABLE later (); COMMIT; BEGIN",
}


@pytest.mark.parametrize("statements", TOGETHER.values(), ids=TOGETHER)
def test_commit_is_found_among_the_statements_that_psycopg_takes_together(
    database_url: str, release: Release, statements: str
) -> None:
    release.add(sql(statements))
    with pytest.raises(MigrationFailedError, match="would stay where the revision fails"):
        upgrade(settings_for(by_psycopg(database_url)))
    assert query(database_url, "SELECT to_regclass('later') IS NULL") == [(True,)]


def test_work_is_found_behind_what_may_be_in_an_autocommit_block(database_url: str, release: Release) -> None:
    release.add(autocommit("SELECT 1; CREATE TABLE later ()") + sql("SELECT FROM wanted"))
    with pytest.raises(MigrationFailedError, match="would stay where the revision fails"):
        upgrade(settings_for(by_psycopg(database_url)))
    assert query(database_url, "SELECT to_regclass('later') IS NULL") == [(True,)]


def test_revision_that_commits_its_work_away_from_the_version_is_undone(
    database_url: str, release: Release, dump_schema: Callable[[str], str]
) -> None:
    before = dump_schema(database_url)
    release.add(f"op.get_bind().commit()\n{ADD_COLUMN}")
    with pytest.raises(MigrationFailedError, match="ended the transaction"):
        upgrade(settings_for(database_url))
    assert dump_schema(database_url) == before


def test_revision_that_commits_more_than_it_must_is_refused(
    database_url: str, release: Release, dump_schema: Callable[[str], str]
) -> None:
    before = dump_schema(database_url)
    release.add(in_autocommit(ADD_COLUMN) + sql("SELECT FROM wanted"))
    with pytest.raises(MigrationFailedError, match="would stay where the revision fails"):
        upgrade(settings_for(database_url))
    assert dump_schema(database_url) == before


@pytest.mark.parametrize("statement", ["VACUUM tags", "ALTER TYPE mood ADD VALUE IF NOT EXISTS 'glad'"])
def test_what_no_transaction_takes_may_be_in_an_autocommit_block(
    database_url: str, release: Release, statement: str
) -> None:
    query(database_url, "CREATE TYPE mood AS ENUM ('sad')")
    release.add(autocommit(statement) + ADD_COLUMN)
    upgrade(settings_for(database_url))
    assert "weight" in columns_of(database_url, "tags")

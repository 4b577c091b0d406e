"""`app.migrator.drift`: a difference between a database and the models is found, alone, and its DDL mends it."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from sqlalchemy import MetaData, event, make_url

from app.db.startup_policy import init_db
from app.migrator.drift.difference import Kind, script
from app.migrator.drift.report import as_sql
from app.migrator.drift.scratch_schema import DriftUnknownError, differences
from app.models import metadata
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import database_named, settings_for
from tests.migrations.conftest import REVISIONS, Release
from tests.support.database import holding, insert, query
from tests.support.drift import (
    BLOCKED_BY,
    TAMPERED,
    TAMPERED_ZOO,
    check,
    compared,
    connection,
    make_zoo,
    mend,
    named,
    together,
    zoo,
)
from tests.support.migrator import downgrade, read_drift, upgrade
from tests.support.processes import environment, run
from tests.support.waiting import PATIENCE


@pytest.fixture
def psql(postgres_bin: Path) -> Path:
    return postgres_bin / "psql"


@pytest.fixture
def zoo_url(empty_database_url: str) -> str:
    make_zoo(empty_database_url)
    return empty_database_url


@pytest.mark.parametrize("chosen", together(TAMPERED, metadata))
def test_differences_are_found_alone_and_mended(database_url: str, psql: Path, chosen: tuple[str, ...]) -> None:
    check(database_url, TAMPERED, chosen, psql)


@pytest.mark.parametrize("chosen", together(TAMPERED_ZOO, zoo()))
def test_differences_from_unusual_models_are_mended(zoo_url: str, psql: Path, chosen: tuple[str, ...]) -> None:
    check(zoo_url, TAMPERED_ZOO, chosen, psql, zoo())


@pytest.mark.parametrize("tampering", BLOCKED_BY)
def test_what_stands_in_the_way_is_said_instead_of_failing(database_url: str, psql: Path, tampering: str) -> None:
    query(database_url, "CREATE SCHEMA other")
    query(database_url, tampering)
    expected, remedy = BLOCKED_BY[tampering]
    found = compared(database_url)
    assert {name for statement in script(found) for name in statement.in_the_way} == set(expected)
    printed = list(as_sql(tuple(script(found))))
    assert f"-- in the way of the next statement: {', '.join(expected)}" in printed
    mend(database_url, printed, psql)
    assert compared(database_url) != []
    query(database_url, remedy)
    mend(database_url, as_sql(tuple(script(compared(database_url)))), psql)
    assert compared(database_url) == []


def test_counts_that_went_wrong_meanwhile_are_mended(database_url: str, psql: Path) -> None:
    organization = insert(database_url, "organizations", name="o")
    for name in ("1", "2"):
        insert(database_url, "boards", organization_id=organization, name=name, slug=name, description="")
    query(database_url, "ALTER TABLE tasks DISABLE TRIGGER USER; ALTER TABLE boards DISABLE TRIGGER USER")
    query(
        database_url,
        "INSERT INTO tasks (id, organization_id, board_id, title)"
        " SELECT gen_random_uuid(), organization_id, id, 't' FROM boards",
    )
    assert query(database_url, "SELECT * FROM task_counts") == []
    mend(database_url, as_sql(tuple(script(compared(database_url)))), psql, loses_data=False)
    assert query(database_url, "SELECT status, tasks FROM task_counts") == [("inbox", 1), ("inbox", 1)]
    query(database_url, "ALTER TABLE boards DISABLE TRIGGER USER; DELETE FROM boards")
    mend(database_url, as_sql(tuple(script(compared(database_url)))), psql, loses_data=False)
    assert query(database_url, "SELECT * FROM task_counts") == []


def test_not_null_that_old_rows_need_not_meet_is_a_difference(database_url: str, psql: Path) -> None:
    tampering = "ALTER TABLE tags ALTER name DROP NOT NULL, ADD CONSTRAINT has_name NOT NULL name NOT VALID"
    check(database_url, {tampering: ("column tags.name",)}, [tampering], psql)


async def test_clean_database_does_not_differ(empty_database_url: str, database_url: str) -> None:
    assert compared(database_url) == []
    await init_db(settings_for(empty_database_url), normalize_database_url(empty_database_url))
    assert compared(empty_database_url) == []


def test_unusual_models_do_not_differ_from_their_tables(zoo_url: str) -> None:
    assert compared(zoo_url, zoo()) == []


def test_restored_database_does_not_differ(
    zoo_url: str, postgres_bin: Path, server_url: str, administer: Callable[[str], None]
) -> None:
    """PostgreSQL writes `kind IN (...)` of a varchar in another way after a restore."""
    name = f"test_{uuid4().hex}"
    administer(f'CREATE DATABASE "{name}"')
    restored = database_named(server_url, name)
    dump: list[str | Path] = [postgres_bin / "pg_dump", "-d", normalize_database_url(zoo_url).libpq]
    sql = subprocess.run(dump, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout
    mend(restored, [sql], postgres_bin / "psql")
    kind = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ck_animals_kind'"
    assert query(restored, kind) != query(zoo_url, kind), "the restored check reads the same: this proves nothing"
    found = compared(restored, zoo())
    administer(f'DROP DATABASE "{name}" WITH (FORCE)')
    assert found == []


def test_what_extensions_own_is_no_difference(database_url: str) -> None:
    query(database_url, "CREATE EXTENSION pg_stat_statements; CREATE EXTENSION citext")
    query(
        database_url, "CREATE TABLE theirs (id serial); CREATE TYPE their_enum AS ENUM ('a'); CREATE SEQUENCE their_s"
    )
    owned = ("TABLE theirs", "TYPE their_enum", "SEQUENCE their_s", "SEQUENCE theirs_id_seq")
    for what in owned:
        query(database_url, f"ALTER EXTENSION citext ADD {what}")
    assert compared(database_url) == []


def test_views_and_functions_that_no_model_has_and_partitions_are_not_compared(zoo_url: str) -> None:
    query(zoo_url, "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'; COMMENT ON TABLE animals IS 'Mine.'")
    query(zoo_url, "CREATE VIEW v AS SELECT * FROM animals; CREATE MATERIALIZED VIEW m AS SELECT * FROM animals")
    query(zoo_url, "CREATE TABLE log_of_2027 PARTITION OF log FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')")
    assert compared(zoo_url, zoo()) == []


def test_what_would_lose_data_is_marked_and_nothing_else(database_url: str) -> None:
    query(
        database_url,
        "CREATE TABLE notes (id int); ALTER TABLE tags ADD COLUMN shade text; DROP INDEX ix_task_tags_tag_id",
    )
    query(database_url, "ALTER TABLE boards ALTER max_agents TYPE bigint; ALTER TABLE tags ALTER name TYPE varchar(9)")
    marked = {difference.name: difference.loses_data for difference in compared(database_url)}
    assert marked == {
        "notes": True,
        "tags.shade": True,
        "ix_task_tags_tag_id": False,
        # A number may not fit; a text always does.
        "boards.max_agents": True,
        "tags.name": False,
    }


def test_comparing_locks_no_table_and_leaves_nothing(database_url: str) -> None:
    seen: list[Any] = []
    with connection(database_url) as opened:

        @event.listens_for(opened, "rollback")
        def look(_: sa.Connection) -> None:
            locks = (
                "SELECT DISTINCT l.mode FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation"
                " WHERE c.relnamespace = 'public'::regnamespace"
            )
            seen.append({mode for (mode,) in query(database_url, locks)})
            seen.append(query(database_url, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'drift%'"))

        before = query(database_url, "SELECT count(*) FROM pg_class")
        assert differences(opened, metadata) == []
    locks, visible = seen
    assert locks <= {"AccessShareLock"}
    assert visible == [], "others saw the tables that were created for the comparison"
    assert query(database_url, "SELECT count(*) FROM pg_class") == before


def test_schema_change_that_is_under_way_is_not_waited_for(database_url: str) -> None:
    change = holding(database_url, "ALTER TABLE tasks ADD COLUMN points int")
    with change, pytest.raises(DriftUnknownError, match="A schema change is under way"):
        compared(database_url)


@pytest.fixture
def role(database_url: str, administer: Callable[[str], None]) -> Iterator[str]:
    """May neither create a schema nor temporary tables."""
    name = f"role_{uuid4().hex}"
    administer(f"CREATE ROLE {name} LOGIN PASSWORD 'any'")
    administer(f'REVOKE TEMPORARY ON DATABASE "{make_url(database_url).database}" FROM PUBLIC')
    yield name
    query(database_url, f"DROP OWNED BY {name}")
    administer(f"DROP ROLE {name}")


def test_role_that_may_create_nothing_is_told_the_privilege(database_url: str, role: str) -> None:
    url = make_url(database_url).set(username=role, password="any").render_as_string(hide_password=False)
    database = make_url(database_url).database
    with pytest.raises(DriftUnknownError, match=f"GRANT TEMPORARY ON DATABASE {database} TO {role}"):
        compared(url)


@pytest.mark.parametrize("privilege", ["TEMPORARY", "CREATE"])
@pytest.mark.parametrize("tampered", [False, True])
def test_either_privilege_is_enough(database_url: str, role: str, privilege: str, tampered: bool) -> None:
    query(database_url, f'GRANT {privilege} ON DATABASE "{make_url(database_url).database}" TO {role}')
    url = make_url(database_url).set(username=role, password="any").render_as_string(hide_password=False)
    if tampered:
        query(database_url, "ALTER TABLE boards DROP CONSTRAINT ck_boards_max_agents")
    assert named(compared(url)) == ["check constraint boards.ck_boards_max_agents"] * tampered


def test_server_that_only_reads_is_an_error_that_says_so(database_url: str) -> None:
    query(database_url, f'ALTER DATABASE "{make_url(database_url).database}" SET default_transaction_read_only = on')
    with pytest.raises(DriftUnknownError, match="read-only"):
        compared(database_url)


def test_models_that_this_server_cannot_have_are_an_error(database_url: str) -> None:
    models = MetaData()
    sa.Table("t", models, sa.Column("c", sa.Integer, server_default=sa.text("no_such_function()")))
    with pytest.raises(DriftUnknownError, match=r"no_such_function\(\) does not exist"):
        compared(database_url, models)


def test_metadata_of_several_schemas_is_refused(database_url: str) -> None:
    models = MetaData(schema="elsewhere")
    sa.Table("t", models, sa.Column("c", sa.Integer))
    with pytest.raises(DriftUnknownError, match="elsewhere"):
        compared(database_url, models)


def test_connection_that_commits_by_itself_is_refused(database_url: str) -> None:
    with connection(database_url) as opened, pytest.raises(ValueError, match="commits by itself"):
        differences(opened.execution_options(isolation_level="AUTOCOMMIT"), metadata)


def test_tables_of_another_schema_in_the_path_are_compared(database_url: str) -> None:
    query(database_url, "ALTER SCHEMA public RENAME TO app; ALTER TABLE app.tags DROP COLUMN color")
    for function in ("count_tasks", "forget_task_counts"):
        query(database_url, f"ALTER FUNCTION app.{function}() SET search_path = app, pg_temp")
    query(database_url, f'ALTER DATABASE "{make_url(database_url).database}" SET search_path = app, public')
    assert named(compared(database_url)) == ["column tags.color"]


def test_database_that_lags_says_which_revisions_are_pending(database_url: str) -> None:
    settings = settings_for(database_url)
    downgrade(settings, "5b2e8a4c9d17", accept_data_loss=True)
    found = read_drift(settings)
    assert (len(found.pending), found.exit_code) == (len(REVISIONS) - 2, 14)
    lacking = {"column tasks.priority", "index ix_tasks_board_id_status_created_at_id", "table agents"}
    assert lacking <= set(named(found.differences))


def test_database_that_is_ahead_says_by_which_revisions(
    database_url: str, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = release.add("op.add_column('tags', sa.Column('shade', sa.Text()))")
    upgrade(settings_for(database_url))
    monkeypatch.undo()
    found = read_drift(settings_for(database_url))
    assert (found.unknown, named(found.differences)) == ((revision,), ["column tags.shade"])


def test_command_prints_sql_that_mends_but_for_what_loses_data(database_url: str, psql: Path) -> None:
    env = environment(DATABASE_URL=database_url)
    query(database_url, "CREATE TABLE notes (id int); ALTER TABLE tags ALTER COLUMN name DROP NOT NULL")
    done = run("litestar", "database", "drift", env=env)
    assert done.returncode == 14, done.stderr
    assert "-- 2 difference(s) from the models:\n-- table notes\n--   live:   id\n--   models: unknown\n" in done.stdout
    assert "\n-- column tags.name\n--   live:   text\n--   models: text NOT NULL\n" in done.stdout
    assert "\n-- loses data: DROP TABLE notes;\n" in done.stdout
    command: list[str | Path] = [psql, "-qX", "-v", "ON_ERROR_STOP=1", "-d", normalize_database_url(database_url).libpq]
    subprocess.run(command, input=done.stdout, capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert named(compared(database_url)) == ["table notes"]


def test_command_has_exit_code_0_and_one_line_where_nothing_differs(database_url: str) -> None:
    done = run("litestar", "database", "drift", env=environment(DATABASE_URL=database_url))
    assert (done.returncode, done.stdout.splitlines()[1:]) == (0, ["-- No difference from the models."])


def test_command_prints_json_alone(database_url: str) -> None:
    query(database_url, "ALTER TABLE tags ADD COLUMN shade text")
    done = run("litestar", "database", "drift", "--json", env=environment(DATABASE_URL=database_url))
    assert done.returncode == 14, done.stderr
    found = json.loads(done.stdout)
    (difference,) = found["differences"]
    assert (difference["kind"], difference["name"]) == (Kind.COLUMN, "tags.shade")
    assert (difference["live"], difference["models"]) == ("text", None)
    assert found["script"] == difference["ddl"]
    assert [(found["sql"], found["loses_data"]) for found in found["script"]] == [
        ("ALTER TABLE tags DROP COLUMN shade", True)
    ]

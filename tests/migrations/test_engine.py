"""What surrounds each revision: limits and retries, history, phases, half-built indexes, and what a downgrade loses."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from uuid import uuid4

import pytest
from alembic import command
from sqlalchemy import make_url
from structlog.testing import capture_logs

from app import __version__
from app.core.settings import Environment, Settings
from app.db.readiness import Readiness, SchemaBehindError, SchemaContractedError
from app.db.startup_policy import init_db
from app.migrator.execution.data_loss import DataLossRefusedError
from app.migrator.execution.planned_steps import PlanChangedError
from app.migrator.locking.migration_lock import LOCK_KEY
from app.migrator.phase import Phase
from app.postgres.errors import DatabaseError, MigrationFailedError
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import settings_for
from tests.migrations.conftest import (
    HEAD,
    REVISIONS,
    Release,
    applied,
    autocommit,
    by_driver,
    by_psycopg,
    holding,
    in_autocommit,
    query,
    renamed,
    sql,
    tables,
)
from tests.support.checkouts import checkout_of
from tests.support.migrator import alembic_config, downgrade, plan, preview_downgrade, read_drift, read_status, upgrade
from tests.support.processes import environment, run

BUSY = "LOCK TABLE tags IN ACCESS SHARE MODE"
ADD_COLUMN = 'op.execute("ALTER TABLE tags ADD COLUMN weight integer")'
DROP_COLUMN = 'op.execute("ALTER TABLE tags DROP COLUMN weight")'


def history(url: str, *columns: str) -> list[tuple[object, ...]]:
    return query(url, f"SELECT {', '.join(columns)} FROM schema_history ORDER BY id")


def columns_of(url: str, table: str) -> set[object]:
    rows = query(url, "SELECT column_name FROM information_schema.columns WHERE table_name = :t", t=table)
    return {name for (name,) in rows}


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


def test_every_step_is_in_the_history(empty_database_url: str) -> None:
    settings = settings_for(empty_database_url)
    upgrade(settings)
    downgrade(settings, "-1", accept_data_loss=True)
    rows = history(empty_database_url, "revision", "phase", "direction", "outcome", "release")
    assert len(rows) == len(REVISIONS) + 1
    assert {row[3] for row in rows} == {"done"}
    assert rows[-1] == (HEAD, "expand", "downgrade", "done", __version__)
    details = history(empty_database_url, "duration > interval '0'", "length(checksum)", "applied_by LIKE '%@% as %'")
    assert set(details) == {(True, 64, True)}


def test_history_and_version_are_one_transaction(database_url: str, release: Release) -> None:
    """The version's row is locked, so the step waits after its DDL: neither is there before both are."""
    release.add(ADD_COLUMN)
    before = applied(database_url)
    with holding(database_url, "SELECT FROM alembic_version FOR UPDATE") as waiting:
        thread = threading.Thread(target=upgrade, args=(settings_for(database_url, db_migrate_lock_timeout=30.0),))
        thread.start()
        waiting(1)
        assert history(database_url, "outcome")[-1] == ("running",)
        assert applied(database_url) == before
    thread.join()
    assert history(database_url, "outcome")[-1] == ("done",)
    assert applied(database_url) != before


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
    release.add(autocommit(build) + sql("SELECT limits('2s 1min')"))
    upgrade(settings_for(database_url))
    assert applied(database_url) == [release.head]


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE organizations ADD CONSTRAINT other CHECK (true), VALIDATE CONSTRAINT looks",
        "ALTER TABLE organizations VALIDATE CONSTRAINT looks, ADD COLUMN more integer",
        "INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'made CONCURRENTLY')",
        "-- not CONCURRENTLY\\nINSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'n')",
    ],
)
def test_what_does_more_than_that_is_limited(database_url: str, release: Release, statement: str) -> None:
    query(
        database_url,
        "CREATE FUNCTION limits() RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$"
        " DECLARE found text := current_setting('lock_timeout') || ' ' || current_setting('statement_timeout');"
        " BEGIN IF found <> '2s 1min' THEN RAISE '%', found; END IF; RETURN true; END $$",
    )
    query(database_url, "INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'o')")
    query(database_url, "ALTER TABLE organizations ADD CONSTRAINT looks CHECK (limits()) NOT VALID")
    release.add(f'op.execute("{statement}")')
    upgrade(settings_for(database_url))
    assert applied(database_url) == [release.head]


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


def test_history_of_an_earlier_release_gets_the_columns_that_it_lacks(
    database_url: str, release: Release, dump_schema: Callable[[str], str]
) -> None:
    before = dump_schema(database_url)
    query(database_url, "ALTER TABLE schema_history DROP COLUMN indexes")
    release.add("pass")
    upgrade(settings_for(database_url))
    assert dump_schema(database_url) == before


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


async def test_release_is_not_ready_once_a_contract_has_dropped_an_index_and_failed(
    database_url: str, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    query(database_url, "CREATE UNIQUE INDEX once ON tags (name, color)")
    release.add(ADD_COLUMN)
    contract = release.add(autocommit("DROP INDEX CONCURRENTLY once") + sql("SELECT FROM wanted"), phase="contract")
    with pytest.raises(MigrationFailedError, match="wanted"):
        await asyncio.to_thread(upgrade, settings_for(database_url))
    monkeypatch.undo()
    with pytest.raises(SchemaContractedError, match=contract):
        await ready(database_url)


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


def test_expand_stops_before_the_first_contract(database_url: str, release: Release) -> None:
    first = release.add(ADD_COLUMN)
    release.add(DROP_COLUMN, phase="contract")
    release.add('op.execute("CREATE TABLE later (id integer)")')
    upgrade(settings_for(database_url), phase=Phase.EXPAND)
    assert applied(database_url) == [first]
    upgrade(settings_for(database_url))
    assert applied(database_url) == [release.head]


@pytest.mark.parametrize(
    "command",
    [
        ("alembic", "-x", "phase=expand", "upgrade", "head"),
        ("litestar", "database", "upgrade", "--phase", "expand", "--no-prompt"),
    ],
)
def test_both_command_lines_can_stop_before_a_contract(
    database_url: str, release: Release, command: tuple[str, ...]
) -> None:
    before = applied(database_url)
    release.add('op.drop_column("tags", "color")', phase="contract")
    copy = checkout_of(release)
    result = run(*command, env=environment(DATABASE_URL=database_url), cwd=copy)
    assert result.returncode == 0, result.stderr
    assert "left for later" in result.stderr
    assert applied(database_url) == before


def test_expand_revision_behind_a_contract_is_a_warning(database_url: str, release: Release) -> None:
    contract = release.add('op.drop_column("tags", "color")', phase="contract")
    expand = release.add(ADD_COLUMN)
    with capture_logs() as logs:
        upgrade(settings_for(database_url), phase=Phase.EXPAND)
    (warning,) = [entry for entry in logs if entry["event"].startswith("left for later")]
    assert (warning["log_level"], warning["revisions"]) == ("warning", [contract, expand])


@pytest.mark.parametrize("command", [("upgrade", "head"), ("upgrade", "head", "--sql"), ("current",)])
@pytest.mark.parametrize("argument", ["phase=both", "accept-dataloss", "accept-data-loss=no"])
def test_unknown_argument_of_alembic_is_a_wrong_option(
    database_url: str, argument: str, command: tuple[str, ...]
) -> None:
    result = run("alembic", "-x", argument, *command, env=environment(DATABASE_URL=database_url))
    assert result.returncode == 2
    assert result.stdout == ""
    assert f"-x {argument} is not known" in result.stderr


async def test_start_up_warns_of_a_contract_and_of_what_it_removes(database_url: str, release: Release) -> None:
    release.add('op.drop_column("tags", "color")\nop.drop_table("task_tags")', phase="contract")
    settings = settings_for(database_url, db_auto_migrate=True, db_auto_migrate_phase=Phase.EXPAND)
    with capture_logs() as logs:
        await init_db(settings, normalize_database_url(database_url))
    assert "task_tags" in tables(database_url)
    assert not [entry for entry in logs if entry["log_level"] == "warning"]
    with capture_logs() as logs:
        await init_db(settings_for(database_url, db_auto_migrate=True), normalize_database_url(database_url))
    (warning,) = [entry for entry in logs if entry["log_level"] == "warning"]
    assert warning["removes"] == ["drop column tags.color", "drop table task_tags"]
    assert "task_tags" not in tables(database_url)


async def test_start_up_warns_of_a_contract_that_removes_nobody_knows_what(database_url: str, release: Release) -> None:
    body = """
        op.execute("DO $$ BEGIN DROP TABLE task_tags; END $$")
        op.execute("ALTER TABLE tags RENAME color TO colour")
        op.execute("CREATE VIEW busy AS SELECT 1")
        op.execute("DROP VIEW busy")
    """
    release.add(body, phase="contract")
    with capture_logs() as logs:
        await init_db(settings_for(database_url, db_auto_migrate=True), normalize_database_url(database_url))
    (warning,) = [entry for entry in logs if entry["log_level"] == "warning"]
    assert warning["removes"] == [
        "rename column tags.color to colour",
        "drop busy",
        "what cannot be known from its SQL",
    ]


def test_revision_without_a_phase_is_not_applied(database_url: str, release: Release) -> None:
    release.add("pass", phase=None)  # type: ignore[arg-type]
    with pytest.raises(MigrationFailedError, match="declares no phase"):
        upgrade(settings_for(database_url))


async def ready(url: str) -> None:
    await Readiness(settings_for(url), normalize_database_url(url)).check()


async def test_release_is_ready_while_only_expand_revisions_are_ahead_of_it(
    database_url: str, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    release.add(ADD_COLUMN)
    release.add('op.execute("CREATE TABLE later (id integer)")')
    await asyncio.to_thread(upgrade, settings_for(database_url))
    contract = release.add(DROP_COLUMN, phase="contract")
    await ready(database_url)
    monkeypatch.undo()
    await ready(database_url)
    # The previous release can also be started, and its migration job run.
    await init_db(settings_for(database_url, db_auto_migrate=True), normalize_database_url(database_url))
    monkeypatch.setattr("app.db.migrator_config.ROOT", release.root)
    await asyncio.to_thread(upgrade, settings_for(database_url))
    monkeypatch.undo()
    with pytest.raises(SchemaContractedError, match=contract):
        await ready(database_url)
    with pytest.raises(MigrationFailedError, match=f"does not serve it any more: revision {contract}"):
        await asyncio.to_thread(upgrade, settings_for(database_url))


async def test_contract_that_was_reverted_does_not_count(
    database_url: str, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    release.add(ADD_COLUMN)
    release.add(DROP_COLUMN, ADD_COLUMN, phase="contract")
    await asyncio.to_thread(upgrade, settings_for(database_url))
    await asyncio.to_thread(downgrade, settings_for(database_url), "-1", accept_data_loss=True)
    monkeypatch.undo()
    await ready(database_url)


async def test_release_ahead_of_which_nothing_is_recorded_is_not_ready(database_url: str) -> None:
    query(database_url, "UPDATE alembic_version SET version_num = 'from_the_future'")
    with pytest.raises(SchemaContractedError, match="from_the_future"):
        await ready(database_url)


async def test_release_whose_own_revision_the_newer_one_lacks_is_not_ready(database_url: str, release: Release) -> None:
    ours = release.add(ADD_COLUMN)
    await asyncio.to_thread(upgrade, settings_for(database_url))
    renamed(database_url, ours, "theirs")
    with pytest.raises(SchemaBehindError):
        await ready(database_url)
    with pytest.raises(MigrationFailedError, match=f"theirs of another release.* {ours} of this one is not in force"):
        await asyncio.to_thread(upgrade, settings_for(database_url))
    with pytest.raises(MigrationFailedError, match="another release"):
        await init_db(settings_for(database_url, db_auto_migrate=True), normalize_database_url(database_url))


async def test_pending_expand_is_behind_and_pending_contract_is_not(database_url: str, release: Release) -> None:
    release.add('op.drop_column("tags", "color")', phase="contract")
    await ready(database_url)
    release.add(ADD_COLUMN)
    with pytest.raises(SchemaBehindError):
        await ready(database_url)


def test_stamping_is_in_the_history(database_url: str) -> None:
    env = environment(DATABASE_URL=database_url)
    assert run("alembic", "stamp", "5b2e8a4c9d17", env=env).returncode == 0
    assert run("litestar", "database", "stamp", "head", env=env).returncode == 0
    rows = history(database_url, "direction", "revision")[len(REVISIONS) :]
    later = len(REVISIONS) - 2
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


def test_downgrade_outside_dev_is_refused_and_says_what_would_be_lost(database_url: str) -> None:
    query(database_url, "INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'o')")
    before = applied(database_url)
    with pytest.raises(DataLossRefusedError) as refused:
        downgrade(settings_for(database_url), "base")
    message = str(refused.value)
    assert "table organizations: 1 rows (revision 1d9c6f0b7a31)" in message
    assert "column tasks.due_at: 0 values (revision 5b2e8a4c9d17)" in message
    assert "restore" in message
    assert "--accept-data-loss" in message
    assert applied(database_url) == before
    for words in (("alembic", "downgrade", "base"), ("litestar", "database", "downgrade", "base", "--no-prompt")):
        result = run(*words, env=environment(DATABASE_URL=database_url))
        assert result.returncode == 1, result.stderr
        assert "Traceback" not in result.stderr
        assert applied(database_url) == before
    accepted = ("alembic", "-x", "accept-data-loss", "downgrade", "-1")
    assert run(*accepted, env=environment(DATABASE_URL=database_url)).returncode == 0
    assert applied(database_url) != before


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


@pytest.mark.parametrize(
    "statement",
    [
        "DO $$ BEGIN DELETE FROM tags; END $$",
        "DROP SCHEMA other CASCADE",
        "ALTER TABLE tags ALTER color TYPE varchar(1)",
    ],
)
def test_what_may_lose_more_than_can_be_counted_says_so(database_url: str, release: Release, statement: str) -> None:
    release.add("pass", f'op.execute("{statement}")')
    settings = settings_for(database_url, environment=Environment.DEV)
    upgrade(settings)
    assert [loss.what for loss in preview_downgrade(settings, "-1")[1]] == ["what cannot be known from its SQL"]


def test_losses_are_counted_without_changing_anything(database_url: str, release: Release) -> None:
    query(database_url, "CREATE SCHEMA other")
    query(database_url, "CREATE TABLE other.tags AS SELECT 1 AS id")
    release.add("pass", 'op.drop_table("tags", schema="other")')
    release.add("pass", 'op.get_bind().exec_driver_sql("SELECT 1").scalar() + 1')
    settings = settings_for(database_url, environment=Environment.DEV)
    upgrade(settings)
    _, found = preview_downgrade(settings, "-2")
    assert [(loss.what, loss.rows) for loss in found] == [
        ("what cannot be known from its SQL", None),
        ("table other.tags", 1),
    ]
    assert applied(database_url) == [release.head]


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

"""`upgrade --dry-run --execute-and-roll-back`: how long each revision takes, and that nothing of it stays."""

import json
import subprocess
import sys
from typing import Any

import pytest
from click.testing import CliRunner, Result

from app.migrator import upgrade
from app.migrator.cli import dry_run as dry_run_command
from app.migrator.cli.main import main
from app.migrator.locking.migration_lock import LOCK_KEY
from tests.migrations.conftest import autocommit, sql
from tests.support.database import applied, holding, query
from tests.support.plain_project import PlainProject
from tests.support.processes import ROOT, environment
from tests.support.waiting import wait_until

BACKFILL = '''"""Every book has a title."""

from app.migrator import Backfill

backfill = Backfill(
    table="books", after="first", where="title IS NULL", update="UPDATE books SET title = '' WHERE {batch}"
)
'''
SNAPSHOT = """
    SELECT (SELECT count(*) FROM schema_history), (SELECT string_agg(version_num, ',') FROM alembic_version),
           (SELECT string_agg(attname, ',') FROM pg_attribute WHERE attrelid = 'books'::regclass AND attnum > 0),
           (SELECT count(*) FROM books), to_regclass('shelves'),
           (SELECT count(*) FROM pg_locks JOIN pg_database AS its ON its.oid = database
            WHERE locktype = 'advisory' AND datname = current_database())
"""


@pytest.fixture
def library(project: PlainProject) -> PlainProject:
    project.add(
        "first",
        sql(
            "CREATE TABLE books (id bigint PRIMARY KEY, title text)",
            "CREATE TABLE writers (id bigint PRIMARY KEY)",
            "CREATE TYPE mood AS ENUM ('glad')",
            "INSERT INTO books VALUES (1, 'Emma')",
        ),
    )
    upgrade(project.config)
    return project


def call(project: PlainProject, *arguments: str) -> Result:
    command = ["-c", str(project.ini), "upgrade", "--dry-run", "--execute-and-roll-back", *arguments]
    return CliRunner().invoke(main, command)


def rehearsal(project: PlainProject, code: int = 0) -> list[dict[str, Any]]:
    result = call(project, "--json", "--accept-locks")
    assert result.exit_code == code, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)["rehearsal"]
    return found


def outcomes(found: list[dict[str, Any]]) -> dict[str, tuple[str, str | None]]:
    return {each["revision"]: (each["outcome"], each["reason"]) for each in found}


def test_each_revision_says_how_long_it_took_and_held_its_locks(library: PlainProject, empty_database_url: str) -> None:
    """A later revision works with what an earlier one makes, and all of it is gone afterwards."""
    library.add("second", sql("ALTER TABLE books ADD COLUMN pages integer", "SELECT pg_sleep(0.2)"))
    library.add("third", sql("UPDATE books SET pages = 3", "CREATE TABLE shelves (id bigint REFERENCES writers (id))"))
    before = query(empty_database_url, SNAPSHOT)
    second, third = rehearsal(library)
    assert [second["outcome"], third["outcome"]] == ["executed", "executed"]
    (lock,) = second["locks"]
    assert (lock["table"], lock["lock"], lock["stops"]) == ("books", "ACCESS EXCLUSIVE", "reads and writes")
    assert second["seconds"] >= lock["seconds"] >= 0.2
    assert [(lock["table"], lock["lock"], lock["stops"]) for lock in third["locks"]] == [
        ("books", "ROW EXCLUSIVE", None),
        ("writers", "SHARE ROW EXCLUSIVE", "writes"),
    ]
    assert query(empty_database_url, SNAPSHOT) == before
    shown = call(library, "--accept-locks").stdout
    assert "Run in a transaction that was rolled back:" in shown
    assert "reads and writes of books 0." in shown


def test_what_runs_outside_of_a_transaction_is_left_out_and_so_is_what_needs_it(
    library: PlainProject, empty_database_url: str
) -> None:
    library.add("block", autocommit("CREATE UNIQUE INDEX CONCURRENTLY uq ON books (title)"))
    library.add("needs", sql("ALTER TABLE books ADD CONSTRAINT uq UNIQUE USING INDEX uq"))
    library.add("vacuum", sql("VACUUM books"))
    library.add("value", sql("ALTER TYPE mood ADD VALUE IF NOT EXISTS 'sad'"))
    library.add("uses", sql("CREATE TABLE shelves (mood mood DEFAULT 'sad')", "INSERT INTO shelves DEFAULT VALUES"))
    library.add("free", sql("ALTER TABLE writers ADD COLUMN name text"))
    before = query(empty_database_url, SNAPSHOT)
    found = outcomes(rehearsal(library))
    outside = ("not executed", "it has statements that cannot run in a transaction")
    assert (found["block"], found["vacuum"]) == (outside, outside)
    outcome, reason = found["needs"]
    assert (outcome, (reason or "").startswith("it fails without block: ")) == ("not executed", True)
    outcome, reason = found["uses"]
    assert (outcome, (reason or "").startswith("it uses a value that an earlier one has to commit")) == (
        "not executed",
        True,
    )
    assert [found["value"][0], found["free"][0]] == ["executed", "executed"]
    assert query(empty_database_url, SNAPSHOT) == before


# What a revision does that fails -> words of the reason.
FAILURES = {
    'op.execute("ALTER TABLE books ADD COLUMN title text")': "already exists",
    'raise ValueError("no such wind")': "no such wind",
    "raise SystemExit(7)": "7",
    'op.execute("CREATE TABLE shelves (id bigint REFERENCES writers (id) DEFERRABLE INITIALLY DEFERRED)")\n'
    'op.execute("INSERT INTO shelves VALUES (9)")': "violates foreign key constraint",
    'op.execute("ALTER TABLE books ADD COLUMN pages integer")\nop.get_bind().commit()': "commits",
    'op.execute("COMMIT")': "commits",
    'op.execute("SELECT pg_advisory_unlock_all()")': "lets go of the lock",
}


@pytest.mark.parametrize("code", FAILURES)
def test_failure_is_told_and_leaves_nothing(library: PlainProject, empty_database_url: str, code: str) -> None:
    library.add("second", sql("ALTER TABLE writers ADD COLUMN name text"))
    library.add("third", code)
    library.add("fourth", "pass")
    before = query(empty_database_url, SNAPSHOT)
    second, third = rehearsal(library, code=3)
    assert (second["outcome"], third["outcome"]) == ("executed", "failed")
    assert FAILURES[code] in third["reason"]
    assert query(empty_database_url, SNAPSHOT) == before
    assert (
        query(empty_database_url, "SELECT FROM pg_attribute WHERE attrelid = 'writers'::regclass AND attnum > 1") == []
    )


def test_setting_of_a_revision_ends_with_it_as_in_an_upgrade(library: PlainProject) -> None:
    library.add("second", sql("SET search_path = nowhere", "SET LOCAL work_mem = '1MB'", "SET ROLE pg_monitor"))
    library.add("third", sql("ALTER TABLE books ADD COLUMN pages integer", "SELECT 1 / (user = session_user)::int"))
    assert {outcome for outcome, _ in outcomes(rehearsal(library)).values()} == {"executed"}


@pytest.mark.parametrize("end", ["COMMIT", "ROLLBACK"])
@pytest.mark.parametrize("after", ["pass", "op.get_bind().exec_driver_sql('SELECT 1 / 0')"])
def test_revision_that_ends_the_transaction_through_the_driver_stops_it(
    library: PlainProject, empty_database_url: str, end: str, after: str
) -> None:
    driver = f"op.get_bind().connection.dbapi_connection.run_async(lambda driver: driver.execute({end!r}))"
    library.add("second", sql("ALTER TABLE books ADD COLUMN pages integer") + f"\n{driver}\n{after}")
    library.add("third", sql("DROP TABLE books"))
    result = call(library, "--json", "--accept-locks")
    assert (result.exit_code, result.stdout) == (3, "")
    assert "Revision second ends the transaction itself" in result.stderr
    assert "may be committed" in result.stderr
    assert query(empty_database_url, "SELECT count(*) FROM books") == [(1,)]


def test_commit_after_what_was_left_out_ends_it(library: PlainProject, empty_database_url: str) -> None:
    library.add("second", autocommit("CREATE INDEX CONCURRENTLY ix ON books (title)"))
    library.add("third", 'op.execute("ALTER TABLE books ADD COLUMN pages integer")\nop.get_bind().commit()')
    library.add("fourth", sql("DROP TABLE books"))
    before = query(empty_database_url, SNAPSHOT)
    assert [outcome for outcome, _ in outcomes(rehearsal(library, code=3)).values()] == ["not executed", "failed"]
    assert query(empty_database_url, SNAPSHOT) == before


def test_requirement_and_backfill_stop_it_as_they_stop_an_upgrade(
    library: PlainProject, empty_database_url: str
) -> None:
    backfills = library.root / "migrations" / "backfills"
    backfills.mkdir()
    (backfills / "titles.py").write_text(BACKFILL)
    library.add("second", sql("INSERT INTO books VALUES (2, NULL)"))
    library.add("third", "pass", extra='requires_backfill = "titles"')
    library.add("fourth", "pass")
    found = outcomes(rehearsal(library))
    assert found["second"] == ("executed", None)
    assert "it requires the backfill 'titles', which is not finished" in (found["third"][1] or "")
    assert found["fourth"] == ("not executed", "the upgrade stops before it, at third")


WRITE = "connection.execute(sa.text('CREATE TABLE stays ()'))"
ELSEWHERE = (
    "sa.create_engine(sa.make_url(__import__('os').environ['DATABASE_URL']).set(drivername='postgresql+psycopg'))"
)
OWN_CONNECTIONS = {
    "of the bind's engine": f"with op.get_bind().engine.begin() as connection:\n    {WRITE}",
    "of another engine": f"with {ELSEWHERE}.begin() as connection:\n    {WRITE}",
    "of the driver, in autocommit": f"""
connection = {ELSEWHERE}.raw_connection()
connection.driver_connection.autocommit = True
connection.cursor().execute("CREATE TABLE stays ()")
""",
    "whatever comes of it": f"""
try:
    with {ELSEWHERE}.begin() as connection:
        {WRITE}
except Exception:
    pass
""",
    "in a thread": f"""
import threading
def write():
    with engine.begin() as connection:
        {WRITE}
engine = {ELSEWHERE}
thread = threading.Thread(target=write)
thread.start()
thread.join()
""",
}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("code", OWN_CONNECTIONS.values(), ids=OWN_CONNECTIONS)
def test_connection_of_a_revision_s_own_is_refused_because_nothing_would_be_rolled_back(
    library: PlainProject, empty_database_url: str, code: str
) -> None:
    library.add("second", code, extra="import os")
    library.add("third", sql("CREATE TABLE shelves (id bigint)"))
    found = outcomes(rehearsal(library))
    assert found["second"] == (
        "not executed",
        "it opens a connection of its own, on which nothing would be rolled back",
    )
    assert found["third"] == ("executed", None)
    assert query(empty_database_url, "SELECT to_regclass('stays')") == [(None,)]


def test_connection_of_a_revision_s_own_is_refused_where_its_sql_is_read(
    library: PlainProject, empty_database_url: str
) -> None:
    library.add("second", OWN_CONNECTIONS["of another engine"], extra="import os")
    commands = {("lint",): 1, ("show", "second", "--sql"): 3, ("status",): 0, ("upgrade", "first:head", "--sql"): 3}
    for command, code in commands.items():
        result = CliRunner().invoke(main, ["-c", str(library.ini), *command])
        assert result.exit_code == code, result.output
    assert "cannot be printed: it opens a connection of its own" in result.stderr
    assert query(empty_database_url, "SELECT to_regclass('stays')") == [(None,)]


def test_table_in_use_ends_it_and_leaves_nothing(library: PlainProject, empty_database_url: str) -> None:
    library.add("second", sql("ALTER TABLE writers ADD COLUMN name text", "ALTER TABLE books ADD COLUMN pages integer"))
    with holding(empty_database_url, "LOCK books IN ACCESS SHARE MODE"):
        result = call(library, "--accept-locks")
    assert result.exit_code == 3
    assert "A table is in use" in result.stderr
    assert (
        query(empty_database_url, "SELECT FROM pg_attribute WHERE attrelid = 'writers'::regclass AND attnum > 1") == []
    )


def test_it_waits_for_the_lock_of_another_migration(
    library: PlainProject, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_MIGRATE_LOCK_WAIT", "0")
    library.add("second", "pass")
    with holding(empty_database_url, f"SELECT pg_advisory_lock({LOCK_KEY})"):
        result = call(library, "--accept-locks")
    assert (result.exit_code, "The lock for schema changes was not free" in result.stderr) == (3, True)


def test_killed_in_the_middle_leaves_nothing(library: PlainProject, empty_database_url: str) -> None:
    library.add("second", sql("ALTER TABLE books ADD COLUMN pages integer", "SELECT pg_sleep(600)"))
    before = query(empty_database_url, SNAPSHOT)
    command = [sys.executable, "-c", "from app.migrator.cli.main import main; main()", "-c", str(library.ini)]
    options = ["upgrade", "--dry-run", "--execute-and-roll-back", "--accept-locks"]
    running = subprocess.Popen([*command, *options], env=environment(DATABASE_URL=empty_database_url), cwd=ROOT)
    sleeping = (
        "SELECT FROM pg_stat_activity WHERE query LIKE '%pg_sleep(600)' AND state = 'active'"
        " AND pid <> pg_backend_pid()"
    )
    wait_until(lambda: query(empty_database_url, sleeping), "the second statement runs")
    running.kill()
    running.wait()
    # The server ends the statement of a client that is gone within 5 s.
    wait_until(lambda: not query(empty_database_url, sleeping), "the session has ended")
    wait_until(lambda: query(empty_database_url, SNAPSHOT) == before, "nothing has stayed")
    assert applied(empty_database_url) == ["first"]


def test_it_runs_only_where_somebody_has_agreed(
    library: PlainProject, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.add("second", "raise AssertionError('not to be run')")
    assert (call(library).exit_code, call(library, "--no-prompt").exit_code) == (2, 2)
    monkeypatch.setattr(dry_run_command, "require_terminal", lambda instead: None)
    declined = call(library)
    assert (declined.exit_code, "Run 1 revision(s) in " in declined.stderr) == (1, True)
    command = ["-c", str(library.ini), "upgrade", "--execute-and-roll-back"]
    assert CliRunner().invoke(main, command).exit_code == 2
    # Where data may be lost, as in development, nobody has to be asked.
    library.define(fields="allows_data_loss=True")
    assert call(library, "--no-prompt").exit_code == 3

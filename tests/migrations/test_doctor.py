"""`litestar database doctor`: each thing that may be wrong is found, named, and comes with the next command."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from alembic import command
from sqlalchemy import make_url

from app.core.settings import read_settings
from app.db.doctor_checks import examine_application as examine
from app.migrator.doctor.checks import CHECKS, GROUPS, most_important
from app.migrator.doctor.finding import CheckLimits, Finding, Severity
from app.migrator.locking.migration_lock import LOCK_KEY
from app.migrator.revisions import history_recording
from app.models import metadata
from app.postgres.errors import MigrationFailedError
from tests.conftest import TOKEN, settings_for
from tests.migrations.conftest import HEAD, REVISIONS, Release, renamed
from tests.support.backfill import define
from tests.support.database import holding, insert, query, unpooled
from tests.support.doctor import NOTE, OK, PROBLEM, WARNING, examined, one, worse_than_notes
from tests.support.migrator import alembic_config, downgrade, load_revisions, upgrade
from tests.support.processes import environment, run

BEFORE_THE_HEAD = REVISIONS[-2]
INDEX = "ix_tasks_board_id_status_created_at_id"


def changed(url: str, **parts: Any) -> str:
    return make_url(url).set(**parts).render_as_string(hide_password=False)


@pytest.fixture
def weak_role(administer: Callable[[str], None]) -> Iterator[str]:
    name = f"weak_{uuid4().hex}"
    administer(f"CREATE ROLE {name} LOGIN")
    yield name
    administer(f"DROP ROLE {name}")


# --- a healthy database ----------------------------------------------------------------------------------------


def test_healthy_database_has_nothing_worse_than_notes_and_every_check_reports(database_url: str) -> None:
    findings = examined(database_url)
    assert worse_than_notes(findings) == []
    assert most_important(findings) is None
    assert {check.name for check in CHECKS} <= {finding.check for finding in findings}
    assert [*dict.fromkeys(finding.group for finding in findings)] == [*GROUPS]
    assert HEAD in one(findings, "state", OK).seen


def test_misspelt_setting_is_told_with_the_one_that_is_meant_and_not_what_it_holds(database_url: str) -> None:
    findings = examined(database_url, DB_AUTOMIGRATE="true", DATABASE_URI="postgresql://u:hunter2@h/d")
    wrong, odd = worse_than_notes(findings)
    assert (wrong.severity, odd.severity) == (PROBLEM, WARNING)
    assert wrong.seen == "DATABASE_URI is set, and is no setting."
    assert odd.seen == "DB_AUTOMIGRATE is set, and is no setting. Is DB_AUTO_MIGRATE meant?"
    for finding, name in ((wrong, "DATABASE_URI"), (odd, "DB_AUTOMIGRATE")):
        assert finding.next_command == f"unset {name}; grep -now {name} .env"


def test_examination_leaves_no_trace(database_url: str, dump_schema: Callable[[str], str]) -> None:
    def traces() -> tuple[object, ...]:
        return dump_schema(url), query(url, "TABLE schema_history"), query(url, "TABLE alembic_version")

    url = database_url
    before = traces()
    examined(url)
    assert traces() == before


@pytest.mark.parametrize("driver", ["postgresql+psycopg", "postgresql+asyncpg"])
def test_both_drivers_serve(database_url: str, driver: str) -> None:
    assert worse_than_notes(examined(changed(database_url, drivername=driver))) == []


def test_command_reports_health_as_exit_code_0_and_json_alone(database_url: str) -> None:
    env = environment(DATABASE_URL=database_url, LOCAL_AUTH_TOKEN=None, ENVIRONMENT="production")
    result = run("litestar", "database", "doctor", "--json", env=env)
    assert result.returncode == 0, result.stderr
    findings = json.loads(result.stdout)
    assert {finding["severity"] for finding in findings} == {"ok", "note"}
    assert set(findings[0]) == {"group", "check", "severity", "seen", "why", "next_command"}
    assert any("LOCAL_AUTH_TOKEN is not set" in finding["seen"] for finding in findings)


def test_report_is_readable_and_ends_with_what_comes_first(empty_database_url: str) -> None:
    url = changed(empty_database_url, password="hunter2")
    result = run("litestar", "database", "doctor", env=environment(DATABASE_URL=url, COLUMNS="200"))
    assert result.returncode == 0, result.stderr
    for group in GROUPS:
        assert f"\n{group}\n" in result.stdout
    end = result.stdout[result.stdout.index("\n1 warning.") :]
    assert "First: The database is empty" in end
    assert end.strip().endswith("$ litestar database upgrade --no-prompt")
    assert "hunter2" not in result.stdout + result.stderr
    assert "✓" in result.stdout
    plain = run("litestar", "database", "doctor", env=environment(DATABASE_URL=url, PYTHONIOENCODING="ascii"))
    assert plain.returncode == 0, plain.stderr
    assert plain.stdout.isascii()


def test_help_says_what_it_does_and_its_exit_codes_whatever_the_settings() -> None:
    result = run("litestar", "database", "doctor", "--help", env=environment(DB_AUTO_MIGRATE="maybe"))
    assert result.returncode == 0, result.stderr
    assert "Exit codes: 0" in result.stdout
    assert "--json" in result.stdout


# --- configuration ---------------------------------------------------------------------------------------------


def test_each_setting_is_shown_with_the_source_that_won(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("DB_MIGRATE_LOCK_WAIT=7\nDB_AUTO_MIGRATE=off\n")
    reading = read_settings(
        {"ENVIRONMENT": "test", "DATABASE_URL": database_url, "LOCAL_AUTH_TOKEN": TOKEN, "DB_AUTO_MIGRATE": "no"}, file
    )
    seen = [finding.seen for finding in examine(reading) if finding.check == "settings"]
    assert "DB_MIGRATE_LOCK_WAIT: 7 s (from .env)" in seen
    assert "DB_AUTO_MIGRATE: false (from environment)" in seen
    assert "DB_MIGRATE_LOCK_RETRIES: 10 (default)" in seen
    assert any(text.startswith("DATABASE_URL: ") and "(from environment)" in text for text in seen)


def test_wrong_setting_is_a_finding_and_the_rest_is_examined(database_url: str) -> None:
    env = environment(DATABASE_URL=database_url, DB_AUTO_MIGRATE="maybe", DB_MIGRATE_LOCK_WAIT="long")
    result = run("litestar", "database", "doctor", "--json", env=env)
    assert result.returncode == 1, result.stderr
    findings = msgspec.json.decode(result.stdout, type=list[Finding])
    assert [finding.seen for finding in worse_than_notes(findings)] == [
        "DB_AUTO_MIGRATE is 'maybe'.",
        "DB_MIGRATE_LOCK_WAIT is 'long'.",
    ]
    assert HEAD in one(findings, "state", OK).seen


@pytest.mark.parametrize(
    "url", ["mysql://u:hunter2@h/d", "postgresql://u:hunter2@h/d?unknown=1", "postgresql://u:hunter2@h h/d", None]
)
def test_url_that_cannot_be_read_is_a_finding(url: str | None) -> None:
    findings = examined(url)
    assert one(findings, "settings", PROBLEM).seen.startswith("DATABASE_URL")
    assert one(findings, "way", NOTE).seen.startswith("Not reached")
    assert one(findings, "files", OK)


def test_wrong_environment_starts_no_database_by_itself(tmp_path: Path) -> None:
    findings = examined(None, ENVIRONMENT="prod", DATA_DIR=str(tmp_path / "data"))
    assert "ENVIRONMENT is 'prod'" in one(findings, "settings", PROBLEM).seen
    assert not (tmp_path / "data").exists()


def test_unreadable_file_of_settings_is_a_finding(database_url: str, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b"DATABASE_URL=\xff\xfe")
    reading = read_settings({"ENVIRONMENT": "test", "DATABASE_URL": database_url, "LOCAL_AUTH_TOKEN": TOKEN}, file)
    found = worse_than_notes(examine(reading))
    assert [".env cannot be read" in finding.seen for finding in found] == [True]


def test_migrating_to_head_at_start_up_is_a_warning_outside_dev(database_url: str) -> None:
    findings = examined(database_url, DB_AUTO_MIGRATE="true")
    assert "contract revisions too" in one(findings, "settings", WARNING).seen
    assert worse_than_notes(examined(database_url, DB_AUTO_MIGRATE="true", DB_AUTO_MIGRATE_PHASE="expand")) == []


# --- revisions -------------------------------------------------------------------------------------------------


def test_backfill_that_a_revision_waits_for_comes_before_the_upgrade(database_url: str, release: Release) -> None:
    define(release, table="tags", update="UPDATE tags SET name = name WHERE {batch}")
    contract = release.add("pass", phase="contract", extra='requires_backfill = "fill"')
    assert not any("backfill" in finding.seen for finding in examined(database_url)), "an empty table needs none"
    organization = insert(database_url, "organizations", name="Deck")
    insert(database_url, "tags", organization_id=organization, name="Rope", slug="rope")
    found = [finding for finding in examined(database_url) if finding.next_command.startswith("litestar database")]
    assert f"The backfill fill is pending; revision {contract} waits for it." in found[0].seen
    assert found[0].next_command == "litestar database backfill fill"


def test_pending_revisions_are_named_with_their_phases(database_url: str) -> None:
    query(database_url, "UPDATE alembic_version SET version_num = :r", r=BEFORE_THE_HEAD)
    found = one(examined(database_url), "state", WARNING)
    assert f"at {BEFORE_THE_HEAD}; 1 pending: {HEAD} (" in found.seen
    assert found.next_command == "litestar database upgrade --no-prompt"


def test_revision_that_nobody_knows_is_a_problem(database_url: str) -> None:
    query(database_url, "UPDATE alembic_version SET version_num = 'from_the_future'")
    findings = examined(database_url)
    assert "from_the_future" in one(findings, "state", PROBLEM).seen
    assert most_important(findings) == one(findings, "state", PROBLEM)


@pytest.mark.parametrize(("phase", "severity"), [("expand", WARNING), ("contract", PROBLEM)])
def test_newer_release_s_expand_revisions_are_a_warning_and_its_contracts_a_problem(
    database_url: str, release: Release, phase: str, severity: Severity
) -> None:
    newer = release.add("op.execute('CREATE TABLE of_the_next_release ()')", phase=phase)
    upgrade(settings_for(database_url))
    (next(release.root.rglob("2027_01_01_0001_test.py"))).unlink()
    assert newer in one(examined(database_url), "state", severity).seen


def test_release_whose_own_revision_the_other_one_lacks_is_a_problem(database_url: str, release: Release) -> None:
    ours = release.add("pass")
    upgrade(settings_for(database_url))
    renamed(database_url, ours, "theirs")
    found = one(examined(database_url), "state", PROBLEM)
    assert "theirs of another release" in found.seen
    assert ours in found.seen
    assert found.next_command == "litestar database history"
    assert "litestar database merge heads" in found.why


def test_tables_without_a_version_table_are_a_problem(database_url: str) -> None:
    query(database_url, "DROP TABLE alembic_version")
    found = one(examined(database_url), "state", PROBLEM)
    assert "Alembic does not manage" in found.seen
    # A stamp on a schema that differs would be a lie.
    assert found.next_command == "litestar database drift"
    assert "litestar database stamp head" in found.why


def test_version_table_that_somebody_emptied_is_not_called_missing(database_url: str) -> None:
    query(database_url, "DELETE FROM alembic_version")
    found = one(examined(database_url), "state", PROBLEM)
    assert "alembic_version is empty or missing" in found.seen
    assert found.next_command == "litestar database drift"


def test_version_that_is_no_revision_is_a_problem(database_url: str) -> None:
    query(database_url, "DROP TABLE alembic_version")
    query(database_url, "CREATE TABLE alembic_version AS SELECT 5 AS version_num")
    found = one(examined(database_url), "state", PROBLEM)
    assert "alembic_version holds 5" in found.seen
    assert "SELECT * FROM alembic_version" in found.next_command


def test_two_rows_of_one_line_are_a_problem(database_url: str) -> None:
    query(database_url, "INSERT INTO alembic_version VALUES (:r)", r=BEFORE_THE_HEAD)
    found = one(examined(database_url), "state", PROBLEM)
    assert f"has {BEFORE_THE_HEAD} beside a revision that comes after it" in found.seen
    assert f"DELETE FROM alembic_version WHERE version_num = '\"'\"'{BEFORE_THE_HEAD}" in found.next_command


def test_file_that_was_changed_after_it_was_applied_is_a_warning(database_url: str, whole_release: Release) -> None:
    (first,) = (whole_release.root / "migrations" / "versions").glob("*_first_tables.py")
    first.write_text(first.read_text() + "\n# Changed.\n")
    found = one(examined(database_url), "state", WARNING)
    assert REVISIONS[0] in found.seen
    assert "was changed after it was applied" in found.seen
    assert found.next_command == f"git log -p -- {first}"


def test_trigger_that_does_not_fire_is_a_warning(database_url: str) -> None:
    query(database_url, "ALTER TABLE tasks DISABLE TRIGGER count_added; ALTER TABLE tags DROP COLUMN color")
    found = one(examined(database_url), "drift", WARNING)
    assert "trigger tasks.count_added" in found.seen
    assert "column tags.color" in found.seen
    assert found.next_command == "litestar database drift"


def test_database_before_head_is_not_compared_with_the_models(database_url: str, release: Release) -> None:
    release.add("pass")
    assert "not at the head" in one(examined(database_url), "drift", Severity.NOTE).seen


def test_several_heads_are_a_problem_without_any_database(release: Release) -> None:
    release.add("pass")
    second = next(release.root.rglob("2027_01_01_0001_test.py"))
    other = second.read_text().replace('revision = "', 'revision = "f', 1)
    second.with_name("2027_01_01_0002_test.py").write_text(other)
    findings = examined("postgresql://u@127.0.0.1:1/d")
    assert "2 heads" in one(findings, "files", PROBLEM).seen


def test_revision_that_cannot_be_imported_is_a_problem_and_the_rest_is_examined(
    database_url: str, release: Release
) -> None:
    release.add("pass", extra="1 / 0")
    findings = examined(database_url)
    assert "cannot be imported" in one(findings, "files", PROBLEM).seen
    assert one(findings, "state", NOTE).seen.startswith("Not reached")
    assert one(findings, "version", OK) or one(findings, "indexes", OK)


def test_last_failure_is_told_until_the_revision_is_applied(empty_database_url: str, release: Release) -> None:
    broken = release.add("op.execute('SELECT no_such_function()')")
    settings = settings_for(empty_database_url)
    with pytest.raises(Exception, match="no_such_function"):
        upgrade(settings)
    found = one(examined(empty_database_url), "history", PROBLEM)
    for text in (broken, "failed", "no_such_function", "release"):
        assert text in found.seen
    query(empty_database_url, "CREATE FUNCTION no_such_function() RETURNS int RETURN 1")
    upgrade(settings)
    assert one(examined(empty_database_url), "history", NOTE).why == "It was applied afterwards."


def test_failure_of_what_was_reverted_or_stamped_since_is_not_said_to_be_applied(
    empty_database_url: str, release: Release
) -> None:
    broken = release.add("op.execute('SELECT no_such_function()')", "op.execute('SELECT no_such_function()')")
    settings = settings_for(empty_database_url)
    with pytest.raises(MigrationFailedError, match="no_such_function"):
        upgrade(settings)
    query(empty_database_url, "CREATE FUNCTION no_such_function() RETURNS int RETURN 1")
    upgrade(settings)
    downgrade(settings, "-1", accept_data_loss=True)
    assert one(examined(empty_database_url), "history", NOTE).why == "It was reverted afterwards."
    command.stamp(alembic_config(settings), broken)
    assert one(examined(empty_database_url), "history", NOTE).why == "It was stamped afterwards."


def test_failed_downgrade_is_not_said_to_be_tried_again_at_every_upgrade(database_url: str, release: Release) -> None:
    broken = release.add("pass", "op.execute('SELECT no_such_function()')")
    settings = settings_for(database_url)
    upgrade(settings)
    with pytest.raises(MigrationFailedError, match="no_such_function"):
        downgrade(settings, "-1", accept_data_loss=True)
    found = one(examined(database_url), "history", PROBLEM)
    assert f"downgrade {broken} failed" in found.seen
    assert "every upgrade" not in found.why
    assert "still in force" in found.why


def test_step_recorded_as_running_is_alive_while_the_lock_is_held(database_url: str) -> None:
    begin_without_end(database_url)
    found = one(examined(database_url), "history", PROBLEM)
    assert "nobody holds the migration lock" in found.seen
    with holding(database_url, "SELECT pg_advisory_lock(:key)", key=LOCK_KEY):
        findings = examined(database_url)
        assert "is running" in one(findings, "history", NOTE).seen
        assert "held by process" in one(findings, "lock", NOTE).seen


def test_downgrade_that_was_killed_is_not_for_an_upgrade_to_go_on_with(database_url: str) -> None:
    begin_without_end(database_url, "downgrade")
    found = one(examined(database_url), "history", WARNING)
    assert "still in force" in found.why
    assert found.next_command == "litestar database status"


def begin_without_end(url: str, direction: str = "upgrade") -> None:
    """Record the begin of a migration that was killed."""
    engine = unpooled(url)
    script = load_revisions(settings_for(url)).get_revision(HEAD)
    with engine.begin() as connection:
        history_recording.record_begin(connection, script, direction, "1.0")


# --- privileges ------------------------------------------------------------------------------------------------


def test_role_without_privileges_learns_what_it_lacks_and_from_whom(
    database_url: str, weak_role: str, server_url: str
) -> None:
    findings = examined(changed(database_url, username=weak_role))
    schema = one(findings, "schema", PROBLEM)
    assert f"{weak_role} may not create tables" in schema.seen
    assert f"GRANT CREATE ON SCHEMA public TO {weak_role}" in schema.next_command
    owner = make_url(server_url).username
    assert f"psql 'postgresql://{owner}@" in schema.next_command
    own, use = [f for f in findings if f.check == "tables"]
    assert "does not own" in own.seen
    assert "alembic_version" in use.seen
    assert "does not see" in one(findings, "sight", NOTE).seen
    # What it may not see is no fault of the server's.
    for check in ("state", "history", "wal", "disk"):
        assert one(findings, check, NOTE).seen == "Not visible to this role."
    assert one(findings, "indexes", OK)


def test_role_may_own_by_being_a_member(
    database_url: str, weak_role: str, administer: Callable[[str], None], server_url: str
) -> None:
    administer(f'GRANT "{make_url(server_url).username}" TO {weak_role}')
    assert one(examined(changed(database_url, username=weak_role)), "tables", OK)


def test_search_path_without_a_schema_is_a_problem(database_url: str) -> None:
    found = one(examined(f"{database_url}&options=-csearch_path%3Dnowhere"), "schema", PROBLEM)
    assert "search_path (nowhere)" in found.seen
    assert "'CREATE SCHEMA nowhere AUTHORIZATION " in found.next_command


def test_search_path_that_somebody_has_set_wrong_is_reset(database_url: str) -> None:
    database = make_url(database_url).database
    query(database_url, f'ALTER DATABASE "{database}" SET search_path = nowhere')
    found = one(examined(database_url), "schema", PROBLEM)
    assert f"ALTER DATABASE {database} RESET search_path" in found.next_command


def test_schema_of_the_search_path_that_the_role_may_not_use_is_granted(database_url: str, weak_role: str) -> None:
    query(database_url, "CREATE SCHEMA hold")
    theirs = changed(database_url, username=weak_role)
    found = one(examined(f"{theirs}&options=-csearch_path%3Dhold"), "schema", PROBLEM)
    assert f"GRANT USAGE, CREATE ON SCHEMA hold TO {weak_role}" in found.next_command


def test_version_table_without_its_column_is_a_problem(database_url: str) -> None:
    query(database_url, "ALTER TABLE alembic_version RENAME version_num TO version")
    assert "alembic_version holds no column version_num" in one(examined(database_url), "state", PROBLEM).seen


def test_application_s_role_is_looked_at_where_migrations_take_another(database_url: str, weak_role: str) -> None:
    theirs = changed(database_url, username=weak_role)
    closed, unread = [
        f
        for f in examined(theirs, MIGRATION_DATABASE_URL=database_url)
        if f.check == "application" and f.severity is PROBLEM
    ]
    assert f"{weak_role} may not read and write" in closed.seen
    assert "alembic_version" in unread.seen
    ours = ", ".join(metadata.tables)
    query(database_url, f"GRANT SELECT, INSERT, UPDATE, DELETE ON {ours} TO {weak_role}")
    try:
        # Readiness reads them.
        found = one(examined(theirs, MIGRATION_DATABASE_URL=database_url), "application", PROBLEM)
        assert f"{weak_role} may not read alembic_version, schema_history." in found.seen
        assert f"GRANT SELECT ON alembic_version, schema_history TO {weak_role}" in found.next_command
        query(database_url, f"GRANT SELECT ON alembic_version, schema_history TO {weak_role}")
        assert one(examined(theirs, MIGRATION_DATABASE_URL=database_url), "application", OK)
    finally:
        query(database_url, f"DROP OWNED BY {weak_role}")


# --- what happens now ------------------------------------------------------------------------------------------


def test_who_is_blocked_and_by_whom_is_told_without_a_query(database_url: str) -> None:
    name = "&application_name=the+culprit"
    with holding(f"{database_url}{name}", "LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE") as wait:
        reader = threading.Thread(target=query, args=(database_url, "SELECT title, 'hunter2' FROM tasks"))
        reader.start()
        wait()
        findings = examined(database_url)
    reader.join()
    found = one(findings, "blocked", WARNING)
    assert one(findings, "size", OK)
    assert "waits for" in found.seen
    assert "AccessShareLock on tasks, held up by process" in found.seen
    assert "'the culprit'" in found.seen
    assert "idle in transaction" in found.seen
    assert "pg_terminate_backend(" in found.next_command


def test_wait_for_a_row_names_its_table(database_url: str) -> None:
    query(database_url, "INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'o')")
    with holding(database_url, "UPDATE organizations SET name = 'p'") as wait:
        writer = threading.Thread(target=query, args=(database_url, "UPDATE organizations SET name = 'q'"))
        writer.start()
        wait()
        findings = examined(database_url)
    writer.join()
    assert "a row of organizations" in one(findings, "blocked", WARNING).seen


def test_long_transaction_is_told_with_what_ends_it(database_url: str) -> None:
    with holding(database_url, "SELECT FROM tasks"):
        assert one(examined(database_url), "transactions", OK)
        found = one(examined(database_url, CheckLimits(long_transaction=0)), "transactions", WARNING)
    assert "idle in transaction" in found.seen
    assert "pg_terminate_backend(" in found.next_command


def test_table_that_is_locked_costs_one_check_only(database_url: str) -> None:
    with holding(database_url, "LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE"):
        findings = examined(database_url, CheckLimits(lock_timeout=0.1))
    assert "is locked" in one(findings, "state", WARNING).seen
    assert one(findings, "constraints", OK)


# --- what is stored --------------------------------------------------------------------------------------------


def invalidate(url: str, name: str) -> None:
    query(url, f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass")


def test_invalid_index_comes_with_the_command_that_mends_it(database_url: str) -> None:
    invalidate(database_url, INDEX)
    found = one(examined(database_url), "indexes", WARNING)
    assert f"public.{INDEX} on tasks is invalid" in found.seen
    assert f"REINDEX INDEX CONCURRENTLY public.{INDEX}" in found.next_command
    query(database_url, "UPDATE alembic_version SET version_num = '5b2e8a4c9d17'")
    assert one(examined(database_url), "indexes", WARNING).next_command == "litestar database upgrade --no-prompt"


def test_invalid_index_that_nobody_declares_is_to_be_dropped(database_url: str) -> None:
    query(database_url, 'CREATE INDEX "Odd one_ccnew" ON tasks (title)')
    invalidate(database_url, '"Odd one_ccnew"')
    found = one(examined(database_url), "indexes", WARNING)
    assert 'DROP INDEX CONCURRENTLY public."Odd one_ccnew"' in found.next_command


def test_name_that_is_a_word_of_sql_is_quoted(database_url: str) -> None:
    query(database_url, 'CREATE INDEX "user" ON tasks (title)')
    invalidate(database_url, '"user"')
    assert 'DROP INDEX CONCURRENTLY public."user"' in one(examined(database_url), "indexes", WARNING).next_command


def test_constraint_that_is_not_valid_is_a_note(database_url: str) -> None:
    query(database_url, "ALTER TABLE tasks ADD CONSTRAINT ck_tasks_late CHECK (title <> '') NOT VALID")
    found = one(examined(database_url), "constraints", NOTE)
    assert "ck_tasks_late" in found.seen
    assert "ALTER TABLE public.tasks VALIDATE CONSTRAINT ck_tasks_late" in found.next_command


@pytest.mark.parametrize(
    ("limits", "check", "seen"),
    [
        (CheckLimits(used_connections=0), "connections", "connections are in use"),
        (CheckLimits(free_disk=1.1), "disk", "are free on the disk"),
        (CheckLimits(transaction_age=-1), "wraparound", "transactions old"),
        (CheckLimits(clock_skew=-1), "clock", "clock is"),
    ],
)
def test_what_runs_short_is_a_warning(database_url: str, limits: CheckLimits, check: str, seen: str) -> None:
    assert seen in one(examined(database_url, limits), check, WARNING).seen


def test_slot_that_nobody_uses_is_told_with_what_it_holds_back(
    database_url: str, administer: Callable[[str], None]
) -> None:
    name = f"slot_{uuid4().hex}"
    administer(f"SELECT pg_create_physical_replication_slot('{name}', true)")
    try:
        findings = examined(database_url, CheckLimits(retained_wal=-1))
    finally:
        administer(f"SELECT pg_drop_replication_slot('{name}')")
    (found,) = [f for f in findings if f.check == "slots" and name in f.seen]
    assert found.severity is WARNING
    assert "used by nobody" in found.seen


def test_database_in_another_encoding_is_a_warning(administer: Callable[[str], None], server_url: str) -> None:
    name = f"lat$in_{uuid4().hex}"
    administer(f"CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        found = one(examined(changed(server_url, database=name)), "encoding", WARNING)
    finally:
        administer(f'DROP DATABASE "{name}"')
    assert "LATIN1" in found.seen
    assert found.next_command.endswith(f" '{name}_utf8'")

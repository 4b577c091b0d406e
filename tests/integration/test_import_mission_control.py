"""`litestar import mission-control`: what it refuses and tells, and that it writes everything or nothing, and once."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import make_url, text

from app.importing.mission_control.target import Target
from app.postgres.connect import open_connection
from app.postgres.errors import DatabaseUnreachableError
from app.postgres.url.database_url import normalize_database_url
from tests.support.database import by_psycopg, holding, insert, query
from tests.support.furnished import digests
from tests.support.mission_control.command import COMMAND, take_over
from tests.support.mission_control.complete import CompleteDatabase
from tests.support.mission_control.old_database import OldDatabase
from tests.support.mission_control.troubled import TroubledDatabase
from tests.support.processes import ROOT, environment, run
from tests.support.stopping import running
from tests.support.waiting import PATIENCE


@pytest.fixture
def old(empty_database_url: str) -> CompleteDatabase:
    return CompleteDatabase(empty_database_url)


def test_what_stays_behind_is_told(old: CompleteDatabase, database_url: str) -> None:
    before = digests(database_url)
    code, report, _ = take_over(old.url, database_url, "--check")
    assert (code, report["imported"], report["problems"]) == (0, False, [])
    assert digests(database_url) == before
    told = {(note["table"], note["told"].partition(":")[0]): (note["rows"], note["ids"]) for note in report["notes"]}
    for table, words, row in (
        ("board_onboarding_sessions", "all of it stays behind", None),
        ("gateways", "all of it stays behind", None),
        ("agents", "soul_template stays behind", old.lead),
        ("tasks", "auto_reason stays behind", old.working),
        ("users", "this person signs in by an issuer", old.queequeg),
        (
            "organization_invites",
            "the token is a new one, which the list of invites shows, good for 7 days",
            old.open_invite,
        ),
        ("activity_events", "a person's comment has no author", old.persons),
        ("activity_events", "it stays behind", old.left),
        ("organizations", "it has no owner", old.other),
        ("board_webhooks", "no signature_header is named", old.webhook),
        ("approvals", "it is pending again, and its former resolved_at stays behind", old.reopened),
        ("board_memory", "is_chat will be what the tags say", old.no_chat),
        (
            "organizations",
            "name is longer than 200 characters, and has to be shortened when it is changed",
            old.other,
        ),
    ):
        rows, ids = told[table, words]
        assert rows == 1
        assert row is None or ids == [str(row["id"])]
    human = run(*COMMAND, old.url, "--check", env=environment(DATABASE_URL=database_url)).stdout
    assert "  agents: soul_template stays behind: there is no such field (1 row)\n" in human
    assert "Can be taken over" in human


def test_second_run_takes_nothing_twice_and_resuming_what_is_new(old: CompleteDatabase, database_url: str) -> None:
    assert take_over(old.url, database_url)[0] == 0
    before = digests(database_url)
    code, report, _ = take_over(old.url, database_url)
    assert code == 1
    assert {(each["table"], each["rows"]) for each in report["problems"]} == {("organizations", 2), ("users", 2)}
    assert digests(database_url) == before
    later = OldDatabase()
    organization = later.add("organizations")
    member = later.add("users", clerk_user_id="user_later", active_organization_id=organization["id"])
    later.add("organization_members", organization_id=organization["id"], user_id=member["id"])
    board = later.add("boards", organization_id=organization["id"], slug="deck")
    task = later.add("tasks", board_id=board["id"])
    later.store(old.url, schema=False)
    code, report, _ = take_over(old.url, by_psycopg(database_url), "--resume")
    assert code == 0
    assert {table: rows for table, rows in report["rows"].items() if rows} == dict.fromkeys(
        ("organizations", "users", "organization_members", "boards", "tasks"), 1
    )
    taken = query(database_url, "SELECT organization_id FROM tasks WHERE id = :id", id=task["id"])
    assert taken == [(organization["id"],)]
    before = digests(database_url)
    code, report, _ = take_over(old.url, database_url, "--resume")
    assert (code, sum(report["rows"].values())) == (0, 0)
    assert digests(database_url) == before
    code, report, _ = take_over(old.url, database_url, "--resume", OIDC_ISSUER="https://issuer.example.org")
    told = "the id is somebody else's in this database: set OIDC_ISSUER as it was for the first import"
    strangers = {str(old.queequeg["id"]), str(member["id"])}
    assert (code, [(each["told"], {*each["ids"]}) for each in report["problems"]]) == (1, [(told, strangers)])


@pytest.mark.parametrize(("how", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 143)])
def test_stopped_import_leaves_nothing_and_another_one_does_not_join(
    old: CompleteDatabase, database_url: str, tmp_path: Path, how: signal.Signals, code: int
) -> None:
    before = digests(database_url)
    env = environment(DATABASE_URL=database_url)
    with (
        holding(database_url, "LOCK TABLE activity_events IN SHARE MODE") as wait,
        running((*COMMAND, old.url), env, ROOT, tmp_path / "log") as process,
    ):
        wait()
        refused, report, _ = take_over(old.url, database_url)
        assert refused == 1
        assert "another import into this database is under way" in report["problems"][0]["told"]
        os.kill(process.pid, how)
        assert process.wait() == code
    assert digests(database_url) == before
    assert take_over(old.url, database_url)[0] == 0


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (
            "CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NEW.name := upper(NEW.name); RETURN NEW; END $$;"
            " CREATE TRIGGER shout BEFORE INSERT ON tags FOR EACH ROW EXECUTE FUNCTION shout()",
            "tags of .* holds other values than were read",
        ),
        ("ALTER TABLE tasks DISABLE TRIGGER count_added", "have counted 0 of 3 tasks"),
        ("ALTER TABLE tags ADD CONSTRAINT short CHECK (length(name) < 3)", "refused: .*violates check constraint"),
    ],
)
def test_what_is_not_stored_as_it_was_read_is_an_error(
    old: CompleteDatabase, database_url: str, broken: str, told: str
) -> None:
    query(database_url, broken)
    before = digests(database_url)
    code, _, error = take_over(old.url, database_url)
    assert code == 3
    assert re.search(told, error)
    assert digests(database_url) == before


@pytest.mark.parametrize(
    ("source_url", "code", "told"),
    [
        ("mysql://root:s3cret@127.0.0.1/old", 2, "URL "),
        ("postgresql+psycopg://root:s3cret@127.0.0.1:1/old", 4, "127.0.0.1:1/old cannot be reached"),
        ("{}_gone", 4, "does not exist"),
    ],
)
def test_wrong_url_is_told_without_its_password(database_url: str, source_url: str, code: int, told: str) -> None:
    name, separator, rest = database_url.partition("?")
    given = source_url.format(name) + (separator + rest if source_url.startswith("{}") else "")
    found, report, error = take_over(given, database_url, DB_CONNECT_TIMEOUT="1")
    assert (found, report) == (code, {})
    assert told in error
    assert "s3cret" not in error


def test_it_asks_before_it_begins_outside_dev(empty_database_url: str, database_url: str) -> None:
    production = {"ENVIRONMENT": "production", "LOG_FORMAT": "json"}
    code, report, error = take_over(empty_database_url, database_url, **production)
    assert (code, report) == (2, {})
    assert "There is no terminal to ask on: add --no-prompt." in error
    code, report, _ = take_over(empty_database_url, database_url, "--no-prompt", **production)
    assert (code, len(report["problems"])) == (1, 1)


def test_database_that_is_another_ones_is_told(database_url: str, empty_database_url: str) -> None:
    for source in (empty_database_url, database_url):
        code, report, _ = take_over(source, database_url, "--check")
        assert (code, [each["told"].partition(": ")[2] for each in report["problems"]]) == (
            1,
            ["is it another database?"],
        )
    code, _, error = take_over(database_url, empty_database_url, "--check")
    assert code == 3
    assert "run `litestar database upgrade` first" in error


def test_lost_connection_to_the_old_database_leaves_nothing(
    old: CompleteDatabase, database_url: str, tmp_path: Path
) -> None:
    before = digests(database_url)
    log = tmp_path / "log"
    sessions = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'plimsoll import'"
    with ExitStack() as held:
        wait = held.enter_context(holding(database_url, "LOCK TABLE activity_events IN SHARE MODE"))
        with running((*COMMAND, old.url), environment(DATABASE_URL=database_url), ROOT, log) as process:
            wait()
            assert query(old.url, f"SELECT pg_terminate_backend(pid) {sessions}") == [(True,)]
            held.close()
            assert process.wait() == 4
    assert f"{make_url(old.url).database} was lost" in log.read_text()
    assert digests(database_url) == before


async def test_copy_ends_where_the_server_goes_while_it_reads_nothing(database_url: str) -> None:
    url = normalize_database_url(database_url)

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1_000_000

    terminate = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'copying'"
    with (
        holding(database_url, "LOCK TABLE organizations IN SHARE MODE") as wait,
        # That it is lost is an error of its closing, too.
        suppress(DatabaseUnreachableError),
    ):
        async with open_connection(url, PATIENCE, "copying") as connection:
            await connection.execute(text("SELECT 1"))
            copying = asyncio.create_task(Target(connection, url).copy_in("organizations", ["name"], endless()))
            await asyncio.to_thread(wait)
            query(database_url, terminate)
            await asyncio.wait({copying}, timeout=PATIENCE)
    assert isinstance(copying.exception(), DatabaseUnreachableError)


def test_schema_that_is_not_at_its_head_is_told(old: CompleteDatabase, database_url: str) -> None:
    for statement in (
        "DROP TABLE task_fingerprints, alembic_version",
        "ALTER TABLE boards DROP COLUMN max_agents, ADD COLUMN motto text",
        "ALTER TABLE approvals ALTER confidence TYPE integer",
        'CREATE TABLE "par\x1b[2Jrots" (id uuid)',
    ):
        query(old.url, statement)
    code, report, _ = take_over(old.url, database_url)
    assert code == 1
    assert [(each["table"], each["told"].partition(":")[0]) for each in report["problems"]] == [
        ("approvals", "the column confidence is integer, and not double precision"),
        ("boards", "the column max_agents is missing"),
        ("task_fingerprints", "the table is missing"),
    ]
    assert [(each["table"], each["told"].partition(" stays behind")[0]) for each in report["notes"]] == [
        ("boards", "the column motto"),
        ("par [2Jrots", "the table"),
    ]


def test_role_that_may_not_read_a_table_or_its_rows_is_told(
    old: CompleteDatabase, database_url: str, administer: Callable[[str], None]
) -> None:
    role = f"reader_{uuid4().hex}"
    administer(f"CREATE ROLE {role} LOGIN")
    url = make_url(old.url).set(username=role).render_as_string(hide_password=False)
    query(old.url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    query(old.url, f"REVOKE SELECT ON tasks, alembic_version FROM {role}")
    code, report, _ = take_over(url, database_url)
    assert (code, [(each["table"], each["told"]) for each in report["problems"]]) == (
        1,
        [("tasks", "the role in URL may not read all of it: GRANT it SELECT")],
    )
    query(old.url, f"GRANT SELECT ON tasks TO {role}; ALTER TABLE tasks ENABLE ROW LEVEL SECURITY")
    code, _, error = take_over(url, database_url)
    assert code == 3
    assert 'would be affected by row-level security policy for table "tasks"' in error
    query(old.url, f"DROP OWNED BY {role}")
    administer(f"DROP ROLE {role}")


def test_old_database_in_another_encoding_is_told(
    database_url: str, server_url: str, administer: Callable[[str], None]
) -> None:
    name = f"latin_{uuid4().hex}"
    administer(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    code, report, _ = take_over(
        make_url(server_url).set(database=name).render_as_string(hide_password=False), database_url
    )
    administer(f"DROP DATABASE {name} WITH (FORCE)")
    assert (code, len(report["problems"])) == (1, 1)
    assert "its encoding is LATIN1, and not UTF8" in report["problems"][0]["told"]


def test_every_trouble_is_told_with_its_rows_and_nothing_is_taken_over(
    empty_database_url: str, database_url: str
) -> None:
    troubled = TroubledDatabase(empty_database_url)
    insert(database_url, "users", subject="u")
    before = digests(database_url)
    (person,) = (row for row in troubled.database.rows["users"] if row["clerk_user_id"] == "u")
    told = "has signed in to this database before, as another user: use an empty database"
    troubled.expect(told, "users", person)
    code, report, _ = take_over(empty_database_url, database_url)
    assert (code, report["imported"]) == (1, False)
    assert {(each["table"], each["told"], frozenset(each["ids"])) for each in report["problems"]} == troubled.expected
    assert all(each["rows"] == len(each["ids"]) for each in report["problems"])
    assert digests(database_url) == before
    human = run(*COMMAND, empty_database_url, env=environment(DATABASE_URL=database_url))
    assert human.returncode == 1
    assert f"  boards: max_agents is below 0 (1 row): {troubled.database.rows['boards'][2]['id']}\n" in human.stdout

"""`litestar users`, as an operator types it."""

import json
from uuid import uuid4

import httpx
import pytest
from click.testing import CliRunner
from litestar import Litestar

from app.cli.users import users as commands
from tests.conftest import client_of
from tests.support.api import ME, issue
from tests.support.database import insert, query
from tests.support.processes import environment, run, shown_on_a_terminal
from tests.support.sse import reading


def users(url: str, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error; it needs nothing that only serving does."""
    done = run("litestar", "users", *arguments, env=environment(DATABASE_URL=url, LOCAL_AUTH_TOKEN=None))
    return done.returncode, done.stdout, done.stderr


async def test_user_and_token_from_the_command_line_are_good_for_the_api_until_revoked(
    app: Litestar, database_url: str
) -> None:
    code, made, _ = users(database_url, "create", "--name", "Ahab", "--email", "Ahab@example.org")
    assert code == 0
    code, token, _ = users(
        database_url, "token", "ahab@EXAMPLE.org", "--name", "ship", "--scope", "read", "--days", "3"
    )
    assert code == 0
    async with client_of(app, token.strip()) as client:
        me = (await client.get(ME)).json()
        assert (me["id"], me["name"], me["email"]) == (made.strip(), "Ahab", "Ahab@example.org")
        assert (await client.get("/api/v1/organizations/me")).json()["name"] == "Personal"
        assert (await client.patch(ME, json={"name": "Moby"})).status_code == 403
        (listed,) = json.loads(users(database_url, "list", "--json")[1])
        assert (listed["id"], listed["subject"], listed["tokens"]) == (made.strip(), made.strip(), 1)
        (shown,) = json.loads(users(database_url, "tokens", made.strip(), "--json")[1])
        assert (shown["name"], shown["scope"]) == ("ship", "read")
        assert shown["last_used_at"]
        code, _, told = users(database_url, "revoke", shown["id"])
        assert (code, told) == (0, "Revoked ship.\n")
        assert (await client.get(ME)).status_code == 401
    assert token.strip() not in str(query(database_url, "SELECT personal_tokens::text FROM personal_tokens"))
    assert "There is none" in users(database_url, "tokens", made.strip())[2]


async def test_revoking_on_the_command_line_ends_streams_too(
    app: Litestar, client: httpx.AsyncClient, tasks_url: str, database_url: str
) -> None:
    made = await issue(client)
    async with reading(app, f"{tasks_url}/stream", token=made["token"]) as stream:
        assert users(database_url, "revoke", made["id"])[0] == 0
        assert await stream.block() is None


def test_list_is_one_line_a_user(database_url: str) -> None:
    for name in ("Ahab", "Starbuck [mate]"):
        assert users(database_url, "create", "--name", name, "--subject", name)[0] == 0
    head, *rows = users(database_url, "list")[1].splitlines()
    assert head.split() == ["id", "subject", "name", "email", "tokens", "created_at"]
    assert [row[38:].split("  ")[0].strip() for row in rows] == ["Ahab", "Starbuck [mate]"]
    narrow = shown_on_a_terminal("litestar", "users", "list", env=environment(DATABASE_URL=database_url), columns=80)
    assert all(row.split()[0] in narrow for row in rows)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("create", "--name", " "), 2, "It is empty"),
        (("create", "--name", "A", "--email", "nobody"), 2, "no e-mail address"),
        (("create", "--name", "Again", "--subject", "taken"), 1, "subject already"),
        (("token", "nobody", "--name", "a"), 1, "No user has the id, subject or e-mail address nobody."),
        (("token", "two@example.org", "--name", "a"), 1, "Several users have the e-mail address"),
        (("token", "taken", "--name", "a", "--scope", "admin"), 2, "'admin' is not one of 'read', 'write'"),
        (("token", "taken", "--name", "a", "--days", "0"), 2, "0 is not in the range"),
        (("revoke", str(uuid4())), 1, "There is no token"),
        (("revoke", "x"), 2, "not a valid UUID"),
    ],
)
def test_refusal_is_one_message_and_changes_nothing(
    database_url: str, arguments: tuple[str, ...], code: int, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for subject in ("taken", "other"):
        insert(database_url, "users", subject=subject, email="two@example.org")
    monkeypatch.setenv("DATABASE_URL", database_url)
    result = CliRunner().invoke(commands, arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in " ".join(result.stderr.replace("│", "").split())
    assert query(database_url, "SELECT count(*) FROM users") == [(2,)]
    assert query(database_url, "SELECT count(*) FROM personal_tokens") == [(0,)]


def test_database_that_is_behind_or_away_is_told_of(empty_database_url: str) -> None:
    code, _, told = users(empty_database_url, "list")
    assert code == 3
    assert "is behind this release: run `litestar database upgrade` first" in told
    away = environment(DATABASE_URL="postgresql://u:hidden@127.0.0.1:9/x", DB_CONNECT_TIMEOUT="0.2")
    done = run("litestar", "users", "list", env=away)
    assert (done.returncode, "hidden" in done.stderr, "cannot be reached" in done.stderr) == (4, False, True)

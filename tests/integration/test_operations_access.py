"""Who may see the operations page, and that nobody else learns whether it is there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest

from app.api.http import auth
from app.core.settings import Environment, Settings
from app.postgres.secret import Secret
from app.services.rate_limits import Limit
from tests.conftest import TOKEN, application_at_head, client_of, settings_for, started
from tests.support.api import issue
from tests.support.database import holding, query

pytestmark = pytest.mark.own_database

OPERATIONS = "operati0ns-" * 6
PAGE, EVENTS, ASSET = "/operations", "/operations/events", "/operations/assets/operations.css"


@pytest.fixture
def settings(database_url: str) -> Settings:
    return settings_for(database_url, operations_token=Secret(OPERATIONS))


@asynccontextmanager
async def serving(settings: Settings, **changes: object) -> AsyncIterator[httpx.AsyncClient]:
    """A client without a token of an application with these settings."""
    application = application_at_head(msgspec.structs.replace(settings, operations_token=None, **changes))
    async with started(application), client_of(application, token=None) as client:
        yield client


async def test_token_lets_in_as_the_password_and_as_the_bearer(client: httpx.AsyncClient) -> None:
    for path in (PAGE, ASSET):
        by_password = await client.get(path, auth=("anybody", OPERATIONS), headers={"Authorization": ""})
        by_bearer = await client.get(path, headers={"Authorization": f"Bearer {OPERATIONS}"})
        assert (by_password.status_code, by_bearer.status_code) == (200, 200)
        assert by_bearer.headers["cache-control"] == "no-store"
        assert by_bearer.headers["x-frame-options"] == "DENY"
        (policy,) = by_bearer.headers.get_list("content-security-policy")
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';" if path == PAGE else "")
        assert "unsafe" not in policy


async def test_other_tokens_are_asked_for_a_password(client: httpx.AsyncClient) -> None:
    del client.headers["authorization"]
    personal = "Bearer plp_" + "x" * 43
    for given in (
        None,
        f"Bearer {TOKEN}",
        "Bearer x",
        "Bearer é",
        "Basic",
        "Basic x",
        "Basic é",
        "Basic " + "/" * 12,
        "Digest x",
        personal,
    ):
        for path in (PAGE, EVENTS, ASSET):
            answer = await client.get(path, headers={b"Authorization": given.encode()} if given else {})
            assert answer.status_code == 401, (given, path)
            assert answer.headers["www-authenticate"].startswith('Basic realm="')


async def test_failed_attempts_are_limited_and_the_right_token_is_not(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "FAILED_SIGN_INS", Limit("operations", 2, auth.FAILED_SIGN_INS.window))
    wrong = {"Authorization": "Bearer wrong"}
    answers = [(await client.get(PAGE, headers=wrong)).status_code for _ in range(3)]
    assert answers == [401, 401, 429]
    assert (await client.get(ASSET, headers={"Authorization": f"Bearer {OPERATIONS}"})).status_code == 200


async def test_without_a_token_set_there_is_nothing_but_for_super_admins(
    client: httpx.AsyncClient, settings: Settings, database_url: str
) -> None:
    personal = (await issue(client))["token"]
    async with serving(settings) as anonymous:
        asked = {"Authorization": f"Bearer {personal}"}
        given: tuple[dict[str, str], ...] = ({}, asked, {"Authorization": f"Bearer {OPERATIONS}"})
        assert [(await anonymous.get(ASSET, headers=headers)).status_code for headers in given] == [404, 404, 404]
        query(database_url, "UPDATE users SET is_super_admin = true")
        assert (await anonymous.get(ASSET, headers=asked)).status_code == 200
        assert (await anonymous.get(ASSET, auth=("me", personal))).status_code == 200


async def test_super_admin_waits_for_no_migration_that_locks_the_users(
    client: httpx.AsyncClient, database_url: str
) -> None:
    personal = (await issue(client))["token"]
    query(database_url, "UPDATE users SET is_super_admin = true")
    asked = {"Authorization": f"Bearer {personal}"}
    with holding(database_url, "LOCK TABLE users"):
        answer = await client.get(ASSET, headers=asked)
        assert (await client.get(ASSET, headers={"Authorization": f"Bearer {OPERATIONS}"})).status_code == 200
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert "sign in with OPERATIONS_TOKEN" in answer.json()["detail"]
    assert (await client.get(ASSET, headers=asked)).status_code == 200


async def test_in_dev_the_page_is_open_to_this_machine_alone(settings: Settings) -> None:
    rows: list[tuple[str, dict[str, str], str, int]] = [
        ("localhost:8000", {}, "127.0.0.1", 200),
        ("127.0.0.1", {}, "127.0.0.1", 200),
        ("[::1]:8000", {}, "::1", 200),
        # Another site's name that leads here.
        ("evil.example:8000", {}, "127.0.0.1", 404),
        ("localhost", {}, "192.0.2.1", 404),
        # A proxy on this machine speaks for somebody.
        ("localhost", {"X-Forwarded-For": "192.0.2.1"}, "127.0.0.1", 404),
        ("localhost", {"Forwarded": "for=192.0.2.1"}, "127.0.0.1", 404),
        # Another site's page, which CORS may allow to read the API.
        ("localhost", {"Origin": "https://evil.example"}, "127.0.0.1", 404),
        ("localhost", {"Authorization": "Bearer wrong"}, "127.0.0.1", 404),
    ]
    async with serving(settings, environment=Environment.DEV) as anonymous:
        transport = anonymous._transport
        assert isinstance(transport, httpx.ASGITransport)
        for host, headers, address, expected in rows:
            transport.client = (address, 50_000)
            answer = await anonymous.get(ASSET, headers={"Host": host, **headers})
            assert answer.status_code == expected, (host, headers, address)


async def test_elsewhere_the_page_is_not_open_to_this_machine(settings: Settings) -> None:
    async with serving(settings) as anonymous:
        assert (await anonymous.get(PAGE, headers={"Host": "localhost"})).status_code == 404


async def test_unknown_file_is_not_found(client: httpx.AsyncClient) -> None:
    signed_in = {"Authorization": f"Bearer {OPERATIONS}"}
    for name in ("nothing.css", "..%2Froutes.py", "%00"):
        assert (await client.get(f"/operations/assets/{name}", headers=signed_in)).status_code == 404

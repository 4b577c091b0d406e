"""Personal access tokens: what they let in, for how long, and who makes them; and sign-ins that fail."""

import asyncio
import re
from typing import Any, cast

import httpx
import pytest
from litestar import Litestar

from app.api.http import auth
from app.services import stream_hub
from app.services.rate_limits import Limit
from tests.conftest import client_of
from tests.integration.conftest import SignIn, Staff
from tests.support.api import ME, TOKENS, issue, register
from tests.support.database import holding, query
from tests.support.sent_statements import statements
from tests.support.sse import reading
from tests.support.waiting import PATIENCE

GONE = ("unauthorized", "This token is not known, or no longer good.")


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


async def test_token_is_shown_once_and_kept_as_a_hash(client: httpx.AsyncClient, database_url: str) -> None:
    answer = await client.post(TOKENS, json={"name": " Laptop ", "expires_at": "2999-01-01T00:00:00+01:00"})
    made = answer.json()
    token = made.pop("token")
    assert re.fullmatch(r"plp_[\w-]{43}", token)
    assert (made["name"], made["scope"], made["expires_at"]) == ("Laptop", "write", "2998-12-31T23:00:00Z")
    assert answer.headers["cache-control"] == "no-store"
    one, listed = await client.get(answer.headers["location"]), await client.get(TOKENS)
    assert one.json() == made
    assert (listed.json()["items"], listed.json()["total"]) == ([made], 1)
    ((stored, event),) = query(
        database_url, "SELECT personal_tokens::text, activity_events::text FROM personal_tokens, activity_events"
    )
    assert token not in str(stored) + str(event)
    assert "token.created" in str(event)
    assert "Laptop" not in str(event)


async def test_token_signs_its_owner_in_from_anywhere_and_says_when_it_was_used(
    app: Litestar, client: httpx.AsyncClient, me: dict[str, Any], database_url: str
) -> None:
    made, unused = await issue(client), await issue(client)
    assert made["last_used_at"] is None
    async with client_of(app, made["token"]) as laptop:
        assert (await laptop.get(ME)).json() == me
        used = (await client.get(f"{TOKENS}/{made['id']}")).json()["last_used_at"]
        assert used is not None
        assert (await laptop.post("/api/v1/boards", json={"name": "D", "slug": "d", "description": ""})).is_success
        assert (await client.get(f"{TOKENS}/{made['id']}")).json()["last_used_at"] == used, "once a minute"
        query(database_url, "UPDATE personal_tokens SET last_used_at = last_used_at - interval '1 minute'")
        await laptop.get(ME)
        assert (await client.get(f"{TOKENS}/{made['id']}")).json()["last_used_at"] > used
    assert (await client.get(f"{TOKENS}/{unused['id']}")).json()["last_used_at"] is None


async def test_two_requests_with_one_token_do_not_wait_for_each_other(
    app: Litestar, client: httpx.AsyncClient, database_url: str
) -> None:
    made = await issue(client)
    async with client_of(app, made["token"]) as laptop:
        # What another request holds that has noted its use and is not done yet.
        with holding(database_url, "SELECT id FROM personal_tokens FOR UPDATE"):
            async with asyncio.timeout(PATIENCE):
                assert (await laptop.get(ME)).status_code == 200
    assert (await client.get(f"{TOKENS}/{made['id']}")).json()["last_used_at"] is None


async def test_signing_in_by_token_is_one_statement(app: Litestar, client: httpx.AsyncClient) -> None:
    made = await issue(client)
    async with client_of(app, made["token"]) as laptop:
        await laptop.get(ME)
        assert await statements(app, laptop, ME) == 2, "who it is, and the whole of him"


async def test_token_for_reading_only_reads(app: Litestar, client: httpx.AsyncClient, tasks_url: str) -> None:
    made = await issue(client, scope="read")
    async with client_of(app, made["token"]) as reader:
        assert (await reader.get(tasks_url)).status_code == 200
        for answer in (
            await reader.post(tasks_url, json={"title": "Paint"}),
            await reader.post(tasks_url, content=b"{"),
            await reader.patch(ME, json={"name": "Somebody"}),
            await reader.delete(ME),
            await reader.delete(f"{TOKENS}/{made['id']}"),
        ):
            assert refusal(answer) == (403, "read_only_token")
            assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="write"'
    assert (await client.get(tasks_url)).json()["total"] == 0


async def test_token_makes_no_others_but_may_revoke_itself(app: Litestar, client: httpx.AsyncClient) -> None:
    made = await issue(client)
    async with client_of(app, made["token"]) as laptop:
        assert refusal(await laptop.post(TOKENS, json={"name": "Another"})) == (403, "sign_in_needed")
        assert (await laptop.delete(f"{TOKENS}/{made['id']}")).status_code == 204
        answer = await laptop.get(ME)
        assert (answer.status_code, answer.json()["code"], answer.json()["detail"]) == (401, *GONE)


async def test_expired_token_is_as_one_that_never_was(
    app: Litestar, client: httpx.AsyncClient, database_url: str
) -> None:
    made = await issue(client, expires_at="2999-01-01T00:00:00Z")
    async with client_of(app, made["token"]) as laptop:
        assert (await laptop.get(ME)).status_code == 200
        query(database_url, "UPDATE personal_tokens SET expires_at = now()")
        expired = (await laptop.get(ME)).json()
    async with client_of(app, "plp_" + "x" * 43) as guess:
        unknown = (await guess.get(ME)).json()
    for differs in ("request_id",):
        assert expired.pop(differs) != unknown.pop(differs)
    assert expired == unknown
    assert (expired["code"], expired["detail"]) == GONE
    assert (await client.get(TOKENS)).json()["total"] == 1, "its owner still sees that there was one"


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "a", "scope": "admin"}, "/scope"),
        ({"name": "a", "expires_at": "2001-01-01T00:00:00Z"}, "/expires_at"),
        ({"name": "a", "expires_at": "2999-01-01T00:00:00"}, "/expires_at"),
        ({"name": "a", "expires": "never"}, "/expires"),
    ],
)
async def test_what_a_token_cannot_be(client: httpx.AsyncClient, fields: dict[str, Any], pointer: str) -> None:
    answer = await client.post(TOKENS, json=fields)
    assert refusal(answer) == (400, "validation_error")
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


async def test_tokens_are_their_owners_alone(
    client: httpx.AsyncClient, staff: Staff, crew: dict[str, Any], signed_in: SignIn, database_url: str
) -> None:
    staff.join("owner")
    others = (
        "INSERT INTO personal_tokens (id, user_id, name, scope, token_hash)"
        " SELECT gen_random_uuid(), user_id, 'theirs', 'write', 'x' FROM organization_members"
        " WHERE user_id <> :mine RETURNING id"
    )
    ((theirs,),) = query(database_url, others, mine=staff.my_user)
    assert (await client.get(TOKENS)).json()["total"] == 0
    for answer in (await client.get(f"{TOKENS}/{theirs}"), await client.delete(f"{TOKENS}/{theirs}")):
        assert refusal(answer) == (404, "not_found")
    agent = await signed_in(await register(client, crew))
    for answer in (await agent.get(TOKENS), await agent.post(TOKENS, json={"name": "a"})):
        assert refusal(answer) == (403, "people_only")
    assert query(database_url, "SELECT count(*) FROM personal_tokens") == [(1,)]


async def test_revoked_token_is_out_of_its_streams_at_once(
    app: Litestar, client: httpx.AsyncClient, tasks_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_hub, "_POLL_EVERY", 3600.0)
    made, kept = await issue(client), await issue(client)
    async with (
        reading(app, f"{tasks_url}/stream", token=made["token"]) as revoked,
        reading(app, f"{tasks_url}/stream", token=kept["token"]) as other,
    ):
        await client.post(tasks_url, json={"title": "before"})
        assert (await revoked.next()).data["task"]["title"] == "before"
        assert (await other.next()).data["task"]["title"] == "before"
        assert (await client.delete(f"{TOKENS}/{made['id']}")).status_code == 204
        assert await revoked.block() is None
        await client.post(tasks_url, json={"title": "after"})
        assert (await other.next()).data["task"]["title"] == "after"


async def test_leaving_takes_the_tokens_along(app: Litestar, client: httpx.AsyncClient, database_url: str) -> None:
    made = await issue(client)
    async with client_of(app, made["token"]) as laptop:
        assert (await laptop.delete(ME)).status_code == 204
        assert (await laptop.get(ME)).status_code == 401
    assert query(database_url, "SELECT count(*) FROM personal_tokens") == [(0,)]


@pytest.mark.parametrize("token", ["nonsense", "plp_nonsense", "pla_nonsense"])
async def test_failed_sign_ins_of_one_address_are_limited_for_all_processes_together(
    app: Litestar, client: httpx.AsyncClient, token: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = auth.FAILED_SIGN_INS
    monkeypatch.setattr(auth, "FAILED_SIGN_INS", Limit(limit.name, 3, limit.window))
    async with client_of(app, token) as guess:
        answers = [await guess.get(ME) for _ in range(5)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert answers[-1].json()["code"] == "too_many_requests"
        assert query(database_url, "SELECT count FROM rate_limits") == [(5,)], "those that are refused count, too"
        # Others who share the address are let in.
        assert (await client.get(ME)).status_code == 200
        elsewhere = httpx.ASGITransport(cast("Any", app), raise_app_exceptions=False, client=("192.0.2.7", 1))
        async with httpx.AsyncClient(transport=elsewhere, base_url="http://plimsoll.test") as other:
            assert (await other.get(ME, headers=dict(guess.headers))).status_code == 401
            assert (await other.get(ME)).status_code == 401, "no token is no guess"
        # By a socket of the file system, which has no address.
        local = httpx.ASGITransport(cast("Any", app), raise_app_exceptions=False, client=cast("Any", None))
        async with httpx.AsyncClient(transport=local, base_url="http://plimsoll.test") as other:
            assert (await other.get(ME, headers=dict(guess.headers))).status_code == 401

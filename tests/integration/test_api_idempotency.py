"""`Idempotency-Key`: what is sent again is answered again, and done once."""

import asyncio
import base64
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import event

from app.db.plugin import DatabasePlugin
from app.repositories.idempotency import KEPT_FOR
from tests.conftest import client_of
from tests.integration.conftest import SignIn, Staff
from tests.support.api import AGENTS, register
from tests.support.database import holding, query
from tests.support.furnished import Furnished, People, digests, furnish
from tests.support.operations import TEXTS, Answer, Operation, ask, operations
from tests.support.rights import Caller, may

KEY = {"Idempotency-Key": "0b6c1f4e-8a1d-4f0e-9f7d-9d8f1b1f6b1a"}


async def count(client: httpx.AsyncClient, url: str) -> int:
    return int((await client.get(url)).json()["total"])


async def test_request_that_is_sent_again_has_the_same_answer_and_is_done_once(
    client: httpx.AsyncClient, tasks_url: str
) -> None:
    first = await client.post(tasks_url, json={"title": "Splice"}, headers=KEY)
    assert (first.status_code, "idempotent-replayed" in first.headers) == (201, False)
    again = await client.post(tasks_url, json={"title": "Splice"}, headers=KEY)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert again.content == first.content
    for name in ("location", "etag", "content-type"):
        assert again.headers[name] == first.headers[name]
    assert await count(client, tasks_url) == 1


async def test_no_connection_is_held_while_an_answer_is_sent_again(
    app: Litestar, client: httpx.AsyncClient, tasks_url: str
) -> None:
    pool, own, taken, held = app.plugins.get(DatabasePlugin).engine.pool, asyncio.current_task(), 0, []
    # Of the requests alone: what goes on beside them takes connections, too.
    records = set[object]()

    def take(_: object, record: object, __: object) -> None:
        nonlocal taken
        if asyncio.current_task() is own:
            taken += 1
            records.add(record)

    event.listen(pool, "checkout", take)
    event.listen(pool, "checkin", lambda _, record: records.discard(record))

    async def spy(scope: Any, receive: Any, send: Any) -> None:
        async def spying_send(message: Any) -> None:
            held.append(len(records))
            await send(message)

        await app(scope, receive, spying_send)

    transport, headers = httpx.ASGITransport(spy), {**client.headers, **KEY}
    async with httpx.AsyncClient(transport=transport, base_url=str(client.base_url), headers=headers) as spied:
        answers = [await spied.post(tasks_url, json={"title": "Splice"}) for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert taken
    assert set(held) == {0}


async def test_another_key_or_none_is_another_request(client: httpx.AsyncClient, tasks_url: str) -> None:
    for headers in (KEY, {"Idempotency-Key": "another"}, {}, {}):
        assert (await client.post(tasks_url, json={"title": "Splice"}, headers=headers)).status_code == 201
    assert await count(client, tasks_url) == 4


async def test_key_of_another_request_is_refused(client: httpx.AsyncClient, tasks_url: str) -> None:
    await client.post(tasks_url, json={"title": "Splice"}, headers=KEY)
    for url, body in ((tasks_url, {"title": "Other"}), ("/api/v1/tags", {"name": "Splice"})):
        refused = await client.post(url, json=body, headers=KEY)
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


async def test_key_is_each_callers_own(
    client: httpx.AsyncClient, crew: dict[str, Any], signed_in: SignIn, tasks_url: str
) -> None:
    agent = await signed_in(await register(client, crew))
    for caller in (client, agent):
        response = await caller.post(tasks_url, json={"title": "Splice"}, headers=KEY)
        assert (response.status_code, "idempotent-replayed" in response.headers) == (201, False)


async def test_request_that_failed_may_be_sent_again(client: httpx.AsyncClient, tasks_url: str) -> None:
    wrong = await client.post(tasks_url, json={"title": ""}, headers=KEY)
    assert wrong.status_code == 400
    right = await client.post(tasks_url, json={"title": "Splice"}, headers=KEY)
    assert (right.status_code, "idempotent-replayed" in right.headers) == (201, False)


async def test_second_request_is_refused_while_the_first_is_carried_out(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    body = {"title": "Splice", "status": "in_progress"}
    with holding(database_url, "SELECT 1 FROM boards FOR UPDATE") as wait:
        first = asyncio.create_task(client.post(tasks_url, json=body, headers=KEY))
        await asyncio.to_thread(wait, 1)
        second = await client.post(tasks_url, json=body, headers=KEY)
        assert (second.status_code, second.json()["code"]) == (409, "idempotency_key_in_flight")
    assert (await first).status_code == 201
    assert (await client.post(tasks_url, json=body, headers=KEY)).headers["idempotent-replayed"] == "true"
    assert await count(client, tasks_url) == 1


async def test_answer_is_kept_for_a_day_and_then_forgotten(
    client: httpx.AsyncClient, tasks_url: str, database_url: str
) -> None:
    await client.post(tasks_url, json={"title": "Splice"}, headers=KEY)
    age = "UPDATE idempotent_responses SET created_at = now() - CAST(:age AS interval)"
    query(database_url, age, age=f"{KEPT_FOR.total_seconds() - 60} s")
    assert "idempotent-replayed" in (await client.post(tasks_url, json={"title": "Splice"}, headers=KEY)).headers
    query(database_url, age, age=f"{KEPT_FOR.total_seconds() + 60} s")
    fresh = await client.post(tasks_url, json={"title": "Splice"}, headers=KEY)
    assert (fresh.status_code, "idempotent-replayed" in fresh.headers) == (201, False)
    query(database_url, age, age=f"{KEPT_FOR.total_seconds() + 60} s")
    await client.post(tasks_url, json={"title": "Splice"}, headers={"Idempotency-Key": "later"})
    assert query(database_url, "SELECT count(*) FROM idempotent_responses") == [(1,)]


async def test_token_that_is_shown_once_is_replayed_but_not_to_be_read_in_the_database(
    client: httpx.AsyncClient, crew: dict[str, Any], database_url: str
) -> None:
    body = {"name": "Bosun", "board_id": crew["id"]}
    first = await client.post(AGENTS, json=body, headers=KEY)
    again = await client.post(AGENTS, json=body, headers=KEY)
    assert again.json() == first.json()
    assert (again.headers["cache-control"], first.json()["token"][:4]) == ("no-store", "pla_")
    ((stored,),) = query(database_url, "SELECT response FROM idempotent_responses")
    token = first.json()["token"].encode()
    assert token not in bytes(stored)
    assert base64.b64encode(token) not in bytes(stored)


async def test_answer_that_cannot_be_opened_is_as_if_it_were_not_there(
    client: httpx.AsyncClient, tasks_url: str, database_url: str
) -> None:
    await client.post(tasks_url, json={"title": "Splice"}, headers=KEY)
    query(database_url, "UPDATE idempotent_responses SET response = response || '\\x00'::bytea")
    response = await client.post(tasks_url, json={"title": "Splice"}, headers=KEY)
    assert (response.status_code, "idempotent-replayed" in response.headers) == (201, False)


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256])
async def test_key_is_visible_ascii(client: httpx.AsyncClient, tasks_url: str, key: str) -> None:
    response = await client.post(tasks_url, json={"title": "x"}, headers=[(b"Idempotency-Key", key.encode())])
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "Idempotency-Key"


async def test_other_methods_know_no_key(app: Litestar, client: httpx.AsyncClient, tasks_url: str) -> None:
    task = (await client.post(tasks_url, json={"title": "Splice"})).json()
    url = f"{tasks_url}/{task['id']}"
    for title in ("A", "B"):
        assert (await client.patch(url, json={"title": title}, headers=KEY)).json()["title"] == title


async def test_key_belongs_to_the_kind_of_credential(
    app: Litestar, client: httpx.AsyncClient, staff: Staff, tasks_url: str, database_url: str
) -> None:
    people = People(database_url)
    first, second = [people.token(str(staff.my_user)).secret for _ in range(2)]
    replayed = []
    await client.post(tasks_url, json={"title": "Splice"}, headers=KEY)
    for token in (first, second):
        async with client_of(app, token) as caller:
            answer = await caller.post(tasks_url, json={"title": "Splice"}, headers=KEY)
            replayed.append((answer.status_code, "idempotent-replayed" in answer.headers))
    assert replayed == [(201, False), (201, True)]
    assert await count(client, tasks_url) == 2


async def test_answer_with_a_secret_is_not_shown_to_another_credential(
    app: Litestar, client: httpx.AsyncClient, crew: dict[str, Any], staff: Staff, database_url: str
) -> None:
    tokens, body = "/api/v1/users/me/tokens", {"name": "Laptop"}
    made = (await client.post(tokens, json=body, headers=KEY)).json()
    async with client_of(app, made["token"]) as laptop:
        refused = await laptop.post(tokens, json=body, headers=KEY)
        assert (refused.status_code, refused.json()["code"]) == (403, "sign_in_needed")
        body = {"name": "Bosun", "board_id": crew["id"]}
        first = await laptop.post(AGENTS, json=body, headers=KEY)
        async with client_of(app, People(database_url).token(str(staff.my_user)).secret) as other:
            refused = await other.post(AGENTS, json=body, headers=KEY)
        assert (refused.status_code, refused.json()["code"]) == (403, "idempotency_key_of_another_token")
        assert (await laptop.post(AGENTS, json=body, headers=KEY)).json() == first.json()
    assert await count(client, AGENTS) == 1


async def test_key_belongs_to_the_organization(client: httpx.AsyncClient, board: dict[str, Any]) -> None:
    async def switch(organization: str) -> None:
        body = {"organization_id": organization}
        assert (await client.patch("/api/v1/organizations/me/active", json=body)).status_code == 200

    async def make() -> tuple[int, str, bool]:
        body = {"name": "Voyage", "slug": "voyage", "description": ""}
        answer = await client.post("/api/v1/boards", json=body, headers=KEY)
        return answer.status_code, answer.json()["organization_id"], "idempotent-replayed" in answer.headers

    here = board["organization_id"]
    assert await make() == (201, here, False)
    there = (await client.post("/api/v1/organizations", json={"name": "Second"})).json()["id"]
    assert await make() == (201, there, False)
    await switch(here)
    assert await make() == (201, here, True)
    await switch(there)
    assert await make() == (201, there, True)


async def test_key_belongs_to_the_organization_that_the_request_makes(client: httpx.AsyncClient, staff: Staff) -> None:
    staff.hand_over()
    answers = [await client.post("/api/v1/tags", json={"name": "Rope"}, headers=KEY) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert ["idempotent-replayed" in answer.headers for answer in answers] == [False, True]


async def test_what_changes_the_active_organization_is_done_once(client: httpx.AsyncClient, staff: Staff) -> None:
    answers = [await client.post("/api/v1/organizations", json={"name": "Second"}, headers=KEY) for _ in range(2)]
    assert [answer.json() for answer in answers] == [answers[0].json()] * 2
    staff.hand_over()
    assert len((await client.get("/api/v1/organizations/me/list")).json()) == 1


async def test_accepted_invite_is_answered_again_to_a_member_alone(client: httpx.AsyncClient, staff: Staff) -> None:
    invites, members = "/api/v1/organizations/me/invites", "/api/v1/organizations/me/members"
    token = (await client.post(invites, json={"invited_email": "ada@example.com"})).json()["token"]
    staff.hand_over()
    accept: dict[str, Any] = {"url": "/api/v1/organizations/invites/accept", "json": {"token": token}, "headers": KEY}
    joined, again = await client.post(**accept), await client.post(**accept)
    assert (again.status_code, again.content) == (201, joined.content)
    assert (await client.delete(f"{members}/{joined.json()['id']}")).status_code == 204
    left = await client.post(**accept)
    assert (left.status_code, left.json()["code"]) == (409, "invite_used")


class Walk:
    """Every operation on which there may be a key, as one caller sends it, with ids of what he was furnished with."""

    def __init__(self, app: Litestar, database_url: str, place: Furnished, texts: dict[str, str]) -> None:
        self._app = app
        self._url = database_url
        self._place = place
        self._texts = {**TEXTS, **texts}
        # What the caller may do in the organization that they fall back to.
        self.elsewhere: set[str] = set()
        self.operations = [one for one in operations(app) if one.method == "POST" and not one.is_public]

    async def send(self, operation: Operation, headers: dict[str, str]) -> Answer:
        request = operation.request(self._place.ids, {}, set(), self._texts)
        return await ask(self._app, operation, request, {**headers, "idempotency-key": operation.id}, "127.0.0.1")

    async def twice(self, caller: Caller, board: str) -> dict[str, bytes]:
        """By operation what was answered to it, the same both times, of all that the caller may do."""
        found = {}
        for operation in self.operations:
            # These change who the caller is, or where.
            if operation.id in {"create_organization", "renew_agent_token"} or not may(caller, operation, board):
                continue
            # Only one that is pending may name a task.
            query(self._url, "UPDATE approval_tasks SET is_pending = false")
            first, again = [await self.send(operation, caller.headers) for _ in range(2)]
            assert first.status in {200, 201}, f"{operation}: {first}"
            assert (again.status, again.body) == (first.status, first.body), f"{operation}: {again}"
            assert again.headers["idempotent-replayed"] == "true", operation
            found[operation.id] = first.body
        return found

    async def once_more(self, caller: Caller, had: dict[str, bytes]) -> set[str]:
        """Of these operations those that were answered as before; the others were refused, or done elsewhere."""
        found = set()
        for operation in self.operations:
            if operation.id not in had:
                continue
            answer = await self.send(operation, caller.headers)
            if "idempotent-replayed" in answer.headers:
                assert answer.body == had[operation.id]
                found.add(operation.id)
            elif operation.id not in self.elsewhere:
                assert answer.status in {403, 404} or answer.code == "unknown_reference", f"{operation}: {answer}"
        return found


# What a plain member may create.
CREATED_BY_MEMBERS = {
    "create_tag",
}


async def test_nothing_is_answered_again_to_who_may_not_do_it_any_more(
    app: Litestar, client: httpx.AsyncClient, staff: Staff, database_url: str
) -> None:
    people = People(database_url)
    home, away = [await furnish(client, word, people.token(str(staff.my_user))) for word in ("Home", "Away")]
    they = people.user()
    people.organization(they)
    async with client_of(app, people.token(they).secret) as theirs:
        invite = (await theirs.post("/api/v1/organizations/me/invites", json={"invited_email": "a@b.example"})).json()
    walk = Walk(app, database_url, home, {"token": invite["token"]})

    user = people.user()
    membership = people.join(str(staff.organization), user, "admin")
    admin = Caller("admin", {"authorization": f"Bearer {people.token(user).secret}"}, "admin", "rw", "rw")
    agent = Caller("agent", {"x-agent-token": home.secrets["agent"]}, "agent", "rw", "")
    had, had_by_agent = await walk.twice(admin, "rw"), await walk.twice(agent, "rw")
    assert len(had) >= 15
    assert len(had_by_agent) >= 15
    before = digests(database_url)

    query(database_url, "UPDATE organization_members SET role = 'member' WHERE id = :id", id=membership)
    assert await walk.once_more(admin, had) == CREATED_BY_MEMBERS | {"accept_invite", "bootstrap"}
    query(database_url, "DELETE FROM organization_members WHERE id = :id", id=membership)
    walk.elsewhere = CREATED_BY_MEMBERS | {"bootstrap"}
    assert await walk.once_more(admin, had) == {"accept_invite"}
    moved = "UPDATE agents SET board_id = :to, is_board_lead = false WHERE id = :id"
    query(database_url, moved, to=away.ids["board"], id=home.ids["agent"])
    # It beats for itself wherever it is.
    assert await walk.once_more(agent, had_by_agent) == {"agent_heartbeat", "heartbeat"}
    changed = {table for table, digest in digests(database_url).items() if digest != before[table]}
    assert changed == {"organization_members", "agents", "tags", "idempotent_responses"}


async def test_answer_about_a_board_that_is_gone_is_not_given_again(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str
) -> None:
    for url, body in ((tasks_url, {"title": "Splice"}), (AGENTS, {"name": "Bosun", "board_id": board["id"]})):
        assert (await client.post(url, json=body, headers={"Idempotency-Key": url})).status_code == 201
    await client.delete(f"/api/v1/boards/{board['id']}")
    gone = [
        await client.post(tasks_url, json={"title": "Splice"}, headers={"Idempotency-Key": tasks_url}),
        await client.post(AGENTS, json={"name": "Bosun", "board_id": board["id"]}, headers={"Idempotency-Key": AGENTS}),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in gone] == [
        (404, "not_found"),
        (400, "unknown_reference"),
    ]

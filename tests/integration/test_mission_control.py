"""With `API_COMPATIBILITY=mission-control` the clients of that backend are answered as its OpenAPI document says."""

import hashlib
import hmac
import json
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar

from app.api.compatibility.fields import GATEWAY_ID
from app.asgi import create_app
from app.core.settings import ApiCompatibility, Settings
from tests.conftest import settings_for
from tests.support.api import AGENTS, BOARDS, GROUPS, ME, MINIMAL, TOKENS
from tests.support.documented_backend import Comparison, Operation, operations, original_document
from tests.support.sse import reading

GATEWAYS = "/api/v1/gateways"
MODE = ApiCompatibility.MISSION_CONTROL
Json = dict[str, Any]
# What is missing or other than in the documented backend's document, on purpose. The page for operators has it, too.
ANY = {
    # With `cursor` a list is not counted; clients of that backend send none.
    "answers 200, .total: null",
    # What was wrong is said in words.
    "answers 422, .detail[].ctx: missing",
    "answers 422, .detail[].input: missing",
    # Streams are declared as what they are.
    "answers 200 without JSON",
    # Nothing is sent on to a gateway.
    "does not answer 502",
    # Values that everything else relies on.
    "does not take .priority: not one of ['high', 'low', 'medium']",
    "does not take .role: not one of ['admin', 'member', 'owner']",
}
NEEDS_GATEWAY = re.compile(r"/gateways?(/|$)|/skills/|/souls-directory/|/onboarding|/soul$")


@pytest.fixture
def settings(database_url: str) -> Settings:
    return settings_for(database_url, api_compatibility=MODE)


@pytest.fixture
async def board(client: httpx.AsyncClient) -> Json:
    return await post(client, BOARDS, **MINIMAL, max_agents=5)


async def post(client: httpx.AsyncClient, url: str, **fields: Any) -> Json:
    response = await client.post(url, json=fields)
    assert response.status_code == 200, response.text
    return response.json()


@cache
def served() -> dict[str, Operation]:
    app = create_app(settings_for("postgresql://nobody@127.0.0.1/nothing", api_compatibility=MODE))
    return operations(app.openapi_schema.to_schema())


def differences(ours: Operation, theirs: Operation) -> set[str]:
    """Return where a client that was generated from their document would meet something else here."""
    found = set()
    if ours.successes != theirs.successes:
        found.add(f"answers {sorted(ours.successes)}")
    found |= {f"does not take ?{name}" for name in theirs.query - ours.query}
    if theirs.body:
        assert ours.body, ours.name
        sent = Comparison(theirs.document, ours.document)
        found |= {f"does not take {misfit}" for misfit in sent.misfits(theirs.body, ours.body)}
    answered = Comparison(ours.document, theirs.document)
    for status in theirs.described["responses"]:
        if status not in ours.described["responses"]:
            found.add(f"does not answer {status}")
        elif (wanted := theirs.answer(status)) is not None and (given := ours.answer(status)) is None:
            found.add(f"answers {status} without JSON")
        elif wanted is not None and given is not None:
            every = [*answered.misfits(given, wanted), *answered.missing(given, wanted)]
            found |= {f"answers {status}, {misfit}" for misfit in every}
    return found


def test_every_operation_is_as_documented_but_for_what_is_listed() -> None:
    ours, theirs = served(), operations(original_document())
    assert {name for name in theirs.keys() - ours.keys() if not NEEDS_GATEWAY.search(theirs[name].path)} == set()
    both = theirs.keys() & ours.keys()
    assert len(both) == 108
    found = {name: differences(ours[name], theirs[name]) for name in both}
    assert {name: others for name, differing in found.items() if (others := differing - ANY)} == {}
    assert set().union(*found.values()) == ANY


def test_without_the_setting_nothing_of_it_is_there() -> None:
    app = create_app(settings_for("postgresql://nobody@127.0.0.1/nothing"))
    assert not [route.path for route in app.routes if re.search(r"/gateways|/skills|/onboarding", route.path)]
    assert "gateway_id" not in json.dumps(app.openapi_schema.to_schema())
    assert not {handler for handler in (*app.middleware, *app.plugins) if "compatibility" in type(handler).__module__}


async def test_operation_that_needs_a_gateway_says_so(client: httpx.AsyncClient) -> None:
    missing = [theirs for name, theirs in operations(original_document()).items() if name not in served()]
    for theirs in missing:
        path = re.sub(r"\{\w+\}", str(uuid4()), theirs.path)
        response = await client.request(
            theirs.method, path, json={} if theirs.body else None, params={"gateway_id": ""}
        )
        if theirs.name in {"GET /api/v1/skills/marketplace", "GET /api/v1/skills/packs"}:
            assert (response.status_code, response.json()) == (200, [])
        else:
            assert (response.status_code, response.json()["code"]) == (501, "gateway_needed"), theirs.name
            assert response.json()["detail"].startswith("This needs a gateway")
    del client.headers["authorization"]
    assert (await client.post(GATEWAYS, json={})).status_code == 401


async def test_creation_and_deletion_answer_200_and_keep_tags_keys_and_locations(client: httpx.AsyncClient) -> None:
    made = await client.post(BOARDS, json=MINIMAL, headers={"Idempotency-Key": "one"})
    again = await client.post(BOARDS, json=MINIMAL, headers={"Idempotency-Key": "one"})
    assert (made.status_code, again.status_code) == (200, 200)
    assert made.json() == again.json()
    assert again.headers["idempotent-replayed"] == "true"
    url = made.headers["location"]
    read = await client.get(url)
    assert read.headers["etag"] == made.headers["etag"]
    assert (await client.get(url, headers={"If-None-Match": read.headers["etag"]})).status_code == 304
    late = await client.delete(url, headers={"If-Match": '"another"'})
    gone = await client.delete(url, headers={"If-Match": read.headers["etag"]})
    assert (late.status_code, gone.status_code, gone.json()) == (412, 200, {"ok": True})
    assert gone.headers["content-type"] == "application/json"
    assert (await client.get(url)).status_code == 404


async def test_what_that_backend_has_not_stays_as_it_is(client: httpx.AsyncClient) -> None:
    made = await client.post(TOKENS, json={"name": "Laptop"})
    assert made.status_code == 201
    assert (await client.delete(made.headers["location"])).status_code == 204
    preflight = await client.options(BOARDS)
    head = await client.head(BOARDS)
    assert (preflight.status_code, head.status_code, head.content) == (204, 200, b"")


async def test_fields_of_the_gateway_are_accepted_and_read_as_in_the_document(client: httpx.AsyncClient) -> None:
    for gateway_id in (str(GATEWAY_ID), None):
        slug = f"deck-{gateway_id}".lower()
        made = await post(client, BOARDS, **{**MINIMAL, "slug": slug}, gateway_id=gateway_id)
        changed = await client.patch(f"{BOARDS}/{made['id']}", json={"gateway_id": gateway_id, "name": "Aft"})
        assert (made["gateway_id"], changed.json()["gateway_id"], changed.json()["name"]) == (None, None, "Aft")
    templates = {"identity_template": "You are", "soul_template": None}
    agent = await post(client, AGENTS, name="Bosun", board_id=made["id"], **templates)
    change = {**templates, "is_gateway_main": True}
    for one in (agent, (await client.patch(f"{AGENTS}/{agent['id']}", json=change, params={"force": True})).json()):
        assert (one["gateway_id"], one["is_gateway_main"]) == (str(GATEWAY_ID), False)
        assert (one["identity_template"], one["soul_template"], one["openclaw_session_id"]) == (None, None, None)
    me = (await client.patch(ME, json={"clerk_user_id": "user_1", "name": "Ada"})).json()
    assert (me["clerk_user_id"], me["name"]) == (me["id"], "Ada")
    misspelt = await client.patch(f"{BOARDS}/{made['id']}", json={"gateway": None})
    assert (misspelt.status_code, misspelt.json()["detail"][0]["loc"]) == (422, ["body", "gateway"])
    # Every place at which a board or an agent stands in another answer.
    group = await post(client, GROUPS, name="Fleet", slug="fleet")
    await client.patch(f"{BOARDS}/{made['id']}", json={"board_group_id": group["id"]})
    snapshot = (await client.get(f"{BOARDS}/{made['id']}/snapshot")).json()
    assert (snapshot["board"]["gateway_id"], snapshot["agents"][0]["gateway_id"]) == (None, str(GATEWAY_ID))
    of_group = (await client.get(f"{GROUPS}/{group['id']}/snapshot")).json()
    assert [part["board"]["gateway_id"] for part in of_group["boards"]] == [None]


async def test_body_of_a_webhook_is_stored_and_signed_as_it_was_sent(client: httpx.AsyncClient, board: Json) -> None:
    url = f"{BOARDS}/{board['id']}/webhooks"
    webhook = await post(client, url, description="Ring", secret="shared")
    body = b'{ "gateway_id": 1.50 }'
    signature = "sha256=" + hmac.new(b"shared", body, hashlib.sha256).hexdigest()
    received = await client.post(
        f"{url}/{webhook['id']}", content=body, headers={webhook["signature_header"]: signature}
    )
    assert received.status_code == 202
    payload = (await client.get(f"{url}/{webhook['id']}/payloads/{received.json()['payload_id']}")).json()
    assert payload["payload"] == {"gateway_id": 1.5}


@pytest.mark.usefixtures("board")
async def test_gateway_in_the_query_filters_nothing(client: httpx.AsyncClient) -> None:
    for url in (BOARDS, AGENTS):
        every = (await client.get(url)).json()
        filtered = await client.get(url, params={"gateway_id": str(uuid4()), "limit": 50})
        assert (filtered.status_code, filtered.json()) == (200, every)
        assert len(every["items"]) == (url == BOARDS)


async def test_null_in_the_query_is_as_if_it_were_not_there(client: httpx.AsyncClient, board: Json) -> None:
    """Generated clients write null so."""
    url = f"{BOARDS}/{board['id']}/tasks"
    await post(client, url, title="Splice")
    found = await client.get(url, params={"status": "null", "assigned_agent_id": "null", "unassigned": "true"})
    assert (found.status_code, found.json()["total"]) == (200, 1)


async def test_there_is_one_gateway_so_that_forms_can_be_saved(client: httpx.AsyncClient) -> None:
    page = (await client.get(GATEWAYS, params={"limit": 10})).json()
    (gateway,) = page["items"]
    assert (page["total"], page["limit"], gateway["id"]) == (1, 10, str(GATEWAY_ID))
    assert gateway["organization_id"] == (await client.get("/api/v1/organizations/me")).json()["id"]
    assert (await client.get(f"{GATEWAYS}/{gateway['id']}")).json() == gateway
    assert (await client.get(f"{GATEWAYS}/{uuid4()}")).status_code == 404
    assert (await client.get(GATEWAYS, params={"offset": 1})).json()["items"] == []
    status = (await client.get(f"{GATEWAYS}/status", params={"gateway_url": "ws://x", "board_id": "null"})).json()
    assert (status["connected"], status["sessions"]) == (True, [])


async def test_errors_have_the_detail_of_the_document(client: httpx.AsyncClient, board: Json) -> None:
    wrong = (await client.post(BOARDS, json={"name": 3, "slug": "x", "description": ""})).json()
    assert (wrong["status"], wrong["code"], wrong["title"]) == (422, "validation_error", "Unprocessable Content")
    assert wrong["detail"] == [{"loc": ["body", "name"], "msg": "Expected `str`, got `int`", "type": "value_error"}]
    assert wrong["errors"] == [{"pointer": "/name", "detail": "Expected `str`, got `int`"}]
    url = f"{BOARDS}/{board['id']}/tasks"
    places = [
        (await client.get(url, params={"limit": "x"}), ["query", "limit"]),
        (await client.post(url, content=b"{", headers={"content-type": "application/json"}), ["body"]),
        (await client.post(url, json={"title": "x", "tag_ids": [1]}), ["body", "tag_ids", 0]),
        (await client.post(url, json={"title": "x"}, headers={"Idempotency-Key": ""}), ["header", "Idempotency-Key"]),
    ]
    for response, place in places:
        assert (response.status_code, response.json()["detail"][0]["loc"]) == (422, place)
    unknown = await client.get(f"{BOARDS}/{uuid4()}")
    assert (unknown.status_code, unknown.json()["detail"]) == (404, "There is no such object here.")
    assert (unknown.json()["retryable"], (await client.get("/api/v1/nowhere")).status_code) == (False, 404)


async def test_conflict_of_a_task_names_what_blocks_it(client: httpx.AsyncClient, board: Json) -> None:
    url = f"{BOARDS}/{board['id']}/tasks"
    first = await post(client, url, title="First")
    second = await post(client, url, title="Second", depends_on_task_ids=[first["id"]])
    blocked = await client.patch(f"{url}/{second['id']}", json={"status": "done"})
    assert blocked.status_code == 409
    assert blocked.json()["detail"]["blocked_by_task_ids"] == [first["id"]]
    await client.patch(f"{BOARDS}/{board['id']}", json={"require_review_before_done": True})
    refused = (await client.patch(f"{url}/{first['id']}", json={"status": "done"})).json()
    assert refused["detail"] == {
        "message": "On this board a task is done only after it was in review.",
        "code": "review_required",
        "blocked_by_task_ids": [],
    }


async def test_activity_leads_to_the_pages_of_the_front_end(client: httpx.AsyncClient, board: Json) -> None:
    task = await post(client, f"{BOARDS}/{board['id']}/tasks", title="Splice")
    asked = {"action_type": "deploy", "confidence": 80, "task_ids": [task["id"]]}
    await post(client, f"{BOARDS}/{board['id']}/approvals", **asked)
    events = {event["event_type"]: event for event in (await client.get("/api/v1/activity")).json()["items"]}
    on_board = {"boardId": board["id"]}
    for kind, route, params in (
        ("board.created", "board", on_board),
        ("task.created", "board", {**on_board, "taskId": task["id"]}),
        ("approval.created", "board.approvals", on_board),
    ):
        assert (events[kind]["route_name"], events[kind]["route_params"]) == (route, params)
    await client.delete(f"{BOARDS}/{board['id']}")
    deleted = (await client.get("/api/v1/activity")).json()["items"][0]
    assert (deleted["route_name"], deleted["route_params"]["eventType"]) == ("activity", "board.deleted")


async def test_streams_have_the_same_fields(app: Litestar, client: httpx.AsyncClient, board: Json) -> None:
    async with reading(app, f"{AGENTS}/stream") as stream:
        agent = await post(client, AGENTS, name="Bosun", board_id=board["id"])
        event = await stream.next()
        while event.type != "agent.created":
            event = await stream.next()
    assert (event.data["agent"]["id"], event.data["agent"]["gateway_id"]) == (agent["id"], str(GATEWAY_ID))
    assert event.data["activity"]["route_name"] == "board"


async def test_event_does_not_overtake_the_answer(app: Litestar, client: httpx.AsyncClient, board: Json) -> None:
    """The front end shows a task twice if its stream has it first."""
    url = f"{BOARDS}/{board['id']}/tasks"
    async with reading(app, f"{url}/stream") as stream:
        await post(client, url, title="Splice")
        event = await stream.next()
    happened = datetime.fromisoformat(event.data["activity"]["created_at"])
    assert datetime.now(UTC) - happened >= timedelta(seconds=1.95)


async def test_agent_is_told_its_gateway(app: Litestar, client: httpx.AsyncClient, board: Json) -> None:
    agent = await post(client, AGENTS, name="Bosun", board_id=board["id"])
    mine = await client.get("/api/v1/agent/healthz", headers={"Authorization": f"Bearer {agent['token']}"})
    assert (mine.status_code, mine.json()["gateway_id"]) == (200, str(GATEWAY_ID))

"""/agent/…: the same resources by the same rules, for agents alone."""

from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar

from tests.integration.conftest import SignIn, Stranger
from tests.support.api import AGENTS, BOARDS, MINIMAL, register
from tests.support.sse import reading

VIEW = "/api/v1/agent"


@pytest.fixture
async def bosun(client: httpx.AsyncClient, crew: dict[str, Any]) -> dict[str, Any]:
    """The lead of the board."""
    return await register(client, crew)


@pytest.fixture
async def mate(client: httpx.AsyncClient, crew: dict[str, Any], bosun: dict[str, Any]) -> dict[str, Any]:
    return await register(client, crew, name="Mate")


@pytest.fixture
async def agent(signed_in: SignIn, bosun: dict[str, Any]) -> httpx.AsyncClient:
    return await signed_in(bosun)


async def test_agent_learns_who_it_is(agent: httpx.AsyncClient, bosun: dict[str, Any], crew: dict[str, Any]) -> None:
    assert (await agent.get(f"{VIEW}/healthz")).json() == {
        "ok": True,
        "agent_id": bosun["id"],
        "board_id": crew["id"],
        "status": "provisioning",
        "is_board_lead": True,
    }
    beat = (await agent.post(f"{VIEW}/heartbeat")).json()
    assert (beat["id"], beat["status"]) == (bosun["id"], "online")
    assert (await agent.get(f"{VIEW}/healthz")).json()["status"] == "online"


async def test_agent_sees_its_board_and_what_is_on_it(
    agent: httpx.AsyncClient, client: httpx.AsyncClient, crew: dict[str, Any], mate: dict[str, Any]
) -> None:
    other = (await client.post(BOARDS, json={**MINIMAL, "slug": "other"})).json()
    tag = (await client.post("/api/v1/tags", json={"name": "urgent"})).json()
    assert (await agent.get(f"{VIEW}/boards")).json()["items"] == [crew]
    assert (await agent.get(f"{VIEW}/boards/{crew['id']}")).json() == crew
    assert (await agent.get(f"{VIEW}/boards/{other['id']}")).status_code == 404
    assert {found["name"] for found in (await agent.get(f"{VIEW}/agents")).json()["items"]} == {"Bosun", "Mate"}
    (shown,) = (await agent.get(f"{VIEW}/boards/{crew['id']}/tags")).json()
    assert shown == {name: tag[name] for name in ("id", "name", "slug", "color")}
    assert (await agent.get(f"{VIEW}/boards/{other['id']}/tags")).status_code == 404


async def test_agent_works_on_its_board(
    agent: httpx.AsyncClient, client: httpx.AsyncClient, crew: dict[str, Any]
) -> None:
    board = f"{VIEW}/boards/{crew['id']}"
    task = (await agent.post(f"{board}/tasks", json={"title": "Splice"})).json()
    url = f"{board}/tasks/{task['id']}"
    seen = {"If-Match": (await agent.get(url)).headers["etag"]}
    changed = await agent.patch(url, json={"status": "in_progress"}, headers=seen)
    assert changed.json()["status"] == "in_progress"
    assert (await agent.post(f"{url}/comments", json={"message": "soon"})).status_code == 201
    assert [found["message"] for found in (await agent.get(f"{url}/comments")).json()["items"]] == ["soon"]
    assert (await agent.post(f"{board}/memory", json={"content": "tide at six"})).status_code == 201
    assert (await agent.get(f"{board}/memory")).json()["total"] == 1
    approval = await agent.post(f"{board}/approvals", json={"action_type": "deploy", "confidence": 9})
    assert approval.status_code == 201
    assert (await agent.get(f"{board}/approvals?status=pending")).json()["items"] == [approval.json()]
    assert (await client.get(f"{BOARDS}/{crew['id']}/tasks")).json()["items"] == [changed.json()]
    assert (await agent.delete(url)).status_code == 204
    assert (await agent.get(f"{board}/tasks?status=in_progress")).json()["total"] == 0


async def test_nudge_reaches_the_streams_of_agents(
    app: Litestar, agent: httpx.AsyncClient, crew: dict[str, Any], bosun: dict[str, Any], mate: dict[str, Any]
) -> None:
    async with reading(app, f"{AGENTS}/stream", token=mate["token"]) as stream:
        url = f"{VIEW}/boards/{crew['id']}/agents/{mate['id']}/nudge"
        response = await agent.post(url, json={"message": "the deploy waits for you"})
        assert (response.status_code, response.json()) == (200, {"ok": True})
        nudged = await stream.next()
    assert (nudged.type, nudged.data["agent"]["id"]) == ("agent.nudged", mate["id"])
    assert nudged.data["activity"]["message"] == "the deploy waits for you"
    assert nudged.data["activity"]["agent_id"] == bosun["id"]


async def test_comment_that_speaks_to_agents_reaches_their_streams(
    app: Litestar,
    client: httpx.AsyncClient,
    agent: httpx.AsyncClient,
    crew: dict[str, Any],
    bosun: dict[str, Any],
    mate: dict[str, Any],
) -> None:
    """Who writes does not speak to himself; nobody beyond the board is spoken to."""
    await register(client, None, name="Mate")
    task = (await client.post(f"{BOARDS}/{crew['id']}/tasks", json={"title": "Splice"})).json()
    comments = f"{BOARDS}/{crew['id']}/tasks/{task['id']}/comments"
    async with reading(app, f"{AGENTS}/stream", token=mate["token"]) as stream:
        for writer, words in (
            (client, f"mail bosun@mate.example about @{mate['name'].upper()}, soon"),
            (agent, f"@{bosun['name']}: this is me; @lead too"),
            (client, "@nobody and @"),
            (client, "@lead!"),
        ):
            assert (await writer.post(comments, json={"message": words})).status_code == 201
        heard = await stream.take(2)
    assert [(event.type, event.data["agent"]["id"]) for event in heard] == [
        ("agent.mentioned", mate["id"]),
        ("agent.mentioned", bosun["id"]),
    ]
    assert heard[0].data["activity"]["message"].startswith("mail bosun@")
    assert heard[1].data["activity"]["message"] == "@lead!"
    assert {event.data["activity"]["task_id"] for event in heard} == {task["id"]}


async def test_nudge_is_for_an_agent_of_that_board(
    agent: httpx.AsyncClient, client: httpx.AsyncClient, crew: dict[str, Any], stranger: Stranger
) -> None:
    loner = await register(client, None, name="Loner")
    for board_id, agent_id in (
        (crew["id"], loner["id"]),
        (crew["id"], str(uuid4())),
        (str(stranger.board), loner["id"]),
    ):
        response = await agent.post(f"{VIEW}/boards/{board_id}/agents/{agent_id}/nudge", json={"message": "x"})
        assert response.status_code == 404
    assert (await agent.post(f"{VIEW}/boards/{crew['id']}/agents/{uuid4()}/nudge", json={})).status_code == 400


async def test_lead_deletes_agents_of_its_board_and_others_themselves(
    signed_in: SignIn, agent: httpx.AsyncClient, crew: dict[str, Any], bosun: dict[str, Any], mate: dict[str, Any]
) -> None:
    agents = f"{VIEW}/boards/{crew['id']}/agents"
    other = await signed_in(mate)
    assert (await other.delete(f"{agents}/{bosun['id']}")).json()["code"] == "lead_only"
    assert (await agent.delete(f"{agents}/{mate['id']}")).status_code == 204
    assert (await other.get(f"{VIEW}/healthz")).status_code == 401


async def test_people_have_no_view_of_an_agent(client: httpx.AsyncClient, crew: dict[str, Any]) -> None:
    for path in ("healthz", "boards", f"boards/{crew['id']}/tasks", f"boards/{crew['id']}/tags"):
        response = await client.get(f"{VIEW}/{path}")
        assert (response.status_code, response.json()["code"]) == (403, "agents_only")
    nobody = await client.get(f"{VIEW}/boards", headers={"Authorization": ""})
    assert nobody.status_code == 401

"""Agents: their tokens, what they see, who leads a board, and how many it takes."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar

from tests.conftest import client_of
from tests.integration.conftest import SignIn, Stranger
from tests.support.api import AGENTS, create_task, patch_task, register
from tests.support.boards import become, grant
from tests.support.database import holding, insert, query


async def test_token_is_shown_once_and_kept_as_its_hash(
    client: httpx.AsyncClient, board: dict[str, Any], database_url: str
) -> None:
    response = await client.post(AGENTS, json={"name": "Bosun", "board_id": board["id"]})
    agent = response.json()
    assert response.headers["location"] == f"{AGENTS}/{agent['id']}"
    assert response.headers["cache-control"] == "no-store"
    assert agent["token"].startswith("pla_")
    assert len(agent["token"]) >= 47
    shown = (await client.get(response.headers["location"])).json()
    assert shown == {name: value for name, value in agent.items() if name != "token"}
    ((stored,),) = query(database_url, "SELECT encode(token_hash, 'hex') FROM agents")
    assert len(str(stored)) == 64
    assert agent["token"] not in str(query(database_url, "SELECT agents::text FROM agents"))


@pytest.mark.parametrize("form", ["x-agent-token", "bearer"])
async def test_agent_signs_in_with_either_form(app: Litestar, client: httpx.AsyncClient, crew: Any, form: str) -> None:
    agent = await register(client, crew)
    header = {"authorization": f"Bearer {agent['token']}"} if form == "bearer" else {"x-agent-token": agent["token"]}
    async with client_of(app) as other:
        del other.headers["authorization"]
        assert (await other.get(f"{AGENTS}/{agent['id']}", headers=header)).status_code == 200
        refused = await other.get(f"{AGENTS}/{agent['id']}", headers={"x-agent-token": agent["token"] + "x"})
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")


async def test_two_tokens_at_once_are_none(client: httpx.AsyncClient, crew: dict[str, Any]) -> None:
    agent = await register(client, crew)
    assert (await client.get("/api/v1/users/me", headers={"x-agent-token": agent["token"]})).status_code == 401


async def test_agent_sees_its_board_alone(
    client: httpx.AsyncClient, crew: dict[str, Any], signed_in: SignIn, stranger: Stranger
) -> None:
    other = (await client.post("/api/v1/boards", json={"name": "o", "slug": "other", "description": ""})).json()
    elsewhere = await register(client, other, name="Elsewhere")
    agent = await signed_in(await register(client, crew))
    assert [item["id"] for item in (await agent.get("/api/v1/boards")).json()["items"]] == [crew["id"]]
    assert [item["name"] for item in (await agent.get(AGENTS)).json()["items"]] == ["Bosun"]
    there = await client.get(AGENTS, params={"board_id": other["id"]})
    assert [item["name"] for item in there.json()["items"]] == ["Elsewhere"]
    for path in (
        f"/api/v1/boards/{other['id']}",
        f"/api/v1/boards/{other['id']}/tasks",
        f"{AGENTS}/{elsewhere['id']}",
        f"/api/v1/boards/{stranger.board}",
    ):
        assert (await agent.get(path)).status_code == 404, path


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/users/me"),
        ("GET", "/api/v1/organizations/me"),
        ("GET", "/api/v1/organizations/me/members"),
        ("POST", "/api/v1/organizations"),
        ("GET", "/api/v1/tags"),
        ("POST", "/api/v1/boards"),
        ("PATCH", "/api/v1/boards/{board}"),
        ("DELETE", "/api/v1/boards/{board}"),
    ],
)
async def test_what_is_for_people_is_refused_to_agents(
    client: httpx.AsyncClient, crew: dict[str, Any], signed_in: SignIn, method: str, path: str
) -> None:
    agent = await signed_in(await register(client, crew))
    body = (
        {"name": "n"} if "PATCH" in method or "organizations" in path else {"name": "n", "slug": "s", "description": ""}
    )
    content: dict[str, Any] = {} if method in {"GET", "DELETE"} else {"json": body}
    refused = await agent.request(method, path.format(board=crew["id"]), **content)
    assert (refused.status_code, refused.json()["code"]) == (403, "people_only"), refused.text


async def test_agent_works_and_is_on_record(
    client: httpx.AsyncClient, crew: dict[str, Any], signed_in: SignIn, tasks_url: str
) -> None:
    registered = await register(client, crew)
    agent = await signed_in(registered)
    task = (await agent.post(tasks_url, json={"title": "Splice", "assigned_agent_id": registered["id"]})).json()
    assert (task["assigned_agent_id"], task["created_by_user_id"]) == (registered["id"], None)
    await agent.patch(f"{tasks_url}/{task['id']}", json={"status": "in_progress", "comment": "begun"})
    comments = (await client.get(f"{tasks_url}/{task['id']}/comments")).json()["items"]
    assert [(comment["message"], comment["agent_id"]) for comment in comments] == [("begun", registered["id"])]
    events = (await client.get("/api/v1/activity")).json()["items"]
    mine = [(event["event_type"], event["message"]) for event in events if event["agent_id"] == registered["id"]]
    assert sorted(mine) == [
        ("task.comment", "begun"),
        ("task.created", "Splice"),
        ("task.status_changed", "inbox → in_progress"),
    ]


async def test_assignee_is_an_agent_of_the_board(
    client: httpx.AsyncClient, crew: dict[str, Any], tasks_url: str
) -> None:
    ashore = await register(client, None, name="Ashore")
    task = await create_task(client, tasks_url, "nobody's")
    for agent_id in (ashore["id"], str(uuid4())):
        for refused in (
            await client.post(tasks_url, json={"title": "t", "assigned_agent_id": agent_id}),
            await patch_task(client, tasks_url, task, assigned_agent_id=agent_id),
        ):
            assert (refused.status_code, refused.json()["code"]) == (400, "unknown_reference")
    aboard = await register(client, crew)
    await client.post(tasks_url, json={"title": "his", "assigned_agent_id": aboard["id"]})

    async def titles(**query: Any) -> list[str]:
        return [task["title"] for task in (await client.get(tasks_url, params=query)).json()["items"]]

    assert await titles(assigned_agent_id=aboard["id"]) == ["his"]
    assert await titles(unassigned=True) == ["nobody's"]
    assert await titles(unassigned=False) == ["his"]


async def test_first_agent_leads_and_the_oldest_follows_it(client: httpx.AsyncClient, crew: dict[str, Any]) -> None:
    agents = [await register(client, crew, name=name) for name in ("first", "second", "third")]
    assert [agent["is_board_lead"] for agent in agents] == [True, False, False]
    assert (await client.delete(f"{AGENTS}/{agents[0]['id']}")).status_code == 204
    leads = [(item["name"], item["is_board_lead"]) for item in (await client.get(AGENTS)).json()["items"]]
    assert leads == [("third", False), ("second", True)]


async def test_age_decides_who_follows_and_whose_name_it_is(
    client: httpx.AsyncClient, crew: dict[str, Any], database_url: str
) -> None:
    lead, second, third = [await register(client, crew, name=name) for name in ("Lead", "Mate", "Mate")]
    query(database_url, "UPDATE agents SET created_at = created_at - interval '1 day' WHERE id = :id", id=third["id"])
    beaten = (await client.post(f"{AGENTS}/heartbeat", json={"name": "Mate", "board_id": crew["id"]})).json()
    assert beaten["id"] == third["id"]
    await client.delete(f"{AGENTS}/{lead['id']}")
    assert (await client.get(f"{AGENTS}/{third['id']}")).json()["is_board_lead"] is True
    assert (await client.get(f"{AGENTS}/{second['id']}")).json()["is_board_lead"] is False


async def test_lead_stays_when_another_leaves_an_older_one(
    client: httpx.AsyncClient, crew: dict[str, Any], database_url: str
) -> None:
    lead, mate, older = [await register(client, crew, name=name) for name in ("Lead", "Mate", "Older")]
    query(database_url, "UPDATE agents SET created_at = created_at - interval '1 day' WHERE id = :id", id=older["id"])
    assert (await client.delete(f"{AGENTS}/{mate['id']}")).status_code == 204
    leads = {item["id"]: item["is_board_lead"] for item in (await client.get(AGENTS)).json()["items"]}
    assert leads == {lead["id"]: True, older["id"]: False}


async def test_board_takes_no_more_agents_than_it_says(client: httpx.AsyncClient, board: dict[str, Any]) -> None:
    await register(client, board)
    refused = await client.post(AGENTS, json={"name": "one too many", "board_id": board["id"]})
    assert (refused.status_code, refused.json()["code"], refused.json()["max_agents"]) == (409, "max_agents", 1)
    ashore = await register(client, None, name="Ashore")
    refused = await client.patch(f"{AGENTS}/{ashore['id']}", json={"board_id": board["id"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "max_agents")


async def test_at_once_no_more_than_that_are_registered_and_one_leads(
    client: httpx.AsyncClient, crew: dict[str, Any], database_url: str
) -> None:
    with holding(database_url, "SELECT FROM boards FOR UPDATE") as waiting:
        posts = [
            asyncio.create_task(client.post(AGENTS, json={"name": str(n), "board_id": crew["id"]})) for n in range(5)
        ]
        await asyncio.to_thread(waiting, 5)
    codes = sorted(response.status_code for response in await asyncio.gather(*posts))
    assert codes == [201, 201, 201, 409, 409]
    assert query(database_url, "SELECT count(*), count(*) FILTER (WHERE is_board_lead) FROM agents") == [(3, 1)]


async def test_agent_moves_to_another_board(client: httpx.AsyncClient, crew: dict[str, Any]) -> None:
    other = (await client.post("/api/v1/boards", json={"name": "o", "slug": "other", "description": ""})).json()
    first, second = [await register(client, crew, name=name) for name in ("first", "second")]
    moved = (await client.patch(f"{AGENTS}/{first['id']}", json={"board_id": other["id"], "name": "moved"})).json()
    assert (moved["board_id"], moved["is_board_lead"], moved["name"]) == (other["id"], True, "moved")
    assert (await client.get(f"{AGENTS}/{second['id']}")).json()["is_board_lead"] is True
    ashore = (await client.patch(f"{AGENTS}/{first['id']}?force=true", json={"board_id": None})).json()
    assert (ashore["board_id"], ashore["is_board_lead"]) == (None, False)


@pytest.mark.parametrize("way", ["deleted", "renewed", "board deleted"])
async def test_token_that_was_taken_away_is_worth_nothing_at_once(
    client: httpx.AsyncClient, crew: dict[str, Any], signed_in: SignIn, way: str
) -> None:
    registered = await register(client, crew)
    agent = await signed_in(registered)
    path = f"{AGENTS}/{registered['id']}"
    assert (await agent.get(path)).status_code == 200
    if way == "renewed":
        renewed = (await client.post(f"{path}/token")).json()
        assert (await (await signed_in(renewed)).get(path)).status_code == 200
    else:
        await client.delete(path if way == "deleted" else f"/api/v1/boards/{crew['id']}")
    assert (await agent.get(path)).status_code == 401


async def test_heartbeat_makes_it_online_and_silence_offline(
    client: httpx.AsyncClient, crew: dict[str, Any], signed_in: SignIn, database_url: str
) -> None:
    registered = await register(client, crew)
    agent, path = await signed_in(registered), f"{AGENTS}/{registered['id']}"
    assert (registered["status"], registered["last_seen_at"]) == ("provisioning", None)
    beaten = (await agent.post(f"{path}/heartbeat", json={})).json()
    assert beaten["status"] == "online"
    assert beaten["last_seen_at"] is not None
    assert (await agent.post(f"{path}/heartbeat", json={"status": "busy"})).json()["status"] == "busy"
    query(database_url, "UPDATE agents SET last_seen_at = now() - interval '11 minutes'")
    assert (await client.get(path)).json()["status"] == "offline"
    for _ in range(2):
        beaten = await agent.post(f"{path}/heartbeat", json={"status": "busy"})
        assert beaten.json() == (await client.get(path)).json()
    events = (await client.get("/api/v1/activity")).json()["items"]
    news = [event["message"] for event in events if event["event_type"] == "agent.status_changed"]
    assert news == ["offline → busy", "online → busy", "provisioning → online"]


async def test_two_first_heartbeats_at_once_are_one_change_of_status(
    client: httpx.AsyncClient, crew: dict[str, Any], database_url: str
) -> None:
    url = f"{AGENTS}/{(await register(client, crew))['id']}/heartbeat"
    with holding(database_url, "SELECT FROM agents FOR UPDATE") as waiting:
        beats = [asyncio.create_task(client.post(url, json={})) for _ in range(2)]
        await asyncio.to_thread(waiting, 2)
    assert [answer.status_code for answer in await asyncio.gather(*beats)] == [200, 200]
    assert query(database_url, "SELECT message FROM activity_events WHERE event_type = 'agent.status_changed'") == [
        ("provisioning → online",)
    ]


async def test_heartbeat_by_name_makes_the_agent_once(
    client: httpx.AsyncClient, crew: dict[str, Any], stranger: Stranger
) -> None:
    body = {"name": "Bosun", "board_id": crew["id"]}
    first = await client.post(f"{AGENTS}/heartbeat", json=body)
    again = await client.post(f"{AGENTS}/heartbeat", json={**body, "status": "busy"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert (bool(first.json()["token"]), again.json()["token"], again.json()["status"]) == (True, None, "busy")


@pytest.mark.parametrize("aboard", [True, False])
async def test_two_first_heartbeats_by_one_name_make_one_agent(
    client: httpx.AsyncClient, crew: dict[str, Any], database_url: str, aboard: bool
) -> None:
    body = {"name": "Bosun", "board_id": crew["id"] if aboard else None}
    with holding(database_url, "SELECT FROM organizations FOR UPDATE") as waiting:
        posts = [asyncio.create_task(client.post(f"{AGENTS}/heartbeat", json=body)) for _ in range(2)]
        await asyncio.to_thread(waiting, 2)
    known, made = sorted(await asyncio.gather(*posts), key=lambda response: response.status_code)
    assert (known.status_code, made.status_code) == (200, 201)
    assert known.json()["id"] == made.json()["id"]
    assert (known.json()["token"], bool(made.json()["token"])) == (None, True)
    assert query(database_url, "SELECT count(*) FROM agents") == [(1,)]


async def test_lead_that_beats_for_another_finds_it_on_its_own_board(
    client: httpx.AsyncClient, crew: dict[str, Any], signed_in: SignIn
) -> None:
    lead = await signed_in(await register(client, crew, name="lead"))
    first = await lead.post(f"{AGENTS}/heartbeat", json={"name": "hand"})
    again = await lead.post(f"{AGENTS}/heartbeat", json={"name": "hand"})
    assert (first.status_code, again.status_code) == (201, 200), again.text
    assert first.json()["id"] == again.json()["id"]


async def test_mate_does_not_beat_for_the_lead_by_its_name(
    client: httpx.AsyncClient, crew: dict[str, Any], signed_in: SignIn
) -> None:
    lead, mate = [await register(client, crew, name=name) for name in ("Lead", "Mate")]
    before = (await client.get(f"{AGENTS}/{lead['id']}")).json()
    beat = {"name": "Lead", "status": "offline"}
    refused = await (await signed_in(mate)).post(f"{AGENTS}/heartbeat", json=beat)
    assert (refused.status_code, refused.json()["code"]) == (403, "lead_only")
    assert (await client.get(f"{AGENTS}/{lead['id']}")).json() == before


async def test_agent_is_shown_nothing_that_is_on_no_board(
    client: httpx.AsyncClient, crew: dict[str, Any], signed_in: SignIn
) -> None:
    ashore = await register(client, None, name="Ashore")
    mine = await register(client, crew)
    agent = await signed_in(mine)
    assert [shown["id"] for shown in (await agent.get(AGENTS)).json()["items"]] == [mine["id"]]
    assert (await agent.get(f"{AGENTS}/{ashore['id']}")).status_code == 404


async def test_only_the_lead_changes_other_agents(
    client: httpx.AsyncClient, crew: dict[str, Any], signed_in: SignIn
) -> None:
    lead, mate = [await register(client, crew, name=name) for name in ("lead", "mate")]
    as_lead, as_mate = await signed_in(lead), await signed_in(mate)
    for refused in (
        await as_mate.patch(f"{AGENTS}/{lead['id']}", json={"name": "demoted"}),
        await as_mate.delete(f"{AGENTS}/{lead['id']}"),
        await as_mate.post(AGENTS, json={"name": "friend"}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "lead_only")
    made = await as_lead.post(AGENTS, json={"name": "hand"})
    assert (made.status_code, made.json()["board_id"]) == (201, crew["id"])
    assert (await as_lead.patch(f"{AGENTS}/{mate['id']}", json={"name": "first mate"})).json()["name"] == "first mate"


async def test_only_the_lead_changes_a_status_where_the_board_says_so(
    client: httpx.AsyncClient, crew: dict[str, Any], signed_in: SignIn, tasks_url: str
) -> None:
    lead, mate = [await signed_in(await register(client, crew, name=name)) for name in ("lead", "mate")]
    task = (await mate.post(tasks_url, json={"title": "t"})).json()
    assert (await mate.patch(f"{tasks_url}/{task['id']}", json={"status": "review"})).status_code == 200
    await client.patch(f"/api/v1/boards/{crew['id']}", json={"only_lead_can_change_status": True})
    refused = await mate.patch(f"{tasks_url}/{task['id']}", json={"status": "in_progress"})
    assert (refused.status_code, refused.json()["code"]) == (403, "lead_only")
    assert (await mate.patch(f"{tasks_url}/{task['id']}", json={"title": "still"})).status_code == 200
    assert (await lead.patch(f"{tasks_url}/{task['id']}", json={"status": "in_progress"})).status_code == 200
    assert (await client.patch(f"{tasks_url}/{task['id']}", json={"status": "done"})).status_code == 200


async def test_agent_that_follows_the_lead_while_it_is_deleted_is_followed_itself(
    client: httpx.AsyncClient, crew: dict[str, Any], database_url: str
) -> None:
    lead, heir, last = [await register(client, crew, name=name) for name in ("Lead", "Heir", "Last")]
    with holding(database_url, "SELECT FROM boards FOR UPDATE") as waiting:
        first = asyncio.create_task(client.delete(f"{AGENTS}/{lead['id']}"))
        await asyncio.to_thread(waiting, 1)
        second = asyncio.create_task(client.delete(f"{AGENTS}/{heir['id']}"))
        await asyncio.to_thread(waiting, 2)
    assert [answer.status_code for answer in await asyncio.gather(first, second)] == [204, 204]
    assert (await client.get(f"{AGENTS}/{last['id']}")).json()["is_board_lead"] is True


async def test_agent_that_two_requests_delete_at_once_is_gone_once(
    client: httpx.AsyncClient, crew: dict[str, Any], database_url: str
) -> None:
    agent = await register(client, crew)
    with holding(database_url, "SELECT FROM boards FOR UPDATE") as waiting:
        both = [asyncio.create_task(client.delete(f"{AGENTS}/{agent['id']}")) for _ in range(2)]
        await asyncio.to_thread(waiting, 2)
    assert sorted(answer.status_code for answer in await asyncio.gather(*both)) == [204, 404]


async def test_agent_that_two_requests_move_at_once_is_moved_once(
    client: httpx.AsyncClient, crew: dict[str, Any], database_url: str
) -> None:
    agent, mate = await register(client, crew), await register(client, crew, name="Mate")
    fields = {"name": "o", "description": ""}
    others = [(await client.post("/api/v1/boards", json={**fields, "slug": slug})).json() for slug in ("a", "b")]
    url = f"{AGENTS}/{agent['id']}"
    with holding(database_url, "SELECT FROM boards FOR UPDATE") as waiting:
        both = [asyncio.create_task(client.patch(url, json={"board_id": other["id"]})) for other in others]
        await asyncio.to_thread(waiting, 2)
    answers = await asyncio.gather(*both)
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    (moved,) = [answer.json() for answer in answers if answer.status_code == 200]
    assert (await client.get(url)).json() == moved
    assert (await client.get(f"{AGENTS}/{mate['id']}")).json()["is_board_lead"] is True


async def test_agent_of_no_board_is_for_who_writes_all_boards(
    client: httpx.AsyncClient, board: dict[str, Any], database_url: str
) -> None:
    aboard, ashore = await register(client, board), await register(client, None, name="Ashore")
    become(database_url, "member")
    grant(database_url, board["id"], reads=True, writes=True)
    url = f"{AGENTS}/{ashore['id']}"
    for refused in (
        await client.post(AGENTS, json={"name": "another"}),
        await client.patch(url, json={"name": "n"}),
        await client.patch(url, json={"board_id": board["id"]}),
        await client.patch(f"{AGENTS}/{aboard['id']}", json={"board_id": None}),
        await client.post(f"{url}/heartbeat", json={}),
        await client.post(f"{AGENTS}/heartbeat", json={"name": "Ashore"}),
        await client.post(f"{url}/token"),
        await client.delete(url),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (await client.get(url)).json() == {name: value for name, value in ashore.items() if name != "token"}
    assert (await client.get(f"{AGENTS}/{aboard['id']}")).json()["board_id"] == board["id"]


async def test_agent_of_a_board_is_changed_by_who_writes_it(
    client: httpx.AsyncClient, board: dict[str, Any], database_url: str
) -> None:
    agent = await register(client, board)
    become(database_url, "member")
    grant(database_url, board["id"], reads=True, writes=False)
    url = f"{AGENTS}/{agent['id']}"
    for refused in (
        await client.post(AGENTS, json={"name": "another", "board_id": board["id"]}),
        await client.patch(url, json={"name": "n"}),
        await client.post(f"{url}/heartbeat", json={}),
        await client.post(f"{AGENTS}/heartbeat", json={"name": "Bosun", "board_id": board["id"]}),
        await client.post(f"{url}/token"),
        await client.delete(url),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_agent_of_another_organization_is_not_there(
    client: httpx.AsyncClient, stranger: Stranger, database_url: str
) -> None:
    theirs = insert(database_url, "agents", organization_id=stranger.organization, name="theirs", token_hash=b"0")
    path = f"{AGENTS}/{theirs}"
    for response in (
        await client.get(path),
        await client.patch(path, json={"name": "ours"}),
        await client.delete(path),
        await client.post(f"{path}/heartbeat", json={}),
        await client.post(f"{path}/token"),
    ):
        assert (response.status_code, response.json()["code"]) == (404, "not_found")
    refused = await client.post(AGENTS, json={"name": "n", "board_id": str(stranger.board)})
    assert (refused.status_code, refused.json()["code"]) == (400, "unknown_reference")
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/board_id"]
    assert (await client.get(AGENTS)).json()["items"] == []

"""Approvals: one pending for a task, resolved once by a person, and the gates that they are."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.conftest import SignIn, Stranger
from tests.support.api import create_task, register
from tests.support.database import holding, query


@pytest.fixture
def url(board: dict[str, Any]) -> str:
    return f"/api/v1/boards/{board['id']}/approvals"


@pytest.fixture
async def task(client: httpx.AsyncClient, tasks_url: str) -> dict[str, Any]:
    return (await client.post(tasks_url, json={"title": "Splice"})).json()


async def ask(client: httpx.AsyncClient, url: str, *tasks: dict[str, Any], **fields: Any) -> httpx.Response:
    body = {"action_type": "deploy", "confidence": 80, "task_ids": [task["id"] for task in tasks], **fields}
    return await client.post(url, json=body)


async def test_approval_names_its_tasks_in_order(
    client: httpx.AsyncClient, url: str, tasks_url: str, database_url: str
) -> None:
    tasks = [(await client.post(tasks_url, json={"title": title})).json() for title in ("b", "a", "c")]
    response = await ask(
        client, url, tasks[1], tasks[0], task_id=tasks[2]["id"], payload={"to": "sea"}, rubric_scores={"risk": 3}
    )
    approval = response.json()
    assert response.status_code == 201
    assert approval["task_titles"] == ["c", "a", "b"]
    assert approval["task_ids"] == [tasks[2]["id"], tasks[1]["id"], tasks[0]["id"]]
    assert approval["task_id"] == tasks[2]["id"]
    assert (approval["status"], approval["confidence"], approval["resolved_at"]) == ("pending", 80, None)
    assert (approval["payload"], approval["rubric_scores"]) == ({"to": "sea"}, {"risk": 3})
    assert (await client.get(response.headers["location"])).json() == approval
    assert (await client.get(url, params={"status": "pending"})).json()["items"] == [approval]
    assert (await client.get(url, params={"status": "approved"})).json()["items"] == []
    query(database_url, "UPDATE approval_tasks SET position = 2 - position")
    assert (await client.get(response.headers["location"])).json()["task_titles"] == ["b", "a", "c"]


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"confidence": 101}, "/confidence"),
        ({"confidence": -1}, "/confidence"),
        ({"action_type": " "}, "/action_type"),
        ({"status": "maybe"}, "/status"),
        ({"task_id": str(uuid4())}, "/task_ids"),
        ({"agent_id": str(uuid4())}, "/agent_id"),
        ({"rubric_scores": {"risk": 1.5}}, "/rubric_scores"),
    ],
)
async def test_wrong_field_is_named(client: httpx.AsyncClient, url: str, fields: dict[str, Any], pointer: str) -> None:
    refused = await ask(client, url, **fields)
    assert refused.status_code == 400, refused.text
    assert refused.json()["errors"][0]["pointer"].startswith(pointer)


async def test_task_of_another_board_cannot_be_named(client: httpx.AsyncClient, url: str, stranger: Stranger) -> None:
    refused = await ask(client, url, task_id=str(stranger.task))
    assert (refused.status_code, refused.json()["code"]) == (400, "unknown_reference")
    theirs = f"/api/v1/boards/{stranger.board}/approvals"
    assert (await client.get(theirs)).status_code == (await ask(client, theirs)).status_code == 404


async def test_approval_is_found_on_its_own_board_alone(
    client: httpx.AsyncClient, url: str, second: dict[str, Any]
) -> None:
    approval, other = (await ask(client, url)).json(), (await ask(client, url)).json()
    elsewhere = f"/api/v1/boards/{second['id']}/approvals/{approval['id']}"
    assert (await client.get(elsewhere)).status_code == 404
    assert (await client.patch(elsewhere, json={"status": "approved"})).status_code == 404
    assert (await client.get(url)).json()["items"] == [other, approval]
    assert (await client.get(elsewhere.rpartition("/")[0])).json()["items"] == []
    assert (await client.get(f"{url}/{approval['id']}")).json() == approval


async def test_task_is_in_one_pending_approval(
    client: httpx.AsyncClient, url: str, task: dict[str, Any], tasks_url: str
) -> None:
    other = await create_task(client, tasks_url)
    first = (await ask(client, url, task)).json()
    await ask(client, url, other)
    refused = await ask(client, url, task)
    assert (refused.status_code, refused.json()["code"]) == (409, "pending_approval_exists")
    assert (await client.patch(f"{url}/{first['id']}", json={"status": "rejected"})).status_code == 200
    assert (await ask(client, url, task)).status_code == 201
    assert (await ask(client, url, other)).json()["code"] == "pending_approval_exists"


async def test_of_many_at_once_one_is_pending(
    client: httpx.AsyncClient, url: str, task: dict[str, Any], database_url: str
) -> None:
    with holding(database_url, "SELECT FROM boards FOR UPDATE") as waiting:
        asked = [asyncio.create_task(ask(client, url, task)) for _ in range(4)]
        await asyncio.to_thread(waiting, 4)
    assert sorted(response.status_code for response in await asyncio.gather(*asked)) == [201, 409, 409, 409]


@pytest.mark.parametrize("status", ["approved", "rejected"])
async def test_approval_is_resolved_once(
    client: httpx.AsyncClient, url: str, task: dict[str, Any], status: str
) -> None:
    approval = f"{url}/{(await ask(client, url, task)).json()['id']}"
    for nothing in ({}, {"status": None}, {"status": "pending"}):
        assert (await client.patch(approval, json=nothing)).json()["status"] == "pending"
    resolved = (await client.patch(approval, json={"status": status})).json()
    assert (resolved["status"], resolved["resolved_at"] is None) == (status, False)
    for again in ("approved", "rejected", "pending"):
        refused = await client.patch(approval, json={"status": again})
        assert (refused.status_code, refused.json()["code"]) == (409, "approval_resolved")
        assert refused.json()["approval_status"] == status
    events = [event["event_type"] for event in (await client.get("/api/v1/activity")).json()["items"]]
    assert events[:2] == [f"approval.{status}", "approval.created"]


async def test_of_two_decisions_at_once_one_holds(
    client: httpx.AsyncClient, url: str, task: dict[str, Any], database_url: str
) -> None:
    approval = f"{url}/{(await ask(client, url, task)).json()['id']}"
    with holding(database_url, "SELECT FROM boards FOR UPDATE") as waiting:
        decisions = [
            asyncio.create_task(client.patch(approval, json={"status": status})) for status in ("approved", "rejected")
        ]
        await asyncio.to_thread(waiting, 2)
    answers = await asyncio.gather(*decisions)
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    (held,) = [answer.json()["status"] for answer in answers if answer.status_code == 200]
    assert (await client.get(approval)).json()["status"] == held


async def test_approval_waits_for_a_change_of_status_that_has_looked_at_the_approvals(
    client: httpx.AsyncClient, url: str, task: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    """Otherwise a task would change its status while a pending approval names it."""
    other = (await ask(client, url)).json()
    # As an UPDATE of the task does, and not in the way of what refers to it.
    lock = "SELECT FROM tasks WHERE id = :id FOR NO KEY UPDATE"
    with holding(database_url, lock, id=task["id"]) as wait:
        changing = asyncio.create_task(client.patch(f"{tasks_url}/{task['id']}", json={"status": "in_progress"}))
        await asyncio.to_thread(wait, 1)
        asking = asyncio.create_task(ask(client, url, task))
        await asyncio.to_thread(wait, 2)
        deciding = asyncio.create_task(client.patch(f"{url}/{other['id']}", json={"status": "approved"}))
        await asyncio.to_thread(wait, 3)
    answers = await asyncio.gather(changing, asking, deciding)
    assert [answer.status_code for answer in answers] == [200, 201, 200]


async def test_agent_asks_and_a_person_decides(
    client: httpx.AsyncClient, crew: dict[str, Any], url: str, task: dict[str, Any], signed_in: SignIn
) -> None:
    registered, other = await register(client, crew), await register(client, crew, name="other")
    agent = await signed_in(registered)
    decided = await ask(agent, url, task, status="approved")
    assert (decided.status_code, decided.json()["code"]) == (403, "people_only")
    approval = (await ask(agent, url, task, agent_id=other["id"])).json()
    assert (approval["status"], approval["agent_id"]) == ("pending", registered["id"])
    refused = await agent.patch(f"{url}/{approval['id']}", json={"status": "approved"})
    assert (refused.status_code, refused.json()["code"]) == (403, "people_only")
    assert (await client.patch(f"{url}/{approval['id']}", json={"status": "approved"})).status_code == 200


async def test_done_needs_an_approved_approval_where_the_board_says_so(
    client: httpx.AsyncClient, board: dict[str, Any], url: str, tasks_url: str, task: dict[str, Any]
) -> None:
    await client.patch(f"/api/v1/boards/{board['id']}", json={"require_approval_for_done": True})
    done = {"status": "done"}

    async def code() -> str | None:
        return (await client.patch(f"{tasks_url}/{task['id']}", json=done)).json().get("code")

    await ask(client, url, await create_task(client, tasks_url), status="approved")
    assert await code() == "approval_required"
    rejected = (await ask(client, url, task)).json()
    assert await code() == "approval_required"
    await client.patch(f"{url}/{rejected['id']}", json={"status": "rejected"})
    assert await code() == "approval_required"
    decided = await ask(client, url, task, status="approved")
    assert (decided.status_code, decided.json()["resolved_at"] is None) == (201, False)
    assert await code() is None


async def test_status_stays_while_a_pending_approval_names_the_task_where_the_board_says_so(
    client: httpx.AsyncClient, board: dict[str, Any], url: str, tasks_url: str, task: dict[str, Any]
) -> None:
    rule = {"block_status_changes_with_pending_approval": True}
    await client.patch(f"/api/v1/boards/{board['id']}", json=rule)
    approval = (await ask(client, url, task)).json()
    refused = await client.patch(f"{tasks_url}/{task['id']}", json={"status": "in_progress"})
    assert (refused.status_code, refused.json()["code"]) == (409, "pending_approval")
    assert (await client.patch(f"{tasks_url}/{task['id']}", json={"title": "other"})).status_code == 200
    await client.patch(f"{url}/{approval['id']}", json={"status": "rejected"})
    assert (await client.patch(f"{tasks_url}/{task['id']}", json={"status": "in_progress"})).status_code == 200


async def test_task_that_is_deleted_leaves_the_approval(
    client: httpx.AsyncClient, url: str, tasks_url: str, task: dict[str, Any], database_url: str
) -> None:
    approval = (await ask(client, url, task)).json()
    await client.delete(f"{tasks_url}/{task['id']}")
    left = (await client.get(f"{url}/{approval['id']}")).json()
    assert (left["task_id"], left["task_ids"], left["status"]) == (None, [], "pending")
    assert query(database_url, "SELECT count(*) FROM approval_tasks") == [(0,)]

"""A board at a glance: what is in it, how much of it, who sees it, at which cost."""

from typing import Any

import httpx
from litestar import Litestar

from app.services.snapshots import MAX_OTHERS, MAX_TASKS
from tests.integration.conftest import SignIn, Stranger
from tests.support.api import BOARDS, MINIMAL, create_task, define, register
from tests.support.boards import become, grant
from tests.support.database import query
from tests.support.sent_statements import statements


def snapshot_url(board: dict[str, Any]) -> str:
    return f"{BOARDS}/{board['id']}/snapshot"


async def test_snapshot_has_what_the_lists_have(
    client: httpx.AsyncClient, crew: dict[str, Any], tasks_url: str
) -> None:
    board = crew
    url = f"{BOARDS}/{board['id']}"
    empty = {"board": board, "tasks": [], "agents": [], "approvals": [], "chat_messages": []}
    assert (await client.get(f"{url}/snapshot")).json() == empty | {"pending_approvals_count": 0}
    await define(client, board, default_value="A-1")
    tag = (await client.post("/api/v1/tags", json={"name": "Rope"})).json()
    agent = await register(client, board)
    await register(client, board, name="Mate")
    first = await create_task(client, tasks_url, "first", tag_ids=[tag["id"]], assigned_agent_id=agent["id"])
    await create_task(client, tasks_url, "second", depends_on_task_ids=[first["id"]])
    ask = {"action_type": "cast off", "confidence": 90, "task_id": first["id"]}
    asked = (await client.post(f"{url}/approvals", json=ask)).json()
    await client.patch(f"{url}/approvals/{asked['id']}", json={"status": "rejected"})
    for body in (ask, {"action_type": "anchor", "confidence": 1}):
        assert (await client.post(f"{url}/approvals", json=body)).status_code == 201
    for content, tags in (("hello", ["chat"]), ("a note", None), ("ahoy", ["chat"])):
        await client.post(f"{url}/memory", json={"content": content, "tags": tags})
    found = (await client.get(f"{url}/snapshot")).json()
    tasks = (await client.get(tasks_url)).json()["items"]
    named = {
        first["id"]: {"assignee": "Bosun", "approvals_count": 2, "approvals_pending_count": 1},
    }
    nothing = {"assignee": None, "approvals_count": 0, "approvals_pending_count": 0}
    assert found["board"] == board
    assert found["tasks"] == [task | named.get(task["id"], nothing) for task in tasks]
    assert found["agents"] == (await client.get("/api/v1/agents")).json()["items"]
    listed = (await client.get(f"{url}/approvals")).json()["items"]
    assert found["approvals"] == sorted(listed, key=lambda approval: approval["status"] != "pending")
    assert found["pending_approvals_count"] == 2
    chat = (await client.get(f"{url}/memory", params={"is_chat": True})).json()["items"]
    assert found["chat_messages"] == chat[::-1]
    assert [message["content"] for message in found["chat_messages"]] == ["hello", "ahoy"]


async def test_snapshot_has_nothing_of_another_board(client: httpx.AsyncClient, board: dict[str, Any]) -> None:
    other = (await client.post(BOARDS, json={**MINIMAL, "slug": "other"})).json()
    url = f"{BOARDS}/{board['id']}"
    await register(client, board)
    await create_task(client, f"{url}/tasks")
    await client.post(f"{url}/approvals", json={"action_type": "a", "confidence": 1})
    await client.post(f"{url}/memory", json={"content": "c", "tags": ["chat"]})
    found = (await client.get(snapshot_url(other))).json()
    assert [len(found[name]) for name in ("tasks", "agents", "approvals", "chat_messages")] == [0, 0, 0, 0]
    assert found["pending_approvals_count"] == 0


async def test_tasks_in_progress_come_first_and_done_ones_last(client: httpx.AsyncClient, tasks_url: str) -> None:
    for status, priority in (
        ("done", "high"),
        ("inbox", "low"),
        ("inbox", "high"),
        ("review", "low"),
        ("in_progress", "medium"),
    ):
        await create_task(client, tasks_url, f"{status} {priority}", status=status, priority=priority)
    found = (await client.get(f"{tasks_url.removesuffix('/tasks')}/snapshot")).json()
    expected = ["in_progress medium", "review low", "inbox high", "inbox low", "done high"]
    assert [task["title"] for task in found["tasks"]] == expected


async def test_snapshot_is_for_those_who_may_read_the_board(
    client: httpx.AsyncClient, board: dict[str, Any], stranger: Stranger, signed_in: SignIn, database_url: str
) -> None:
    other = (await client.post(BOARDS, json={**MINIMAL, "slug": "other"})).json()
    agent = await signed_in(await register(client, board))
    assert (await agent.get(snapshot_url(board))).status_code == 200
    assert (await agent.get(snapshot_url(other))).status_code == 404
    assert (await client.get(f"{BOARDS}/{stranger.board}/snapshot")).status_code == 404
    become(database_url, "member")
    assert (await client.get(snapshot_url(board))).status_code == 404
    grant(database_url, board["id"], reads=True, writes=False)
    assert (await client.get(snapshot_url(board))).status_code == 200


async def test_snapshot_is_cut_off_and_costs_the_same_number_of_statements_however_much_there_is(
    app: Litestar, client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    url = snapshot_url(board)
    await define(client, board, default_value="x")
    task = await create_task(client, tasks_url)
    ask = {"action_type": "a", "confidence": 1, "task_id": task["id"]}
    await client.post(f"{BOARDS}/{board['id']}/approvals", json=ask)
    cost = await statements(app, client, url)
    assert cost == 11
    of_board = "FROM generate_series(1, 600) AS n, boards AS b WHERE b.id = :board"
    for insert in (
        "INSERT INTO tasks (id, organization_id, board_id, title)"
        f" SELECT gen_random_uuid(), b.organization_id, b.id, 't' || n {of_board}",
        "INSERT INTO board_memory (id, organization_id, board_id, content, tags)"
        f" SELECT gen_random_uuid(), b.organization_id, b.id, n, '{{chat}}' {of_board}",
        "INSERT INTO agents (id, organization_id, board_id, name, token_hash)"
        f" SELECT gen_random_uuid(), b.organization_id, b.id, 'a' || n, sha256(n::text::bytea) {of_board}",
        "INSERT INTO approvals (id, organization_id, board_id, action_type, confidence, status)"
        f" SELECT gen_random_uuid(), b.organization_id, b.id, 'a' || n, 1, 'pending' {of_board}",
        "INSERT INTO approval_tasks (organization_id, approval_id, task_id, position, is_pending)"
        " SELECT a.organization_id, a.id, :task, 0, false FROM approvals AS a"
        " WHERE a.board_id = :board AND a.action_type <> 'a'",
        "INSERT INTO custom_field_values (organization_id, task_id, custom_field_id, value)"
        " SELECT t.organization_id, t.id, f.id, '1' FROM tasks AS t, custom_fields AS f WHERE t.id <> :task",
    ):
        values = {"board": board["id"], "task": task["id"]}
        query(database_url, insert, **{name: value for name, value in values.items() if f":{name}" in insert})
    assert await statements(app, client, url) == cost
    found = (await client.get(url)).json()
    kinds = ("tasks", "agents", "approvals", "chat_messages")
    assert [len(found[kind]) for kind in kinds] == [MAX_TASKS, MAX_OTHERS, MAX_OTHERS, MAX_OTHERS]
    assert found["pending_approvals_count"] == 601

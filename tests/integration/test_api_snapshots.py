"""The boards of a group at a glance: which boards, which of their tasks, in which order, at which cost."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar

from tests.integration.conftest import SignIn, Stranger
from tests.support.api import BOARDS, GROUPS, MINIMAL, create, register
from tests.support.boards import become, grant
from tests.support.database import query
from tests.support.sent_statements import statements


@pytest.fixture
async def other(client: httpx.AsyncClient, group: dict[str, Any]) -> dict[str, Any]:
    """A second board of the group."""
    return await create(client, BOARDS, **{**MINIMAL, "name": "Aft", "slug": "aft", "board_group_id": group["id"]})


async def add(client: httpx.AsyncClient, board: dict[str, Any], title: str, **fields: Any) -> dict[str, Any]:
    return await create(client, f"{BOARDS}/{board['id']}/tasks", title=title, **fields)


async def snapshot(client: httpx.AsyncClient, path: str, **params: Any) -> dict[str, Any]:
    response = await client.get(path, params=params)
    assert response.status_code == 200, response.text
    return response.json()


def names(found: dict[str, Any]) -> list[str]:
    return [part["board"]["name"] for part in found["boards"]]


async def test_snapshot_shows_boards_by_name_with_their_tasks(
    client: httpx.AsyncClient, grouped: dict[str, Any], other: dict[str, Any], group: dict[str, Any]
) -> None:
    tags = [(await client.post("/api/v1/tags", json={"name": name})).json() for name in ("zinc", "anode")]
    agent = await register(client, other)
    task = await add(
        client,
        other,
        "Splice",
        tag_ids=[tag["id"] for tag in tags],
        assigned_agent_id=agent["id"],
        due_at="2027-01-01T10:00:00Z",
        status="in_progress",
    )
    await client.post(BOARDS, json={**MINIMAL, "slug": "apart"})
    found = await snapshot(client, f"{GROUPS}/{group['id']}/snapshot")
    assert found["group"] == group
    aft, deck = found["boards"]
    assert (aft["board"], deck["board"]) == (other, grouped)
    assert deck == {
        "board": grouped,
        "task_counts": {"inbox": 0, "in_progress": 0, "review": 0, "done": 0},
        "tasks": [],
    }
    same = ("id", "title", "status", "priority", "due_at", "in_progress_at", "created_at", "updated_at")
    refs = [{name: tag[name] for name in ("id", "name", "slug", "color")} for tag in tags[::-1]]
    assert aft["tasks"] == [
        {name: task[name] for name in same}
        | {"board_id": other["id"], "board_name": "Aft", "tags": refs}
        | {"assigned_agent_id": agent["id"], "assignee": "Bosun"}
    ]


async def test_tasks_in_progress_come_first_and_no_more_than_asked_for(
    client: httpx.AsyncClient, grouped: dict[str, Any], other: dict[str, Any], group: dict[str, Any], database_url: str
) -> None:
    for board in (grouped, other):
        for status in ("done", "inbox", "review", "in_progress"):
            for priority in ("low", "high", "medium"):
                await add(client, board, f"{status} {priority}", status=status, priority=priority)
        await add(client, board, "inbox high, changed last", priority="high")
    query(database_url, "UPDATE tasks SET updated_at = created_at")
    expected = [
        f"{status} {priority}"
        for status in ("in_progress", "review", "inbox", "done")
        for priority in ("high", "medium", "low")
    ]
    expected.insert(6, "inbox high, changed last")
    url = f"{GROUPS}/{group['id']}/snapshot"
    for params, shown in (
        ({}, expected[:5]),
        ({"per_board_task_limit": 8}, expected[:8]),
        ({"per_board_task_limit": 100}, expected[:10]),
        ({"per_board_task_limit": 100, "include_done": True}, expected),
        ({"per_board_task_limit": 0, "include_done": True}, []),
    ):
        for part in (await snapshot(client, url, **params))["boards"]:
            assert [task["title"] for task in part["tasks"]] == shown, params
            assert part["task_counts"] == {"inbox": 4, "in_progress": 3, "review": 3, "done": 3}


async def test_board_is_in_its_groups_snapshot_if_asked_for(
    client: httpx.AsyncClient, grouped: dict[str, Any], other: dict[str, Any], group: dict[str, Any]
) -> None:
    await add(client, grouped, "mine", status="done")
    await add(client, other, "theirs")
    url = f"{BOARDS}/{grouped['id']}/group-snapshot"
    found = await snapshot(client, url)
    assert (found["group"], names(found)) == (group, ["Aft"])
    (aft,) = found["boards"]
    assert (aft["task_counts"]["inbox"], [task["title"] for task in aft["tasks"]]) == (1, ["theirs"])
    whole = await snapshot(client, url, include_self=True, include_done=True, per_board_task_limit=1)
    assert names(whole) == [other["name"], grouped["name"]]
    assert [task["title"] for task in whole["boards"][1]["tasks"]] == ["mine"]


async def test_board_without_a_group_has_an_empty_snapshot(client: httpx.AsyncClient, board: dict[str, Any]) -> None:
    for params in ({}, {"include_self": True}):
        found = await snapshot(client, f"{BOARDS}/{board['id']}/group-snapshot", **params)
        assert found == {"group": None, "boards": []}


@pytest.mark.parametrize("limit", ["-1", "101", "x"])
async def test_wrong_limit_is_400_and_named(
    client: httpx.AsyncClient, grouped: dict[str, Any], group: dict[str, Any], limit: str
) -> None:
    for url in (f"{GROUPS}/{group['id']}/snapshot", f"{BOARDS}/{grouped['id']}/group-snapshot"):
        refused = await client.get(url, params={"per_board_task_limit": limit})
        assert refused.status_code == 400
        assert [error["pointer"] for error in refused.json()["errors"]] == ["per_board_task_limit"]


async def test_only_boards_that_the_caller_may_read_are_in_it(
    client: httpx.AsyncClient,
    grouped: dict[str, Any],
    other: dict[str, Any],
    group: dict[str, Any],
    signed_in: SignIn,
    database_url: str,
) -> None:
    for board in (grouped, other):
        await add(client, board, f"of {board['name']}")
    agent = await signed_in(await register(client, grouped))
    of_group, of_board = f"{GROUPS}/{group['id']}/snapshot", f"{BOARDS}/{grouped['id']}/group-snapshot"
    become(database_url, "member")
    for url in (of_group, of_board):
        assert (await client.get(url)).status_code == 404
    grant(database_url, grouped["id"], reads=True, writes=False)
    for caller in (client, agent):
        assert names(await snapshot(caller, of_group)) == ["Deck"]
        assert names(await snapshot(caller, of_board)) == []
        assert (await caller.get(f"{BOARDS}/{other['id']}/group-snapshot")).status_code == 404
    become(database_url, "member", reads=True)
    assert names(await snapshot(client, of_group)) == ["Aft", "Deck"]


async def test_another_organizations_snapshot_is_not_there(
    client: httpx.AsyncClient, stranger: Stranger, foreign_group: UUID
) -> None:
    for url in (f"{GROUPS}/{foreign_group}/snapshot", f"{BOARDS}/{stranger.board}/group-snapshot"):
        assert (await client.get(url)).status_code == 404


async def test_snapshot_costs_the_same_number_of_statements_however_many_boards(
    app: Litestar, client: httpx.AsyncClient, grouped: dict[str, Any], group: dict[str, Any], database_url: str
) -> None:
    of_group = f"{GROUPS}/{group['id']}/snapshot?per_board_task_limit=100"
    of_board = f"{BOARDS}/{grouped['id']}/group-snapshot?include_self=true"
    costs = [await statements(app, client, url) for url in (of_group, of_board)]
    assert costs == [6, 6]
    query(
        database_url,
        "INSERT INTO boards (id, organization_id, name, slug, description, board_group_id)"
        " SELECT gen_random_uuid(), b.organization_id, 'b' || n, 'b-' || n, '', b.board_group_id"
        " FROM boards AS b, generate_series(1, 40) AS n",
    )
    query(
        database_url,
        "INSERT INTO tasks (id, organization_id, board_id, title)"
        " SELECT gen_random_uuid(), b.organization_id, b.id, 't' || n"
        " FROM boards AS b, generate_series(1, 20) AS n",
    )
    assert [await statements(app, client, url) for url in (of_group, of_board)] == costs
    found = (await client.get(of_board)).json()["boards"]
    assert [len(part["tasks"]) for part in found] == [5] * 41

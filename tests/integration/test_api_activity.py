"""The trail: each change and its event are one transaction, and who may look sees it."""

from typing import Any

import httpx

from tests.integration.conftest import SignIn, Stranger
from tests.support.api import ACTIVITY, register
from tests.support.boards import become, grant
from tests.support.database import insert


async def types(client: httpx.AsyncClient) -> list[str]:
    """Newest first."""
    return [event["event_type"] for event in (await client.get(ACTIVITY)).json()["items"]]


async def test_each_change_is_an_event(client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str) -> None:
    task = (await client.post(tasks_url, json={"title": "Splice"})).json()
    url = f"{tasks_url}/{task['id']}"
    await client.patch(url, json={"title": "Splice it", "status": "in_progress"})
    await client.post(f"{url}/comments", json={"message": "done soon"})
    (comment, updated, changed, created, made) = (await client.get(ACTIVITY)).json()["items"]
    assert (made["event_type"], made["board_id"], made["task_id"]) == ("board.created", board["id"], None)
    assert (made["route_name"], made["route_params"]) == ("get_board", {"board_id": board["id"]})
    assert (created["event_type"], created["message"]) == ("task.created", "Splice")
    assert (changed["event_type"], changed["message"]) == ("task.status_changed", "inbox → in_progress")
    assert (updated["event_type"], updated["message"]) == ("task.updated", "title")
    assert (comment["event_type"], comment["message"]) == ("task.comment", "done soon")
    assert comment["route_params"] == {"board_id": board["id"], "task_id": task["id"]}


async def test_trail_outlives_what_it_tells_of(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str
) -> None:
    task = (await client.post(tasks_url, json={"title": "Splice"})).json()
    await client.delete(f"{tasks_url}/{task['id']}")
    await client.delete(f"/api/v1/boards/{board['id']}")
    events = (await client.get(ACTIVITY)).json()["items"]
    assert [event["event_type"] for event in events] == [
        "board.deleted",
        "task.deleted",
        "task.created",
        "board.created",
    ]
    assert [event["task_id"] for event in events] == [None, task["id"], task["id"], None]
    assert events[0]["route_name"] is None


async def test_change_that_is_refused_leaves_no_event(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str
) -> None:
    await client.patch(f"/api/v1/boards/{board['id']}", json={"comment_required_for_review": True})
    task = (await client.post(tasks_url, json={"title": "Splice"})).json()
    before = await types(client)
    refused = await client.patch(f"{tasks_url}/{task['id']}", json={"title": "other", "status": "review"})
    assert refused.status_code == 409
    assert await types(client) == before


async def test_feed_of_comments_says_where_they_are(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str
) -> None:
    task, gone = [(await client.post(tasks_url, json={"title": title})).json() for title in ("Splice", "gone")]
    written = (await client.post(f"{tasks_url}/{task['id']}/comments", json={"message": "ahoy"})).json()
    await client.post(f"{tasks_url}/{gone['id']}/comments", json={"message": "gone, too"})
    await client.delete(f"{tasks_url}/{gone['id']}")
    expected = {
        "id": written["id"],
        "created_at": written["created_at"],
        "message": "ahoy",
        "agent_id": None,
        "agent_name": None,
        "agent_role": None,
        "task_id": task["id"],
        "task_title": "Splice",
        "board_id": board["id"],
        "board_name": "Deck",
    }
    for params in ({}, {"board_id": board["id"]}):
        page = (await client.get(f"{ACTIVITY}/task-comments", params=params)).json()
        (item,) = page["items"]
        assert page["total"] == 1
        assert {**item, "created_at": expected["created_at"]} == expected
    elsewhere = {"board_id": "00000000-0000-0000-0000-000000000000"}
    assert (await client.get(f"{ACTIVITY}/task-comments", params=elsewhere)).json()["items"] == []


async def test_feed_of_comments_names_the_agents_that_wrote_them_newest_first(
    client: httpx.AsyncClient, crew: dict[str, Any], tasks_url: str, signed_in: SignIn
) -> None:
    task = (await client.post(tasks_url, json={"title": "Splice"})).json()
    url, agents = f"{tasks_url}/{task['id']}/comments", [await register(client, crew, name=name) for name in "ab"]
    for writer in (client, *[await signed_in(agent) for agent in agents]):
        assert (await writer.post(url, json={"message": "ahoy"})).status_code == 201
    items = (await client.get(f"{ACTIVITY}/task-comments")).json()["items"]
    assert [(item["agent_id"], item["agent_name"], item["agent_role"]) for item in items] == [
        (agents[1]["id"], "b", "agent"),
        (agents[0]["id"], "a", "lead"),
        (None, None, None),
    ]


async def test_member_sees_what_happened_on_boards_that_he_may_read(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    task = (await client.post(tasks_url, json={"title": "Splice"})).json()
    await client.post(f"{tasks_url}/{task['id']}/comments", json={"message": "ahoy"})
    become(database_url, "member")
    assert await types(client) == []
    assert (await client.get(f"{ACTIVITY}/task-comments")).json()["items"] == []
    grant(database_url, board["id"], reads=True, writes=False)
    assert await types(client) == ["task.comment", "task.created", "board.created"]


async def test_other_organizations_are_not_in_it(
    client: httpx.AsyncClient, stranger: Stranger, database_url: str
) -> None:
    about = {"organization_id": stranger.organization, "board_id": stranger.board, "task_id": stranger.task}
    insert(database_url, "activity_events", event_type="task.commented", **about)
    assert await types(client) == []
    assert (await client.get(f"{ACTIVITY}/task-comments")).json()["items"] == []

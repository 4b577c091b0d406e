"""Tasks: their fields, dependencies, tags and comments, and what a list costs."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar

from tests.integration.conftest import Stranger
from tests.support.api import create_task, patch_task
from tests.support.database import holding, query
from tests.support.sent_statements import statements, statements_of


async def test_created_task_has_every_field(client: httpx.AsyncClient, tasks_url: str, me: dict[str, Any]) -> None:
    tag = (await client.post("/api/v1/tags", json={"name": "Rope"})).json()
    other = await create_task(client, tasks_url, "other")
    response = await client.post(
        tasks_url,
        json={
            "title": "Splice",
            "description": "the main sheet",
            "due_at": "2026-12-24T18:00:00+01:00",
            "tag_ids": [tag["id"], tag["id"]],
            "depends_on_task_ids": [other["id"]],
            "created_by_user_id": str(uuid4()),
        },
    )
    body = response.json()
    assert response.headers["location"] == f"{tasks_url}/{body['id']}"
    assert (body["status"], body["priority"], body["in_progress_at"]) == ("inbox", "medium", None)
    assert body["due_at"] == "2026-12-24T17:00:00Z"
    assert body["created_by_user_id"] == me["id"], "always the caller"
    assert body["created_at"] == body["updated_at"]
    assert body["tags"] == [{key: tag[key] for key in ("id", "name", "slug", "color")}]
    assert body["tag_ids"] == [tag["id"]]
    assert (body["is_blocked"], body["blocked_by_task_ids"]) == (True, [other["id"]])
    assert body["depends_on_task_ids"] == [other["id"]]
    assert (body["assigned_agent_id"], body["custom_field_values"]) == (None, {})
    assert (await client.get(response.headers["location"])).json() == body


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"title": " "}, "/title"),
        ({"status": "lost"}, "/status"),
        ({"priority": "urgent"}, "/priority"),
        ({"due_at": "soon"}, "/due_at"),
        ({"tag_ids": [str(uuid4())]}, "/tag_ids"),
        ({"tag_ids": ["x"]}, "/tag_ids/0"),
        ({"depends_on_task_ids": [str(uuid4())]}, "/depends_on_task_ids"),
        ({"assigned_agent_id": str(uuid4())}, "/assigned_agent_id"),
        ({"custom_field_values": {"a~/b": 1}}, "/custom_field_values/a~0~1b"),
    ],
)
async def test_field_that_does_not_fit_is_400_and_named(
    client: httpx.AsyncClient, tasks_url: str, fields: dict[str, Any], pointer: str
) -> None:
    task = await create_task(client, tasks_url)
    for response in (
        await client.post(tasks_url, json={"title": "t", **fields}),
        await patch_task(client, tasks_url, task, **fields),
    ):
        assert response.status_code == 400, response.text
        assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


async def test_foreign_tags_and_tasks_cannot_be_referred_to(
    client: httpx.AsyncClient, tasks_url: str, stranger: Stranger
) -> None:
    for fields in ({"tag_ids": [str(stranger.tag)]}, {"depends_on_task_ids": [str(stranger.task)]}):
        assert (await client.post(tasks_url, json={"title": "t", **fields})).status_code == 400
    second = (await client.post("/api/v1/boards", json={"name": "2", "slug": "two", "description": ""})).json()
    elsewhere = await create_task(client, f"/api/v1/boards/{second['id']}/tasks")
    response = await client.post(tasks_url, json={"title": "t", "depends_on_task_ids": [elsewhere["id"]]})
    assert response.status_code == 400, "a task waits for tasks of its own board alone"
    assert (await client.get(f"{tasks_url}/{elsewhere['id']}")).status_code == 404


async def test_dependencies_never_make_a_circle(client: httpx.AsyncClient, tasks_url: str) -> None:
    a = await create_task(client, tasks_url, "a")
    b = await create_task(client, tasks_url, "b", depends_on_task_ids=[a["id"]])
    c = await create_task(client, tasks_url, "c", depends_on_task_ids=[b["id"]])
    for target, depends_on in ((a, [c]), (a, [b]), (a, [a]), (b, [c])):
        response = await patch_task(client, tasks_url, target, depends_on_task_ids=[task["id"] for task in depends_on])
        assert (response.status_code, response.json()["code"]) == (409, "dependency_cycle")
    assert (await patch_task(client, tasks_url, c, depends_on_task_ids=[a["id"], b["id"]])).status_code == 200
    assert (await patch_task(client, tasks_url, c, depends_on_task_ids=[])).json()["depends_on_task_ids"] == []
    assert (await client.get(f"{tasks_url}/{b['id']}")).json()["depends_on_task_ids"] == [a["id"]], "another's stay"


async def test_two_requests_that_together_would_make_a_circle_do_not(
    client: httpx.AsyncClient, tasks_url: str, board: dict[str, Any], database_url: str
) -> None:
    a, b = await create_task(client, tasks_url, "a"), await create_task(client, tasks_url, "b")
    with holding(database_url, "SELECT FROM boards WHERE id = :id FOR UPDATE", id=board["id"]) as wait_for_waiters:
        both = [
            asyncio.create_task(patch_task(client, tasks_url, a, depends_on_task_ids=[b["id"]])),
            asyncio.create_task(patch_task(client, tasks_url, b, depends_on_task_ids=[a["id"]])),
        ]
        await asyncio.to_thread(wait_for_waiters, 2)
    assert sorted([response.status_code for response in await asyncio.gather(*both)]) == [200, 409]
    assert query(database_url, "SELECT count(*) FROM task_dependencies") == [(1,)]


async def test_comments_are_listed_oldest_first(
    client: httpx.AsyncClient, tasks_url: str, me: dict[str, Any], database_url: str
) -> None:
    task, other = await create_task(client, tasks_url), await create_task(client, tasks_url)
    await client.post(f"{tasks_url}/{other['id']}/comments", json={"message": "elsewhere"})
    url = f"{tasks_url}/{task['id']}/comments"
    for message in ("one", "two", "three"):
        response = await client.post(url, json={"message": message})
        assert (response.status_code, response.json()["task_id"]) == (201, task["id"])
    page = (await client.get(url, params={"limit": 2})).json()
    rest = (await client.get(url, params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert [c["message"] for c in page["items"] + rest["items"]] == ["one", "two", "three"]
    assert query(database_url, "SELECT DISTINCT author_user_id FROM task_comments") == [(UUID(me["id"]),)]


async def test_list_filters_by_status_and_assignment(client: httpx.AsyncClient, tasks_url: str) -> None:
    for status in ("inbox", "in_progress", "review"):
        await create_task(client, tasks_url, status, status=status)

    async def titles(**params: Any) -> set[str]:
        return {task["title"] for task in (await client.get(tasks_url, params=params)).json()["items"]}

    assert await titles() == {"inbox", "in_progress", "review"}
    assert await titles(status="review") == {"review"}
    assert await titles(status="review,inbox") == {"review", "inbox"}
    assert await titles(assigned_agent_id=str(uuid4())) == set()
    assert await titles(unassigned=True) == {"inbox", "in_progress", "review"}
    assert (await client.get(tasks_url, params={"status": "lost"})).json()["errors"][0]["pointer"] == "status"


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_task_that_somebody_deletes_meanwhile_is_gone(
    client: httpx.AsyncClient, tasks_url: str, database_url: str, method: str
) -> None:
    task = await create_task(client, tasks_url)
    with holding(database_url, "DELETE FROM tasks WHERE id = :id", id=task["id"]) as wait_for_a_waiter:
        late = asyncio.create_task(client.request(method, f"{tasks_url}/{task['id']}", json={"title": "late"}))
        await asyncio.to_thread(wait_for_a_waiter)
    assert (await late).status_code == 404


@pytest.mark.parametrize(
    ("moment", "status"),
    [
        ("0001-01-01T00:00:00Z", 400),
        ("0001-01-01T01:00:00+01:00", 400),
        ("0001-01-01T00:00:00.000001Z", 201),
        ("9999-12-31T23:59:59.999998Z", 201),
        ("9999-12-31T23:59:59.999999Z", 400),
    ],
)
async def test_moment_is_read_back_as_it_was_sent_or_refused(
    client: httpx.AsyncClient, tasks_url: str, moment: str, status: int
) -> None:
    response = await client.post(tasks_url, json={"title": "t", "due_at": moment})
    assert response.status_code == status
    if status == 201:
        assert (await client.get(response.headers["location"])).json()["due_at"] == moment


@pytest.mark.parametrize("kind", ["tags", "dependencies"])
async def test_new_task_is_answered_as_it_is_read(client: httpx.AsyncClient, tasks_url: str, kind: str) -> None:
    tag, other = (await client.post("/api/v1/tags", json={"name": "Rope"})).json(), await create_task(client, tasks_url)
    fields: dict[str, Any] = {"tag_ids": [tag["id"]]} if kind == "tags" else {"depends_on_task_ids": [other["id"]]}
    made = await create_task(client, tasks_url, **fields)
    assert made == (await client.get(f"{tasks_url}/{made['id']}")).json()
    assert {name: made[name] for name in fields} == fields


async def test_tags_are_in_the_order_of_their_names_and_dependencies_oldest_first(
    client: httpx.AsyncClient, tasks_url: str, database_url: str
) -> None:
    tags = [(await client.post("/api/v1/tags", json={"name": name})).json()["id"] for name in ("b", "c", "a")]
    others = [(await create_task(client, tasks_url))["id"] for _ in range(3)]
    made = await create_task(client, tasks_url, tag_ids=tags, depends_on_task_ids=others[::-1])
    assert [tag["name"] for tag in made["tags"]] == ["a", "b", "c"]
    # Those made in one microsecond are in no certain order.
    assert sorted(made["depends_on_task_ids"]) == sorted(others)
    *first, last = made["depends_on_task_ids"]
    assert made["blocked_by_task_ids"] == [*first, last]
    older = "UPDATE task_dependencies SET created_at = created_at - interval '1 day' WHERE depends_on_task_id = :id"
    query(database_url, older, id=last)
    read = (await client.get(f"{tasks_url}/{made['id']}")).json()
    assert (read["depends_on_task_ids"], read["tags"]) == ([last, *first], made["tags"])
    assert read in (await client.get(tasks_url)).json()["items"]
    other = await create_task(client, tasks_url, tag_ids=tags[:1])
    assert (await patch_task(client, tasks_url, other, tag_ids=[])).json()["tags"] == []
    assert (await client.get(f"{tasks_url}/{made['id']}")).json()["tags"] == made["tags"], "another's stay"


async def test_what_depends_on_nothing_else_does_not_wait_for_the_board(
    client: httpx.AsyncClient, tasks_url: str, database_url: str
) -> None:
    other, task = await create_task(client, tasks_url), await create_task(client, tasks_url)
    # As a change of a status does.
    with holding(database_url, "SELECT FROM boards FOR NO KEY UPDATE"):
        assert (await patch_task(client, tasks_url, task, title="new", priority="high")).status_code == 200
        await create_task(client, tasks_url, depends_on_task_ids=[other["id"]])


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({"title": "new"}, ["SELECT", "SELECT", "SELECT", "UPDATE", "INSERT"]),
        ({"status": "in_progress"}, ["SELECT", "SELECT", "SELECT", "SELECT", "UPDATE", "INSERT"]),
        ({"title": "task", "status": "inbox"}, ["SELECT", "SELECT", "SELECT", "SELECT", "INSERT"]),
    ],
    ids=["title", "status", "nothing new"],
)
async def test_change_reads_a_task_once_and_stores_it_once(
    app: Litestar, client: httpx.AsyncClient, tasks_url: str, changes: dict[str, Any], sent: list[str]
) -> None:
    task = await create_task(client, tasks_url)
    async with statements_of(app) as seen:
        answer = await patch_task(client, tasks_url, task, **changes)
    # The caller with the board, the board's lock for a status, the task's lock, it with its details, the change, its
    # event.
    assert [statement.split()[0] for statement in seen] == sent
    assert answer.json() == (await client.get(f"{tasks_url}/{task['id']}")).json()


async def test_change_is_answered_with_what_another_has_stored_meanwhile(
    client: httpx.AsyncClient, tasks_url: str, database_url: str
) -> None:
    task = await create_task(client, tasks_url)
    await client.post("/api/v1/tags", json={"name": "Rope"})
    change = """
        UPDATE tasks SET status = 'review', priority = 'high';
        INSERT INTO task_tags (organization_id, task_id, tag_id)
        SELECT tasks.organization_id, tasks.id, tags.id FROM tasks, tags
    """
    with holding(database_url, change) as wait_for_a_waiter:
        late = asyncio.create_task(patch_task(client, tasks_url, task, title="late"))
        await asyncio.to_thread(wait_for_a_waiter)
    answer = await late
    stored = await client.get(f"{tasks_url}/{task['id']}")
    assert (answer.json(), answer.headers["etag"]) == (stored.json(), stored.headers["etag"])
    assert [answer.json()[name] for name in ("title", "status", "priority")] == ["late", "review", "high"]
    assert [tag["name"] for tag in answer.json()["tags"]] == ["Rope"]
    # It is the other who has changed the status.
    events = query(database_url, "SELECT event_type, message FROM activity_events WHERE event_type <> 'task.created'")
    assert [event for event in events if event[0].startswith("task.")] == [("task.updated", "title")]


async def test_value_that_another_changes_meanwhile_is_stored_as_it_was_sent(
    client: httpx.AsyncClient, tasks_url: str, database_url: str
) -> None:
    task = await create_task(client, tasks_url, "as it was")
    with holding(database_url, "UPDATE tasks SET title = 'other'") as wait_for_a_waiter:
        late = asyncio.create_task(patch_task(client, tasks_url, task, title="as it was"))
        await asyncio.to_thread(wait_for_a_waiter)
    assert (await late).json()["title"] == "as it was"
    assert (await client.get(f"{tasks_url}/{task['id']}")).json()["title"] == "as it was"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "", {"title": "late"}),
        ("PATCH", "", {"tag_ids": ["rope"]}),
        ("PATCH", "", {"comment": "late"}),
        ("POST", "/comments", {"message": "late"}),
    ],
    ids=["title", "tag", "comment of a change", "comment"],
)
async def test_task_that_is_deleted_meanwhile_is_404(
    client: httpx.AsyncClient, tasks_url: str, database_url: str, method: str, path: str, body: dict[str, Any]
) -> None:
    task = await create_task(client, tasks_url)
    if "tag_ids" in body:
        body = {"tag_ids": [(await client.post("/api/v1/tags", json={"name": "rope"})).json()["id"]]}
    with holding(database_url, "DELETE FROM tasks") as wait_for_a_waiter:
        late = asyncio.create_task(client.request(method, f"{tasks_url}/{task['id']}{path}", json=body))
        await asyncio.to_thread(wait_for_a_waiter)
    assert ((await late).status_code, (await late).json()["code"]) == (404, "not_found")


async def test_list_costs_the_same_number_of_statements_however_long(
    app: Litestar, client: httpx.AsyncClient, tasks_url: str
) -> None:
    tags = [(await client.post("/api/v1/tags", json={"name": f"tag {n}"})).json()["id"] for n in range(3)]
    first = await create_task(client, tasks_url, tag_ids=tags)
    for url, costs in (
        (tasks_url, 5),
        (f"{tasks_url}/{first['id']}", 2),
        (f"{tasks_url}/{first['id']}/comments", 3),
        ("/api/v1/boards", 2),
        ("/api/v1/tags", 3),
        ("/api/v1/organizations/me/members", 3),
        ("/api/v1/organizations/me/list", 2),
    ):
        assert await statements(app, client, url) == costs, url
    previous = first
    for n in range(49):
        previous = await create_task(client, tasks_url, f"t{n}", tag_ids=tags, depends_on_task_ids=[previous["id"]])
        await client.post(f"{tasks_url}/{first['id']}/comments", json={"message": "m"})
        await client.post("/api/v1/tags", json={"name": f"further {n}"})
    listed = await client.get(tasks_url)
    assert len(listed.json()["items"]) == 50
    # Byte for byte: one task's tags and dependencies are read by another statement.
    assert (await client.get(f"{tasks_url}/{previous['id']}")).text in listed.text
    assert await statements(app, client, tasks_url) == 5
    assert await statements(app, client, f"{tasks_url}/{first['id']}/comments") == 3
    assert await statements(app, client, "/api/v1/tags") == 3

"""The rules of a task's status: what it waits for, the board's rules, and the comment that a review needs."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.support.api import create_task, patch_task
from tests.support.database import holding


async def test_entering_progress_is_stamped(client: httpx.AsyncClient, tasks_url: str) -> None:
    task = await create_task(client, tasks_url)
    first = (await patch_task(client, tasks_url, task, status="in_progress")).json()["in_progress_at"]
    assert first is not None
    assert (await patch_task(client, tasks_url, task, title="new")).json()["in_progress_at"] == first
    assert (await create_task(client, tasks_url, status="in_progress"))["in_progress_at"] is not None


@pytest.mark.parametrize("status", ["in_progress", "review", "done"])
async def test_blocked_task_cannot_move_on_until_what_it_waits_for_is_done(
    client: httpx.AsyncClient, tasks_url: str, status: str
) -> None:
    first = await create_task(client, tasks_url, "first")
    second = await create_task(client, tasks_url, "second", depends_on_task_ids=[first["id"]])
    refused = await patch_task(client, tasks_url, second, status=status, title="renamed")
    assert (refused.status_code, refused.json()["code"]) == (409, "task_blocked")
    blocked_by = {"blocked_by_task_ids": [first["id"]]}
    assert refused.json()["blocked_by_task_ids"] == [first["id"]]
    message = "The task waits for tasks that are not done."
    assert refused.json()["detail"] == {"message": message, "code": "task_blocked_cannot_transition", **blocked_by}
    assert (await client.get(f"{tasks_url}/{second['id']}")).json()["title"] == "second", "all or nothing"
    created = await client.post(tasks_url, json={"title": "t", "status": status, "depends_on_task_ids": [first["id"]]})
    assert created.json()["code"] == "task_blocked"
    await patch_task(client, tasks_url, first, status="done")
    assert (await patch_task(client, tasks_url, second, status=status)).json()["is_blocked"] is False
    await patch_task(client, tasks_url, first, status="inbox")
    back = await patch_task(client, tasks_url, second, status="inbox")
    assert (back.status_code, back.json()["is_blocked"]) == (200, True)


@pytest.mark.parametrize(
    ("rule", "code"),
    [("require_review_before_done", "review_required"), ("require_approval_for_done", "approval_required")],
)
async def test_boards_rule_for_done_is_kept(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, rule: str, code: str
) -> None:
    await client.patch(f"/api/v1/boards/{board['id']}", json={rule: True})
    task = await create_task(client, tasks_url)
    refused = await patch_task(client, tasks_url, task, status="done")
    assert (refused.status_code, refused.json()["code"]) == (409, code)
    assert (await client.post(tasks_url, json={"title": "t", "status": "done"})).json()["code"] == code
    if rule == "require_review_before_done":
        await patch_task(client, tasks_url, task, status="review")
        assert (await patch_task(client, tasks_url, task, status="done")).status_code == 200


async def test_comment_for_review_may_come_with_the_change(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str
) -> None:
    await client.patch(f"/api/v1/boards/{board['id']}", json={"comment_required_for_review": True})
    task, other = await create_task(client, tasks_url), await create_task(client, tasks_url)
    await client.post(f"{tasks_url}/{other['id']}/comments", json={"message": "of another task"})
    assert (await patch_task(client, tasks_url, task, status="in_progress")).status_code == 200
    refused = await patch_task(client, tasks_url, task, status="review")
    assert (refused.status_code, refused.json()["code"]) == (409, "comment_required")
    assert (await patch_task(client, tasks_url, task, status="review", comment="ready")).status_code == 200
    comments = (await client.get(f"{tasks_url}/{task['id']}/comments")).json()
    assert [comment["message"] for comment in comments["items"]] == ["ready"]


async def test_refused_change_stores_no_comment(client: httpx.AsyncClient, tasks_url: str) -> None:
    first = await create_task(client, tasks_url)
    second = await create_task(client, tasks_url, depends_on_task_ids=[first["id"]])
    assert (await patch_task(client, tasks_url, second, status="done", comment="lost?")).status_code == 409
    assert (await client.get(f"{tasks_url}/{second['id']}/comments")).json()["items"] == []


async def test_rule_that_comes_while_a_new_task_waits_to_be_done_counts(
    client: httpx.AsyncClient, tasks_url: str, database_url: str
) -> None:
    with holding(database_url, "UPDATE boards SET require_review_before_done = true") as wait_for_a_waiter:
        late = asyncio.create_task(client.post(tasks_url, json={"title": "t", "status": "done"}))
        await asyncio.to_thread(wait_for_a_waiter)
    assert ((await late).status_code, (await late).json()["code"]) == (409, "review_required")


async def test_deleted_task_sets_free_what_waited_for_it(client: httpx.AsyncClient, tasks_url: str) -> None:
    first = await create_task(client, tasks_url)
    second = await create_task(client, tasks_url, depends_on_task_ids=[first["id"]])
    assert (await client.delete(f"{tasks_url}/{first['id']}")).status_code == 204
    assert (await client.get(f"{tasks_url}/{first['id']}")).status_code == 404
    assert (await client.get(f"{tasks_url}/{second['id']}")).json()["is_blocked"] is False

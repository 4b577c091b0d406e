"""The dashboard's numbers, against histories whose numbers are known."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar

from app.models import TaskStatus
from app.services.dashboard import begins
from tests.integration.conftest import Stranger
from tests.support.api import AGENTS, BOARDS, DASHBOARD, MINIMAL, dashboard, register
from tests.support.boards import become, grant
from tests.support.database import query
from tests.support.sent_statements import statements

RANGES = {"24h": 24, "3d": 3, "7d": 7, "14d": 14, "1m": 30, "3m": 13, "6m": 26, "1y": 12}


class History:
    """A task that went through statuses, each so many hours ago."""

    def __init__(self, client: httpx.AsyncClient, url: str, database_url: str) -> None:
        self._client = client
        self._url = url
        self._database_url = database_url
        # One moment for all, so that what lies between two steps is exact.
        self._now = datetime.now(UTC)

    async def task(self, made: float, *steps: tuple[str, float]) -> str:
        task_id = str((await self._client.post(self._url, json={"title": "Splice"})).json()["id"])
        self._set("UPDATE tasks SET created_at = :time WHERE id = :id", task_id, made)
        for status, hours_ago in steps:
            response = await self._client.patch(f"{self._url}/{task_id}", json={"status": status})
            assert response.status_code == 200, response.text
            if status == "in_progress":
                self._set("UPDATE tasks SET in_progress_at = :time WHERE id = :id", task_id, hours_ago)
            last = "(SELECT id FROM activity_events WHERE task_id = :id ORDER BY id DESC LIMIT 1)"
            self._set(f"UPDATE activity_events SET created_at = :time WHERE id = {last}", task_id, hours_ago)
        return task_id

    def _set(self, statement: str, task_id: str, hours_ago: float) -> None:
        query(self._database_url, statement, id=UUID(task_id), time=self._now - timedelta(hours=hours_ago))


@pytest.fixture
def history(client: httpx.AsyncClient, tasks_url: str, database_url: str) -> History:
    return History(client, tasks_url, database_url)


def values(series: dict[str, Any]) -> list[float]:
    """Oldest first, without the zeros."""
    return [point["value"] for point in series["points"] if point["value"]]


@pytest.mark.parametrize("key", RANGES)
async def test_nothing_is_a_dashboard_of_zeros_with_every_bucket(client: httpx.AsyncClient, key: str) -> None:
    found = await dashboard(client, range_key=key)
    for name in ("throughput", "cycle_time", "error_rate"):
        for series in found[name].values():
            assert series["range"] == key
            assert [point["value"] for point in series["points"]] == [0] * RANGES[key]
    periods = [point["period"] for side in ("comparison", "primary") for point in found["wip"][side]["points"]]
    assert periods == sorted(set(periods))
    assert len(periods) == 2 * RANGES[key]
    assert found["kpis"]["median_cycle_time_hours_7d"] is None
    assert found["pending_approvals"] == {"total": 0, "items": []}


async def test_work_done_is_counted_where_it_was_done(client: httpx.AsyncClient, history: History) -> None:
    await history.task(80, ("in_progress", 30), ("done", 28))
    await history.task(80, ("in_progress", 9), ("review", 6), ("done", 3))
    await history.task(80, ("in_progress", 5), ("done", 3))
    await history.task(2)
    await history.task(300, ("in_progress", 200), ("done", 190))
    found = await dashboard(client, range_key="24h")
    assert values(found["throughput"]["primary"]) == [2]
    assert values(found["throughput"]["comparison"]) == [1]
    assert values(found["cycle_time"]["primary"]) == [pytest.approx(4)]
    assert values(found["cycle_time"]["comparison"]) == [pytest.approx(2)]
    assert found["kpis"]["median_cycle_time_hours_7d"] == pytest.approx(2)
    assert (found["kpis"]["done_tasks"], found["kpis"]["inbox_tasks"]) == (4, 1)


async def test_comparison_begins_with_the_whole_of_its_oldest_bucket(
    client: httpx.AsyncClient, history: History
) -> None:
    now = datetime.now(UTC)
    hours_ago = (now - begins("month", 2 * RANGES["1y"], now)[0]) / timedelta(hours=1)
    await history.task(hours_ago - 1, ("in_progress", hours_ago - 2), ("done", hours_ago - 3))
    points = (await dashboard(client, range_key="1y"))["throughput"]["comparison"]["points"]
    assert [point["value"] for point in points] == [1, *[0] * 11]


async def test_work_in_progress_is_counted_back_from_now(client: httpx.AsyncClient, history: History) -> None:
    await history.task(30, ("in_progress", 20), ("review", 10), ("done", 5))
    await history.task(15, ("in_progress", 5))
    await history.task(100)
    points = (await dashboard(client, range_key="24h"))["wip"]["primary"]["points"]
    statuses = ("inbox", "in_progress", "review", "done")

    def at(hours_ago: int) -> list[int]:
        return [points[-1 - hours_ago][status] for status in statuses]

    assert [at(ago) for ago in (0, 4, 7, 12, 18, 22)] == [
        [1, 1, 0, 1],
        [1, 1, 0, 1],
        [2, 0, 1, 0],
        [2, 1, 0, 0],
        [1, 1, 0, 0],
        [2, 0, 0, 0],
    ]


async def test_error_rate_is_what_was_sent_back_or_rejected(
    client: httpx.AsyncClient, board: dict[str, Any], history: History
) -> None:
    task = await history.task(9, ("review", 3), ("in_progress", 3))
    for _ in range(2):
        await history.task(9, ("review", 3), ("done", 3))
    await history.task(9, ("done", 3), ("inbox", 3))
    await history.task(9, ("done", 3))
    url = f"{BOARDS}/{board['id']}/approvals"
    # What is decided on is not what a task became, however it is called.
    decisions = (("approved", "done → inbox", task), ("rejected", "review → done", task), ("rejected", "deploy", None))
    for status, name, about in decisions:
        body = {"action_type": name, "confidence": 1, "status": status, "task_id": about}
        assert (await client.post(url, json=body)).status_code == 201
    found = await dashboard(client, range_key="24h")
    assert values(found["throughput"]["primary"]) == [4]
    assert found["kpis"]["median_cycle_time_hours_7d"] is None
    assert [found["wip"]["primary"]["points"][-3][status] for status in TaskStatus] == [1, 1, 0, 3]
    assert values(found["error_rate"]["primary"]) == [50, pytest.approx(100 * 2 / 3)]
    assert found["kpis"]["error_rate_pct"] == pytest.approx(100 * 4 / 7)


async def test_agents_are_active_while_they_are_heard_of(
    client: httpx.AsyncClient, crew: dict[str, Any], database_url: str
) -> None:
    for name, seconds in (("Bosun", 60), ("Mate", 660)):
        agent = await register(client, crew, name=name)
        await client.post(f"{AGENTS}/{agent['id']}/heartbeat", json={})
        moment = datetime.now(UTC) - timedelta(seconds=seconds)
        query(database_url, "UPDATE agents SET last_seen_at = :at WHERE name = :name", at=moment, name=name)
    await register(client, crew, name="Never")
    assert (await dashboard(client))["kpis"]["active_agents"] == 1


async def test_pending_approvals_are_shown_longest_wait_first(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    tasks = [(await client.post(tasks_url, json={"title": title})).json()["id"] for title in ("Splice", "Paint")]
    url = f"{BOARDS}/{board['id']}/approvals"
    await client.post(url, json={"action_type": "decided", "confidence": 50, "status": "approved"})
    for number in range(12):
        body = {"action_type": f"deploy {number}", "confidence": 50, "task_ids": tasks if number == 0 else []}
        assert (await client.post(url, json=body)).status_code == 201
    older = "UPDATE approvals SET created_at = created_at - interval '1 day' WHERE action_type = 'deploy 11'"
    query(database_url, older)
    pending = (await dashboard(client))["pending_approvals"]
    assert pending["total"] == 12
    assert [item["action_type"] for item in pending["items"]] == [f"deploy {number}" for number in (11, *range(9))]
    assert [item["task_title"] for item in pending["items"]] == [None, "Splice", *[None] * 8]
    first = pending["items"][1]
    assert (first["board_name"], first["task_title"], first["confidence"]) == (board["name"], "Splice", 50)


async def test_dashboard_has_nothing_of_another_organization_nor_of_tasks_that_are_gone(
    client: httpx.AsyncClient, history: History, tasks_url: str, stranger: Stranger, database_url: str
) -> None:
    gone = await history.task(3, ("in_progress", 2), ("done", 1))
    assert (await client.delete(f"{tasks_url}/{gone}")).status_code == 204
    columns, theirs = "id, organization_id, board_id", "gen_random_uuid(), :organization, :board"
    of_theirs = {"organization": stranger.organization, "board": stranger.board}
    for insert in (
        f"INSERT INTO approvals ({columns}, action_type, confidence, status) VALUES ({theirs}, 'a', 1, 'pending')",
        f"INSERT INTO agents ({columns}, name, token_hash, last_seen_at) VALUES ({theirs}, 'a', '\\x00', now())",
    ):
        query(database_url, insert, **of_theirs)
    event = f"INSERT INTO activity_events ({columns}, task_id, event_type, message) VALUES ({theirs}, :task,"
    query(database_url, f"{event} 'task.status_changed', 'inbox → done')", **of_theirs, task=stranger.task)
    shown = await dashboard(client)
    counts = {name: number for name, number in shown["kpis"].items() if number}
    assert (counts, shown["pending_approvals"]["total"]) == ({}, 0)
    assert values(shown["throughput"]["primary"]) == []
    assert {bucket[status] for bucket in shown["wip"]["primary"]["points"] for status in TaskStatus} == {0}


async def test_dashboard_is_of_what_may_be_read_and_is_asked_for(
    client: httpx.AsyncClient, grouped: dict[str, Any], group: dict[str, Any], stranger: Stranger, database_url: str
) -> None:
    other = (await client.post(BOARDS, json={**MINIMAL, "slug": "other", "max_agents": 2})).json()
    for board, count in ((grouped, 1), (other, 2)):
        url = f"{BOARDS}/{board['id']}"
        for _ in range(count):
            task = (await client.post(f"{url}/tasks", json={"title": "x"})).json()
            for status in ("done", "inbox"):
                await client.patch(f"{url}/tasks/{task['id']}", json={"status": status})
            await client.post(f"{url}/approvals", json={"action_type": "a", "confidence": 1})
            agent = await register(client, board)
            await client.post(f"{AGENTS}/{agent['id']}/heartbeat", json={})

    async def shown(**params: Any) -> set[float]:
        """Each is as many as the tasks are, and two hours ago there were none."""
        found = await dashboard(client, range_key="24h", **params)
        assert [found["wip"]["primary"]["points"][-3][status] for status in TaskStatus] == [0] * len(TaskStatus)
        done = sum(values(found["throughput"]["primary"]))
        return {done, found["pending_approvals"]["total"], found["kpis"]["active_agents"], found["kpis"]["inbox_tasks"]}

    assert await shown() == {3}
    assert await shown(board_id=other["id"]) == {2}
    assert await shown(group_id=group["id"]) == {1}
    assert await shown(group_id=group["id"], board_id=other["id"]) == {0}
    become(database_url, "member")
    grant(database_url, grouped["id"], reads=True, writes=False)
    assert await shown() == {1}
    for params in ({"board_id": other["id"]}, {"board_id": str(stranger.board)}, {"group_id": str(UUID(int=1))}):
        assert (await client.get(DASHBOARD, params=params)).status_code == 404


async def test_dashboard_costs_the_same_number_of_statements_however_much_there_is(
    app: Litestar, client: httpx.AsyncClient, history: History
) -> None:
    before = await statements(app, client, DASHBOARD)
    for _ in range(3):
        await history.task(30, ("in_progress", 20), ("done", 5))
    assert await statements(app, client, DASHBOARD) == before == 8


def test_buckets_begin_on_the_hour_the_day_the_monday_and_the_first() -> None:
    now = datetime(2026, 1, 14, 10, 45, tzinfo=UTC)
    day = datetime(2026, 1, 14, tzinfo=UTC)
    assert begins("hour", 2, now) == [day.replace(hour=9), day.replace(hour=10)]
    assert begins("day", 2, now) == [day - timedelta(days=1), day]
    assert begins("week", 2, now) == [datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 12, tzinfo=UTC)]
    assert begins("month", 3, now) == [
        datetime(*first, tzinfo=UTC) for first in ((2025, 11, 1), (2025, 12, 1), (2026, 1, 1))
    ]

"""More requests than a process works on at a time: who is refused, how, and what is answered all the same."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar

from app.api import admission
from app.asgi import create_app
from app.core.config import Settings
from tests.conftest import client_of, started
from tests.integration.sse import reading
from tests.integration.test_metrics import scraped
from tests.migrations.conftest import holding
from tests.waiting import PATIENCE

LOCKED = "SELECT FROM tasks WHERE id = CAST(:id AS uuid) FOR UPDATE"
REFUSED = "plimsoll_requests_refused_total"


@pytest.fixture
async def app(settings: Settings, patient_readiness: None) -> AsyncIterator[Litestar]:
    """With two connections, and places for four requests, or twenty in a standstill."""
    small = msgspec.structs.replace(
        settings, db_pool_size=2, db_max_overflow=0, db_pool_timeout=PATIENCE, max_concurrent_requests=4
    )
    async with started(create_app(small)) as application:
        yield application


@pytest.mark.parametrize(("standstill", "limit"), [(60.0, 4), (0.0, 20)])
async def test_beyond_the_limit_the_answer_is_503_at_once_and_those_within_are_served(
    app: Litestar,
    client: httpx.AsyncClient,
    board: dict[str, Any],
    tasks_url: str,
    database_url: str,
    standstill: float,
    limit: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admission, "_STANDSTILL", standstill)
    task = (await client.post(tasks_url, json={"title": "Splice"})).json()["id"]
    before = (await scraped(client))[REFUSED]
    async with reading(app, f"{tasks_url}/stream") as stream, client_of(app, "no such token") as stranger:
        with holding(database_url, LOCKED, id=task) as waiting:
            changes = [
                asyncio.create_task(client.patch(f"{tasks_url}/{task}", json={"title": f"number {number}"}))
                for number in range(limit)
            ]
            # Two have the connections and wait for the row, so the others wait for a connection.
            await asyncio.to_thread(waiting, 2)
            refused = [
                await client.get(f"/api/v1/boards/{board['id']}"),
                await client.post(tasks_url, json={"title": "one too many"}),
                # Nobody was asked who he is.
                await stranger.get("/api/v1/users/me"),
            ]
            beside = [(await client.get(path)).status_code for path in ("/health", "/healthz", "/readyz", "/metrics")]
            assert not any(change.done() for change in changes)
        assert [change.status_code for change in await asyncio.gather(*changes)] == [200] * limit
        assert (await stream.next()).type == "task.updated"
    assert beside == [200] * 4
    for answer in refused:
        assert (answer.status_code, answer.headers["retry-after"], answer.json()["code"]) == (503, "2", "overloaded")
        assert answer.headers["content-type"] == "application/problem+json"
    assert (await scraped(client))[REFUSED] == before + 3
    assert [(await client.get(tasks_url)).status_code for _ in range(5)] == [200] * 5


async def test_open_streams_and_ended_requests_take_no_place(app: Litestar, client: httpx.AsyncClient) -> None:
    async with (
        reading(app, "/api/v1/agents/stream"),
        reading(app, "/api/v1/agents/stream"),
        reading(app, "/api/v1/agents/stream"),
        reading(app, "/api/v1/agents/stream"),
    ):
        for path, status in (("/api/v1/users/me", 200), ("/api/v1/nothing", 404), ("/api/v1/boards?wrong=1", 400)):
            assert [(await client.get(path)).status_code for _ in range(5)] == [status] * 5

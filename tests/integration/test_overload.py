"""More requests than a process works on at a time: who is refused, how, and what is answered all the same."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Litestar

from app.api.http import admission
from app.asgi import create_app
from app.core.settings import Settings
from app.db.plugin import DatabasePlugin
from app.postgres import pool
from tests.conftest import TOKEN, client_of, started
from tests.support.database import holding
from tests.support.metrics import scraped
from tests.support.serving import served
from tests.support.sse import reading
from tests.support.waiting import PATIENCE, until

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
    found = await scraped(client)
    assert found[REFUSED] == before + 3
    assert sum(found[name] for name in found if name.startswith("plimsoll_requests_total") and "=503" in name) == 3
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


def waiting_for_a_connection(app: Litestar) -> int:
    found = app.plugins.get(DatabasePlugin).engine.sync_engine.pool
    assert isinstance(found, pool.FairPool)
    return found.usage().waiting


async def until_as_many_wait(app: Litestar, count: int) -> None:
    await until(lambda: waiting_for_a_connection(app) == count, f"{count} wait for a connection")


async def send(port: int, method: str, path: str, body: bytes = b"") -> asyncio.StreamWriter:
    """A request whose client can hang up."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    lines = [f"{method} {path} HTTP/1.1", "Host: a", f"Authorization: Bearer {TOKEN}", f"Content-Length: {len(body)}"]
    writer.write("\r\n".join([*lines, "", ""]).encode() + body)
    await writer.drain()
    return writer


async def test_who_hangs_up_while_waiting_leaves_the_queue_and_is_not_served(
    app: Litestar, client: httpx.AsyncClient, tasks_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "_STANDSTILL", 60.0)
    monkeypatch.setattr(pool, "_WATCHED_AFTER", 0.0)
    task = (await client.post(tasks_url, json={"title": "Splice"})).json()["id"]

    async with served(app) as port, client_of(app) as inside:
        other = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=inside.headers)
        # Or else the notification of the new task might wait for a connection, too.
        await app.plugins.get(DatabasePlugin).notifications.close()
        with holding(database_url, LOCKED, id=task) as waiting:
            changes = [
                asyncio.create_task(client.patch(f"{tasks_url}/{task}", json={"title": f"number {number}"}))
                for number in range(2)
            ]
            await asyncio.to_thread(waiting, 2)
            leaving = [
                await send(port, "POST", tasks_url, b'{"title": "given up"}'),
                await send(port, "GET", tasks_url),
            ]
            await until_as_many_wait(app, 2)
            assert (await client.get(tasks_url)).status_code == 503, "there is no place"
            for writer in leaving:
                writer.transport.abort()
            await until_as_many_wait(app, 0)
            # Their places are free, and who is watched and stays loses nothing of what it sends.
            staying = [
                asyncio.create_task(other.post(tasks_url, json={"title": "Scrape"})),
                asyncio.create_task(other.request("GET", tasks_url, content=b"means nothing")),
            ]
            await until_as_many_wait(app, 2)
            for _ in range(10):
                await asyncio.sleep(0)
        answers = await asyncio.gather(*changes, *staying)
        await other.aclose()
    assert [answer.status_code for answer in answers] == [200, 200, 201, 200]
    assert answers[2].json()["title"] == "Scrape"
    titles = {item["title"] for item in (await client.get(tasks_url)).json()["items"]}
    assert titles - {"number 0", "number 1"} == {"Scrape"}

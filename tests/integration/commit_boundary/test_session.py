"""The commit boundary, with handlers of the tests' own over the real plugin and a real server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.db.plugin import DatabasePlugin
from tests.support.commit_boundary import (
    GATE,
    NOBODY_IN_A_TRANSACTION,
    WAITING_AT_THE_GATE,
    rows,
    until,
)
from tests.support.serving import served


async def test_change_is_committed_before_the_response_starts(app: Litestar, observer: AsyncConnection) -> None:
    seen_at_start: list[int] = []

    async def spy(scope: Any, receive: Any, send: Any) -> None:
        async def spying_send(message: Any) -> None:
            if message["type"] == "http.response.start":
                seen_at_start.append(await rows(observer))
            await send(message)

        await app(scope, receive, spying_send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(spy), base_url="http://test") as client:
        response = await client.post("/stored")
    assert response.status_code == 201
    assert seen_at_start == [1]


async def test_failed_commit_is_never_a_2xx(client: httpx.AsyncClient, observer: AsyncConnection) -> None:
    response = await client.post("/orphan")
    assert response.status_code == 409
    assert response.headers["content-type"].startswith("application/problem+json")
    assert response.json()["code"] == "conflict"
    assert await rows(observer, "child") == 0
    await until(observer, NOBODY_IN_A_TRANSACTION)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/refused", 409),
        ("/crash", 500),
        ("/left-open", 409),
        ("/fetched-then-crashed", 500),
        ("/unserializable", 500),
        ("/rejected", 409),
    ],
)
async def test_every_error_rolls_back_and_returns_the_connection(
    client: httpx.AsyncClient, app: Litestar, observer: AsyncConnection, path: str, status: int
) -> None:
    pool = app.plugins.get(DatabasePlugin).engine.pool
    for _ in range(30):  # more often than the pool has connections
        assert (await client.post(path)).status_code == status
    assert pool.checkedout() == 0  # type: ignore[attr-defined]
    assert await rows(observer) == 0
    await until(observer, NOBODY_IN_A_TRANSACTION)
    assert (await client.get("/count")).json() == 0


@pytest.mark.parametrize("path", ["/refused", "/crash"])
async def test_failed_change_is_rolled_back_before_the_response_starts(
    app: Litestar, observer: AsyncConnection, path: str
) -> None:
    """Whoever is slow to read it holds no lock."""
    seen_at_start: list[bool] = []

    async def spy(scope: Any, receive: Any, send: Any) -> None:
        async def spying_send(message: Any) -> None:
            if message["type"] == "http.response.start":
                seen_at_start.append(bool(await observer.scalar(text(f"SELECT {NOBODY_IN_A_TRANSACTION}"))))
            await send(message)

        await app(scope, receive, spying_send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(spy), base_url="http://test") as client:
        await client.post(path)
    assert seen_at_start == [True]


async def test_cancelled_request_rolls_back_and_returns_the_connection(
    client: httpx.AsyncClient, app: Litestar, observer: AsyncConnection
) -> None:
    await observer.execute(text("SELECT pg_advisory_lock(:gate)"), {"gate": GATE})
    request = asyncio.create_task(client.post("/waiting"))
    await until(observer, WAITING_AT_THE_GATE, gate=GATE)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await until(observer, NOBODY_IN_A_TRANSACTION)
    await observer.execute(text("SELECT pg_advisory_unlock(:gate)"), {"gate": GATE})
    assert await rows(observer) == 0
    assert app.plugins.get(DatabasePlugin).engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def post_and(port: int, path: str, then: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n".encode())
    await writer.drain()
    await then(writer)


async def test_client_that_hangs_up_before_the_commit_leaves_nothing_behind(
    app: Litestar, observer: AsyncConnection
) -> None:
    await observer.execute(text("SELECT pg_advisory_lock(:gate)"), {"gate": GATE})

    async def hang_up(writer: asyncio.StreamWriter) -> None:
        await until(observer, WAITING_AT_THE_GATE, gate=GATE)
        writer.close()
        await writer.wait_closed()

    async with served(app) as port:
        await post_and(port, "/waiting", hang_up)
        # The server has read the end of the stream once it answers a request that came after it.
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as other:
            assert (await other.get("/count")).status_code == 200
        await observer.execute(text("SELECT pg_advisory_unlock(:gate)"), {"gate": GATE})
        await until(observer, NOBODY_IN_A_TRANSACTION)
    assert await rows(observer) == 0
    assert app.plugins.get(DatabasePlugin).engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_client_that_waits_gets_its_change(app: Litestar, observer: AsyncConnection) -> None:
    async with served(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.post("/stored")).status_code == 201
    assert await rows(observer) == 1


async def test_no_connection_is_held_while_the_response_is_sent(app: Litestar) -> None:
    pool = app.plugins.get(DatabasePlugin).engine.pool
    held: list[int] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: object) -> None:
        held.append(pool.checkedout())  # type: ignore[attr-defined]

    for path in ("/count", "/fetched"):
        scope: Any = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [],
            "root_path": "",
        }
        await app(scope, receive, send)  # type: ignore[arg-type]
    assert held == [0, 0, 0, 0]


async def test_lost_connection_is_replaced_before_the_next_request(
    client: httpx.AsyncClient, observer: AsyncConnection
) -> None:
    assert (await client.get("/count")).json() == 0
    await observer.execute(
        text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    )
    assert (await client.get("/count")).json() == 0


async def test_connection_that_was_ended_while_it_idled_is_replaced_without_a_word(
    client: httpx.AsyncClient, observer: AsyncConnection
) -> None:
    """However the end of the session and the next request meet."""
    for _ in range(50):
        assert (await client.get("/count")).json() == 0
        assert (await client.get("/fetched")).json() == 1
        # It returns before they have ended.
        await observer.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )

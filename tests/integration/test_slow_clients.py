"""Clients that send slowly, or go away while they do: they hold no connection of the database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import httpx
import msgspec
import pytest
from litestar import Litestar

from app.core.logging import configure_logging
from app.core.settings import Settings
from app.db.plugin import DatabasePlugin
from tests.conftest import TOKEN, application_at_head, client_of, started
from tests.support.serving import served
from tests.support.waiting import PATIENCE

HEAD = f"POST /api/v1/boards HTTP/1.1\r\nHost: t\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 50\r\n\r\n"
# A webhook that nobody has made: its body is read all the same, before anything is looked up.
TO_A_WEBHOOK = f"POST /api/v1/boards/{uuid4()}/webhooks/{uuid4()} HTTP/1.1\r\nHost: t\r\nContent-Length: 50\r\n\r\n"

with_a_token_or_without = pytest.mark.parametrize("head", [HEAD, TO_A_WEBHOOK], ids=["with a token", "to a webhook"])


@pytest.fixture
def patience() -> float:
    """Seconds for a body."""
    return PATIENCE


@pytest.fixture
async def app(settings: Settings, patience: float) -> AsyncIterator[Litestar]:
    """Yield an application with one connection for all requests."""
    small = msgspec.structs.replace(settings, db_pool_size=1, db_max_overflow=0, request_body_timeout=patience)
    async with started(application_at_head(small)) as application:
        configure_logging(small)
        yield application


@asynccontextmanager
async def stalled(port: int, head: str) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Five requests whose bodies do not come."""
    connections = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
    for _, writer in connections:
        writer.write(head.encode() + b'{"na')
        await writer.drain()
    try:
        yield [reader for reader, _ in connections]
    finally:
        for _, writer in connections:
            writer.close()


@with_a_token_or_without
async def test_bodies_that_do_not_come_hold_no_connection(app: Litestar, head: str) -> None:
    async with served(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        assert (await client.get("/api/v1/users/me")).status_code == 200
        async with stalled(port, head):
            meanwhile = [(await client.get("/api/v1/users/me")).status_code for _ in range(10)]
    assert meanwhile == [200] * 10


@with_a_token_or_without
@pytest.mark.parametrize("patience", [0.1])
async def test_bodies_that_do_not_come_end_with_408(app: Litestar, head: str) -> None:
    async with served(app) as port, stalled(port, head) as readers, asyncio.timeout(PATIENCE):
        answers = [(await reader.readuntil(b"\r\n\r\n")).decode().lower() for reader in readers]
    assert all(answer.startswith("http/1.1 408") and "connection: close" in answer for answer in answers)


async def test_failed_sign_in_is_counted_over_the_only_connection(app: Litestar) -> None:
    async with client_of(app, "plp_" + "x" * 43) as guess, asyncio.timeout(PATIENCE):
        assert (await guess.get("/api/v1/users/me")).status_code == 401


async def test_client_that_goes_away_within_its_body_is_no_error_in_the_log(
    app: Litestar, capsys: pytest.CaptureFixture[str]
) -> None:
    async with served(app) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(HEAD.encode() + b'{"na')
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        log = ""
        async with asyncio.timeout(PATIENCE):
            while "hung up" not in log:
                await asyncio.sleep(0.01)
                log += capsys.readouterr().err
    assert "error    ]" not in log
    assert '"error"' not in log
    assert app.plugins.get(DatabasePlugin).engine.pool.checkedout() == 0  # type: ignore[attr-defined]

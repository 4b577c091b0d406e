"""What a request leaves goes with it: of cycles, all requests would wait for the collection."""

import asyncio
import gc
import weakref
from typing import Any, cast

import httpx
import pytest
from litestar import Litestar
from litestar.types import Receive, ReceiveMessage, Scope, Send

from tests.conftest import TOKEN
from tests.support.waiting import until


class Received:
    """The source of a request, which knows its scope, as a server's does."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self._receive = receive

    async def receive(self) -> ReceiveMessage:
        return await self._receive()


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "", None, 200),
        ("GET", "?unknown=1", None, 400),
        ("GET", "/nothing", None, 404),
        ("POST", "", {"title": "Splice"}, 201),
        ("POST", "", {"title": ""}, 400),
    ],
)
async def test_request_leaves_no_cycle(
    app: Litestar, tasks_url: str, method: str, path: str, body: dict[str, Any] | None, status: int
) -> None:
    """A POST with an idempotency key is answered a second time from what was stored."""
    left: list[weakref.ref[Received]] = []

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        received = Received(scope, receive)
        left.append(weakref.ref(received))
        await app(scope, received.receive, send)

    headers = {"Authorization": f"Bearer {TOKEN}", "Idempotency-Key": "splice"}
    transport = httpx.ASGITransport(cast("Any", serve))
    async with httpx.AsyncClient(transport=transport, base_url="http://plimsoll.test", headers=headers) as client:
        gc.disable()
        try:
            # Each in a task of its own, as a server has it.
            answers = [await asyncio.create_task(client.request(method, tasks_url + path, json=body)) for _ in range(5)]
            assert {answer.status_code for answer in answers} == {status}
            # The first are known to timers of the connections that they have opened.
            await until(lambda: left[-1]() is None)
        finally:
            gc.enable()

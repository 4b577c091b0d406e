"""A client that follows a board's tasks on a stream, wherever it has to connect anew."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import httpx
import msgspec

from app.cli.demo.rollout.traffic import client

_PAUSE = 0.1
_HELD = httpx.Timeout(30, read=60)


class StreamFollower:
    """Follows the stream of a board's tasks as a browser does: it goes on after the last event that it has.

    `seen` are the tasks of which an event came, `refused` the answers with which a connection was not opened.
    """

    def __init__(self, url: str, token: str, board_id: UUID) -> None:
        self._url = f"{url}/api/v1/boards/{board_id}/tasks/stream"
        self._token = token
        self._last_id: str | None = None
        self.connections = 0
        self.events = 0
        self.seen: set[UUID] = set()
        self.refused: list[str] = []
        self._news = asyncio.Event()

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Follow within this context, which begins once the stream is open, or was refused."""
        task = asyncio.create_task(self._follow())
        try:
            await self._news.wait()
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def wait_for(self, tasks: set[UUID], seconds: float) -> None:
        """Return when an event of each of these tasks has come, or after this time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while tasks - self.seen:
                    self._news.clear()
                    await self._news.wait()

    async def _follow(self) -> None:
        async with client(self._token) as http:
            while True:
                # A replica that ends, ends its streams.
                with suppress(httpx.TransportError):
                    await self._connect(http)
                await asyncio.sleep(_PAUSE)

    async def _connect(self, http: httpx.AsyncClient) -> None:
        headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
        async with http.stream("GET", self._url, headers=headers, timeout=_HELD) as stream:
            if not stream.is_success:
                self.refused.append(f"status {stream.status_code}")
                self._news.set()
                return
            self.connections += 1
            self._news.set()
            async for line in stream.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    self._last_id = value
                elif name == "data":
                    self.events += 1
                    self.seen.add(UUID(msgspec.json.decode(value)["activity"]["task_id"]))
                    self._news.set()

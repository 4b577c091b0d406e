"""Requests straight to the application, streams among them: httpx's transport waits for the end of a response."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit

import httpx
import msgspec
from litestar import Litestar

from tests.conftest import TOKEN
from tests.support.waiting import PATIENCE


class Event(NamedTuple):
    id: str
    name: str
    data: dict[str, Any]

    @property
    def type(self) -> str:
        """Return the type of the activity."""
        return str(self.data["type"])


class Stream:
    """An open stream; `opening` is its first block, `status` and `headers` are the response's."""

    def __init__(self, chunks: asyncio.Queue[bytes | None], start: dict[str, Any]) -> None:
        self._chunks = chunks
        self._buffer = b""
        self.status: int = start["status"]
        self.headers = httpx.Headers(start["headers"])

    async def block(self) -> bytes | None:
        """The lines until the next empty one; None at the end of the stream."""
        async with asyncio.timeout(PATIENCE):
            while b"\n\n" not in self._buffer:
                chunk = await self._chunks.get()
                if chunk is None:
                    assert not self._buffer, "it ends with a whole event"
                    return None
                self._buffer += chunk
        block, _, self._buffer = self._buffer.partition(b"\n\n")
        return block

    async def next(self) -> Event:
        while (block := await self.block()) is not None:
            if not block.startswith(b":"):
                lines = dict(line.split(": ", 1) for line in block.decode().split("\n"))
                return Event(lines["id"], lines["event"], msgspec.json.decode(lines["data"]))
        raise AssertionError("the stream has ended")

    async def take(self, count: int) -> list[Event]:
        return [await self.next() for _ in range(count)]

    async def rest(self) -> bytes:
        """Until the end of the response."""
        async with asyncio.timeout(PATIENCE):
            while (chunk := await self._chunks.get()) is not None:
                self._buffer += chunk
        return self._buffer


@asynccontextmanager
async def reading(
    app: Litestar, url: str, *, last_event_id: str | None = None, token: str = TOKEN
) -> AsyncIterator[Stream]:
    """The stream at this URL, past its opening block; the client hangs up at the end."""
    async with responding(app, url, last_event_id=last_event_id, token=token) as stream:
        assert stream.status == 200
        opening = await stream.block()
        assert opening is not None
        assert opening.startswith(b"retry: ")
        yield stream


@asynccontextmanager
async def responding(
    app: Litestar, url: str, *, last_event_id: str | None = None, token: str = TOKEN
) -> AsyncIterator[Stream]:
    """Whatever is answered at this URL."""
    headers = {"authorization": f"Bearer {token}"}
    if last_event_id is not None:
        headers["last-event-id"] = last_event_id
    async with asking(app, "GET", url, headers) as stream:
        yield stream


@asynccontextmanager
async def asking(
    app: Litestar, method: str, url: str, headers: dict[str, str], body: bytes = b"", address: str = "127.0.0.1"
) -> AsyncIterator[Stream]:
    """Whatever is answered to this request of a client at this address, who hangs up at the end."""
    chunks: asyncio.Queue[bytes | None] = asyncio.Queue()
    started: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    gone = asyncio.Event()
    requests = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Any:
        for message in requests:
            return message
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            started.set_result(message)
            return
        chunks.put_nowait(message.get("body", b""))
        if not message.get("more_body"):
            chunks.put_nowait(None)

    serving: asyncio.Future[Any] = asyncio.create_task(app(_scope(method, url, headers, address), receive, send))
    await asyncio.wait({serving, started}, return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
    try:
        yield Stream(chunks, started.result())
    finally:
        gone.set()
        await serving


def _scope(method: str, url: str, headers: dict[str, str], address: str) -> Any:
    parts = urlsplit(url)
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(parts.path),
        "raw_path": parts.path.encode(),
        "query_string": parts.query.encode(),
        "root_path": "",
        "headers": [
            (name.encode(), value.encode("latin-1")) for name, value in {"host": "plimsoll.test", **headers}.items()
        ],
        "client": (address, 1),
        "server": ("plimsoll.test", 80),
    }

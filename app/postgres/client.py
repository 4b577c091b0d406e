"""The client of a request, which may hang up before it has its answer."""

import asyncio
from contextvars import ContextVar

from litestar.types import Receive, ReceiveMessage


class ClientDisconnectedError(Exception):
    """The client hung up before its change was committed; nothing was stored, and nobody is there to be told."""


class Client:
    """One request's client. What it sends while `gone` is awaited is kept for `receive`."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._kept: list[ReceiveMessage] = []
        self._task = asyncio.current_task()

    @property
    def is_of_this_task(self) -> bool:
        """Return whether the current task is the one that answers it, and not one that several may wait for."""
        return self._task is asyncio.current_task()

    async def receive(self) -> ReceiveMessage:
        """Return its next message, as ASGI's `receive` does."""
        return self._kept.pop(0) if self._kept else await self._receive()

    async def gone(self) -> None:
        """Wait until it has hung up; may be cancelled at any time.

        Of a body that comes in parts no more than one is read: then nobody learns that the client is gone.
        """
        while not (self._kept and self._kept[-1].get("more_body")):
            message = await self._receive()
            self._kept.append(message)
            if message["type"] == "http.disconnect":
                return
        await asyncio.get_running_loop().create_future()


# Of the request that is under way in this context, and in the tasks that it has begun.
serving: ContextVar[Client | None] = ContextVar("client", default=None)

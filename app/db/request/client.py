"""The client of a request, which may hang up before it has its answer."""

import asyncio
from contextlib import suppress
from typing import NoReturn

from litestar.types import Receive, ReceiveMessage


class ClientDisconnectedError(Exception):
    """The client hung up before its change was committed: nothing was stored, and nobody reads the answer."""


class Client:
    """The client of one request. Messages that arrive while a disconnect is awaited are kept for `receive`."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._kept: list[ReceiveMessage] = []

    async def receive(self) -> ReceiveMessage:
        """Return the client's next message, as ASGI's `receive` does."""
        return self._kept.pop(0) if self._kept else await self._receive()

    async def raise_when_gone(self) -> NoReturn:
        """Wait until the client hangs up, and raise ClientDisconnectedError then. Safe to cancel at any time.

        At most one part of a body that comes in parts is read: after it a disconnect is not noticed any more.
        """
        while not (self._kept and self._kept[-1].get("more_body")):
            message = await self._receive()
            self._kept.append(message)
            if message["type"] == "http.disconnect":
                raise ClientDisconnectedError
        await asyncio.get_running_loop().create_future()
        raise AssertionError("the future is never done")


async def raise_if_gone(receive: Receive) -> None:
    """Raise ClientDisconnectedError if a disconnect has arrived; never wait for a message."""
    message = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    if message.done():
        if message.result()["type"] == "http.disconnect":
            raise ClientDisconnectedError
        return
    message.cancel()
    with suppress(asyncio.CancelledError):
        await message

"""SQLAlchemy's pool, in which whoever waits longest has the next connection.

In asyncio's own queue a newcomer takes what was just returned before the one who was woken for it, who then waits at
the end again: under more load than is served some waited for as long as it lasted, and the others hardly.

Whose client has hung up meanwhile leaves the queue: nobody would read the answer.
"""

import asyncio
from collections import deque
from contextlib import nullcontext
from typing import Any

from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.util import memoized_property
from sqlalchemy.util.queue import AsyncAdaptedQueue

from app.postgres.client import Client, ClientDisconnectedError, serving

# Seconds of waiting after which the client is watched, which takes a task: most wait for less.
_WATCHED_AFTER = 0.05


class _HandedOver(asyncio.Queue[Any]):
    """What is put in goes to the first who waits; so there is nothing in it for a newcomer while anybody does."""

    def __init__(self, maxsize: int) -> None:
        super().__init__(maxsize)
        self._waiting: deque[asyncio.Future[Any]] = deque()

    def put_nowait(self, item: Any) -> None:  # noqa: ANN401 - a record of the pool
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(item)
                return
        super().put_nowait(item)

    async def get(self) -> Any:  # noqa: ANN401 - a record of the pool
        if not self.empty():
            return self.get_nowait()
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        client = serving.get()
        watch = _Watch(client, waiter) if client is not None and client.is_of_this_task else nullcontext()
        try:
            with watch:
                return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                # It came together with the end of the waiting.
                self.put_nowait(waiter.result())
            raise


class _Watch:
    """Within this context the waiter has ClientDisconnectedError once its client has hung up."""

    def __init__(self, client: Client, waiter: asyncio.Future[Any]) -> None:
        self._client = client
        self._waiter = waiter
        self._watching: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_WATCHED_AFTER, self._begin)

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _begin(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        await self._client.gone()
        if not self._waiter.done():
            self._waiter.set_exception(ClientDisconnectedError)


class _Queue(AsyncAdaptedQueue[Any]):
    @memoized_property
    def _queue(self) -> asyncio.Queue[Any]:
        return _HandedOver(self.maxsize)


class FairPool(AsyncAdaptedQueuePool):
    """As AsyncAdaptedQueuePool, but first come, first served."""

    _queue_class = _Queue

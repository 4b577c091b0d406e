"""SQLAlchemy's pool, in which whoever waits longest has the next connection.

In asyncio's own queue a newcomer takes what was just returned before the one who was woken for it, who then waits at
the end again: under more load than is served some waited for as long as it lasted, and the others hardly.
"""

import asyncio
from collections import deque
from typing import Any

from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.util import memoized_property
from sqlalchemy.util.queue import AsyncAdaptedQueue


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
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                # It came together with the end of the waiting.
                self.put_nowait(waiter.result())
            raise


class _Queue(AsyncAdaptedQueue[Any]):
    @memoized_property
    def _queue(self) -> asyncio.Queue[Any]:
        return _HandedOver(self.maxsize)


class FairPool(AsyncAdaptedQueuePool):
    """As AsyncAdaptedQueuePool, but first come, first served."""

    _queue_class = _Queue

"""SQLAlchemy's pool, but first come, first served.

In asyncio's own queue a newcomer takes the connection that was just returned before the waiter that was woken for it,
and this waiter then waits at the end again. Under overload some waiters would starve.

A waiter leaves the queue when nobody needs its result any more, for instance when a client has hung up.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import nullcontext
from typing import Any, NamedTuple, NoReturn

from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlalchemy.util import memoized_property
from sqlalchemy.util.queue import AsyncAdaptedQueue

# Seconds after which a waiter is watched for abandonment. That takes a task, and most waiters wait for less.
_WATCHED_AFTER = 0.05

RaiseWhenAbandoned = Callable[[], Coroutine[Any, Any, NoReturn]]
# For each waiting task: a coroutine that raises once nobody needs the task's result any more. SQLAlchemy tells a pool
# nothing about its caller. The key is not the context, since a task that one request started may serve others, too.
abandonment_by_task: dict[asyncio.Task[Any], RaiseWhenAbandoned] = {}


class PoolUsage(NamedTuple):
    """The connections of a pool in use, of at most `limit`, and who waits for one.

    `waits` and `wait_seconds` are of all who have waited since the pool was made.
    """

    limit: int
    in_use: int
    waiting: int
    waits: int
    wait_seconds: float


class _FairQueue(asyncio.Queue[Any]):
    """A queue that hands each item to the longest waiter, so that a newcomer finds none while others wait."""

    def __init__(self, maxsize: int) -> None:
        super().__init__(maxsize)
        self._waiters: deque[asyncio.Future[Any]] = deque()
        self.waits = 0
        self.wait_seconds = 0.0

    def put_nowait(self, item: Any) -> None:  # noqa: ANN401 - a record of the pool
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(item)
                return
        super().put_nowait(item)

    async def get(self) -> Any:  # noqa: ANN401 - a record of the pool
        if not self.empty():
            return self.get_nowait()
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        began = time.monotonic()
        task = asyncio.current_task()
        raise_when_abandoned = abandonment_by_task.get(task) if task is not None else None
        try:
            with _AbandonmentWatch(raise_when_abandoned, waiter) if raise_when_abandoned is not None else nullcontext():
                return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.exception() is None:
                # The item was handed over just as the waiting was cancelled: it goes to the next waiter.
                self.put_nowait(waiter.result())
            raise
        finally:
            self.waits += 1
            self.wait_seconds += time.monotonic() - began

    @property
    def waiting(self) -> int:
        return sum(not waiter.done() for waiter in self._waiters)


class _AbandonmentWatch:
    """A context in which the waiter fails as soon as nobody needs its result any more."""

    def __init__(self, raise_when_abandoned: RaiseWhenAbandoned, waiter: asyncio.Future[Any]) -> None:
        self._raise_when_abandoned = raise_when_abandoned
        self._waiter = waiter
        self._watching: asyncio.Task[None] | None = None

    def __enter__(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(_WATCHED_AFTER, self._start)

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        if self._watching is not None:
            self._watching.cancel()

    def _start(self) -> None:
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        try:
            await self._raise_when_abandoned()
        except Exception as exc:  # noqa: BLE001 - whatever it is, the waiter has it
            if not self._waiter.done():
                self._waiter.set_exception(exc)


class _Queue(AsyncAdaptedQueue[Any]):
    @memoized_property
    def _queue(self) -> _FairQueue:
        return _FairQueue(self.maxsize)


class FairPool(AsyncAdaptedQueuePool):
    """An AsyncAdaptedQueuePool that serves waiters in the order in which they came."""

    _queue_class = _Queue

    def usage(self) -> PoolUsage:
        """Return how much of the pool is in use."""
        queue = self._pool._queue  # type: ignore[attr-defined]  # noqa: SLF001 - of the class above
        return PoolUsage(
            limit=self.size() + self._max_overflow,
            in_use=self.checkedout(),
            waiting=queue.waiting,
            waits=queue.waits,
            wait_seconds=queue.wait_seconds,
        )


def usage_of(engine: AsyncEngine) -> PoolUsage:
    """Return how much of the engine's pool is in use; `create_pooled_engine` has made the engine."""
    pool = engine.sync_engine.pool
    assert isinstance(pool, FairPool), "create_pooled_engine makes it"
    return pool.usage()

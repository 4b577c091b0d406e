"""Requests that come steadily, each when it is due, whatever became of those before."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager


@asynccontextmanager
async def coming(ask: Callable[[int], Awaitable[object]], rate: float) -> AsyncIterator[set[asyncio.Task[None]]]:
    """Asks so often a second, with the number of the request; at the end all have been answered.

    Those that have not been answered yet are in the set.
    """
    under_way: set[asyncio.Task[None]] = set()

    async def one(number: int) -> None:
        await ask(number)

    async def come() -> None:
        for number in itertools.count():
            task = group.create_task(one(number))
            under_way.add(task)
            task.add_done_callback(under_way.discard)
            await asyncio.sleep(1 / rate)

    async with asyncio.TaskGroup() as group:
        endless = group.create_task(come())
        try:
            yield under_way
        finally:
            endless.cancel()

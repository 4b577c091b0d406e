"""Waiting for what has to come to pass, and measuring time, so that a busy machine changes nothing."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

# Seconds after which a test gives up. It proves nothing by how long it waits, and so it may be patient.
PATIENCE = 120.0
_TICK = 0.01


def wait_until(holds: Callable[[], object], what: str = "what is waited for") -> None:
    """Return once it holds."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"it did not come to pass: {what}"
        time.sleep(_TICK)


async def until(holds: Callable[[], object], what: str = "what is waited for") -> None:
    """Return once it holds, and let the event loop work meanwhile."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"it did not come to pass: {what}"
        await asyncio.sleep(_TICK)


@asynccontextmanager
async def loop_clock() -> AsyncIterator[Callable[[], float]]:
    """A clock of the event loop, in seconds: it stands still while other processes keep the loop from working.

    What takes longer by this clock than it may has waited, and has not only been kept from running.
    """
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(_TICK)
            ticks += 1

    ticking = asyncio.create_task(tick())
    try:
        yield lambda: ticks * _TICK
    finally:
        ticking.cancel()

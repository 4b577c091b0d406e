"""Ending tasks."""

import asyncio
from typing import Any


async def let_end(*tasks: asyncio.Task[Any], seconds: float = 1.0) -> None:
    """Waits for tasks that have been told to end, or come to it by themselves, and cancels them after this time.

    A task that is cancelled while it connects leaves a connection that nobody closes.
    """
    await asyncio.wait(tasks, timeout=seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

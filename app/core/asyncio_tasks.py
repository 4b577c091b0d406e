"""Ending of asyncio tasks."""

import asyncio
from typing import Any


async def finish_or_cancel(*tasks: asyncio.Task[Any], seconds: float = 1.0) -> None:
    """Wait for tasks that are about to end, and cancel those that have not ended in time.

    They are not cancelled at once because a task that is cancelled while it connects leaves its connection open.
    """
    await asyncio.wait(tasks, timeout=seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

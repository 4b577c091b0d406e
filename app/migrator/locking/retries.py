"""Running again, after a pause, what found a table in use: a revision, a batch of a backfill, a partition.

Traffic queues behind what waits for a table. So the first waits are short, with pauses between them in which the queue
drains, and they grow only while the table stays in use.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import count, islice
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ...postgres.connect import first_error_of
from ...postgres.errors import sqlstate_of
from ...postgres.sqlstate import DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE
from ..config import MigratorConfig
from ..execution.session_limits import limit_session

T = TypeVar("T")
log = structlog.stdlib.get_logger(__name__)

# The table is in use, and will be free later.
TABLE_IN_USE = frozenset({LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED})
_LONGEST_PAUSE = 15.0
_FIRST_WAIT = 0.1
# Seconds for which waits keep a length; then it doubles.
_SAME_LENGTH = 10.0
# How many times as long as an attempt the pause after it is, so that what queued behind it is served before the next
# one: at random, so that the attempts are not in step with what blocks them.
_DRAINING = (4.0, 5.0)


async def run_with_retries(
    attempt: Callable[[int, float], Awaitable[T]],
    recover: Callable[[Exception, float | None], Awaitable[bool]],
    retries: int,
    longest_wait: float,
    first_delay: float = 0.5,
) -> T:
    """Return what `attempt` returns, given the number of attempts before it and the seconds to wait for a table.

    The waits grow from 0.1 s to `longest_wait`. Where a table is in use, only attempts of that length count as
    `retries`; without any, the first attempt has it. After an error `recover` prepares the next attempt and returns
    True, or False to have the error raised. It is given the seconds until that attempt; None where none is left, and it
    must not return True.
    """
    delays = islice(_delays(first_delay), retries)
    began = time.monotonic()
    for number in count():
        started = time.monotonic()
        wait = min(longest_wait, _wait_after(started - began)) if retries else longest_wait
        try:
            return await attempt(number, wait)
        except Exception as exc:
            is_locked = sqlstate_of(first_error_of(exc)) == LOCK_NOT_AVAILABLE
            pause = 0.0 if is_locked and wait < longest_wait else next(delays, None)
            if is_locked and pause is not None:
                took = time.monotonic() - started
                pause = max(pause, min(_LONGEST_PAUSE, took * random.uniform(*_DRAINING)))  # noqa: S311 - no secret
            if not await recover(exc, pause):
                raise
        await asyncio.sleep(pause or 0)
    raise AssertionError("an attempt returns or raises")


async def recover_from_table_in_use(
    connection: AsyncConnection, config: MigratorConfig, exc: Exception, delay: float | None, **named: str
) -> bool:
    """Recover as `run_with_retries` asks for, from nothing but a table in use; the log tells what is `named`."""
    if delay is None or sqlstate_of(first_error_of(exc)) not in TABLE_IN_USE:
        return False
    await connection.rollback()
    await connection.run_sync(limit_session, config, delay)
    log.warning("the table is in use: trying again", **named, pause_seconds=round(delay, 1))
    return True


def _delays(first: float) -> Iterator[float]:
    """Yield delays in seconds, without end: each is twice the one before, at most 15.

    Each is a fifth more or less at random, so that the attempts are not in step with what blocks them.
    """
    delay = first
    while True:
        yield delay * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        delay = min(delay * 2, _LONGEST_PAUSE)


def _wait_after(seconds: float) -> float:
    """Return how long the next attempt waits for a table, so many seconds after the beginning of the first one."""
    # As much as a float can hold: a process may be frozen for a day.
    return _FIRST_WAIT * float(2 ** min(int(seconds / _SAME_LENGTH), 100))

"""Running again, after a growing delay, what found a table in use: a revision, a batch of a backfill, a partition."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from ...postgres.connect import first_error_of
from ...postgres.errors import sqlstate_of
from ...postgres.sqlstate import DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE
from ..config import MigratorConfig
from ..execution.statement_guard import limit_session

T = TypeVar("T")
log = structlog.stdlib.get_logger(__name__)

# The table is in use, and will be free later.
TABLE_IN_USE = frozenset({LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED})
_LONGEST = 15.0


async def run_with_retries(
    attempt: Callable[[int], Awaitable[T]],
    recover: Callable[[Exception, float | None], Awaitable[bool]],
    retries: int,
    first_delay: float = 0.5,
) -> T:
    """Return what `attempt` returns, which is given the number of attempts before it.

    After an error `recover` prepares the next attempt and returns True, or False to have the error raised. It is given
    the seconds until that attempt; None where none is left, and it must not return True.
    """
    for number, delay in enumerate((*islice(_delays(first_delay), retries), None)):
        try:
            return await attempt(number)
        except Exception as exc:
            if not await recover(exc, delay):
                raise
        await asyncio.sleep(delay or 0)
    raise AssertionError("the last attempt returns or raises")


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
        delay = min(delay * 2, _LONGEST)

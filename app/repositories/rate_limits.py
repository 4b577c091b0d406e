"""Counting what is limited, in one statement each time."""

import math
from datetime import UTC, datetime, timedelta

from sqlalchemy import case, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import RateLimit

# What has not been counted for so long is forgotten, some of it whenever something new is counted.
_FORGET_AFTER = timedelta(hours=1)
_FORGET_AT_ONCE = 20


class RateLimitRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def count(self, key: bytes, limit: int, window: timedelta) -> int | None:
        """Counts one more; None while that is within `limit` in the window, else the seconds until the next begins.

        A window begins with the first time that is counted. Of two who count at once each has a number of his own.
        """
        now, new = func.clock_timestamp(), RateLimit.began_at <= func.clock_timestamp() - window
        statement = (
            insert(RateLimit)
            .values(key=key, began_at=now, count=1)
            .on_conflict_do_update(
                index_elements=[RateLimit.key],
                set_={
                    "began_at": case((new, now), else_=RateLimit.began_at),
                    "count": case((new, 1), else_=RateLimit.count + 1),
                },
            )
            .returning(RateLimit.began_at, RateLimit.count)
        )
        began_at, count = (await self._session.execute(statement)).one()
        if count == 1:
            await self._forget()
        if count <= limit:
            return None
        return max(1, math.ceil((began_at + window - datetime.now(UTC)).total_seconds()))

    async def _forget(self) -> None:
        old = (
            select(RateLimit.key)
            .where(RateLimit.began_at < func.now() - _FORGET_AFTER)
            .limit(_FORGET_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        await self._session.execute(delete(RateLimit).where(RateLimit.key.in_(old)))

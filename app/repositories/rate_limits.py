"""Counting what is limited, in one statement each time."""

import math
from datetime import UTC, datetime, timedelta

from sqlalchemy import case, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from app.models import RateLimit
from app.repositories.base import Repository

# Counts that are older are deleted, some of them whenever a new count begins.
_KEPT_FOR = timedelta(hours=1)
_DELETED_AT_ONCE = 20


class RateLimitRepository(Repository[RateLimit]):
    model_type = RateLimit

    async def take(self, key: bytes, limit: int, window: timedelta) -> int | None:
        """Count one more; return None while that is within `limit`, else the seconds until the next window begins.

        A window begins with the first time that is counted. Of two that are counted at once each has its own number.
        """
        now, is_over = func.clock_timestamp(), RateLimit.began_at <= func.clock_timestamp() - window
        statement = (
            insert(RateLimit)
            .values(key=key, began_at=now, count=1)
            .on_conflict_do_update(
                index_elements=[RateLimit.key],
                set_={
                    "began_at": case((is_over, now), else_=RateLimit.began_at),
                    "count": case((is_over, 1), else_=RateLimit.count + 1),
                },
            )
            .returning(RateLimit.began_at, RateLimit.count)
        )
        began_at, count = (await self.session.execute(statement)).one()
        if count == 1:
            await self._delete_old()
        if count <= limit:
            return None
        return max(1, math.ceil((began_at + window - datetime.now(UTC)).total_seconds()))

    async def _delete_old(self) -> None:
        old = (
            select(RateLimit.key)
            .where(RateLimit.began_at < func.now() - _KEPT_FOR)
            .limit(_DELETED_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        await self.session.execute(delete(RateLimit).where(RateLimit.key.in_(old)))

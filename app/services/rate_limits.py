"""Limits of how often something may be done, for all processes together."""

import hashlib
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import TooManyRequestsError
from app.repositories.rate_limits import RateLimitRepository


class Limit(NamedTuple):
    """At most `times` in a `window`; `name` keeps apart what is counted."""

    name: str
    times: int
    window: timedelta

    async def take(self, session: AsyncSession, *whom: str) -> None:
        """Counts one more for whom it is. Raises TooManyRequestsError; it has been counted all the same."""
        key = hashlib.sha256("\0".join((self.name, *whom)).encode()).digest()
        wait = await RateLimitRepository(session).count(key, self.times, self.window)
        if wait is not None:
            raise TooManyRequestsError(wait)

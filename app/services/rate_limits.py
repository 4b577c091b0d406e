"""Limits on how often something may be done, for all processes together.

The limits are FAILED_SIGN_INS in app/api/http/auth.py and PER_ADDRESS in app/services/webhooks.py.
"""

import hashlib
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import TooManyRequestsError
from app.repositories.rate_limits import RateLimitRepository


class Limit(NamedTuple):
    """At most `times` in a `window`; `name` keeps one limit's counts from another's."""

    name: str
    times: int
    window: timedelta

    async def take(self, session: AsyncSession, *whom: str) -> None:
        """Count one more for this address or other key. Raises TooManyRequestsError, after counting it all the same."""
        key = hashlib.sha256("\0".join((self.name, *whom)).encode()).digest()
        wait = await RateLimitRepository(session=session).take(key, self.times, self.window)
        if wait is not None:
            raise TooManyRequestsError(wait)

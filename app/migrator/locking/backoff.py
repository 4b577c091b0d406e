"""The delays between the attempts of what found a table in use."""

import random
from collections.abc import Iterator

from ...postgres.sqlstate import DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE

# The table is in use, and will be free later.
TABLE_IN_USE = frozenset({LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED})
_LONGEST = 15.0


def backoff_delays(first: float = 0.5) -> Iterator[float]:
    """Yield delays in seconds, without end: each is twice the one before, at most 15.

    Each is a fifth more or less at random, so that the attempts are not in step with what blocks them.
    """
    delay = first
    while True:
        yield delay * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        delay = min(delay * 2, _LONGEST)

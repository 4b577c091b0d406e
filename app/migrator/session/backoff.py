"""How long to wait before what found a table in use is tried again."""

import random
from collections.abc import Iterator

from ...postgres.sqlstate import DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE

# The table is in use, and will not be later.
TABLE_IN_USE = frozenset({LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED})
_LONGEST = 15.0


def backoff_delays(first: float = 0.5) -> Iterator[float]:
    """Seconds, without end: each twice the one before, a fifth more or less; not in step with what is in the way."""
    pause = first
    while True:
        yield pause * random.uniform(0.8, 1.2)  # noqa: S311 - no secret
        pause = min(pause * 2, _LONGEST)

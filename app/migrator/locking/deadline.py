"""The end of the time for which a command waits for others."""

import time


class Deadline:
    """The moment until which one connection of a command waits, in all: for tables that it reads, and for the lock.

    `seconds` is the whole time, from the creation of this object.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends_at = time.monotonic() + seconds

    @property
    def has_passed(self) -> bool:
        return time.monotonic() >= self._ends_at

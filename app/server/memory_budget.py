"""A limit on the memory of all requests that have arrived in part."""

from typing import Protocol


class Holder(Protocol):
    """A connection whose request has arrived in part."""

    def give_way(self) -> None:
        """Drop what is held, and release it from the budget."""


class Budget:
    """Counts the bytes of unfinished requests of a process, and drops the oldest where they exceed `limit`.

    None of these clients has signed in: that happens only when the request is complete. The oldest request is dropped
    because a client that sends slowly on purpose has been sending for longer than an honest one.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # Bytes by holder, in the order in which the requests began.
        self._held: dict[Holder, int] = {}
        self.total = 0

    def add(self, holder: Holder, size: int) -> None:
        """Count `size` more bytes of this holder; while the total exceeds the limit, the oldest holder gives way."""
        self._held[holder] = self._held.get(holder, 0) + size
        self.total += size
        while self.total > self._limit:
            next(iter(self._held)).give_way()

    def release(self, holder: Holder) -> None:
        """Stop counting this holder's bytes."""
        self.total -= self._held.pop(holder, 0)

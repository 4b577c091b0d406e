"""A limit on the memory of all requests that have come in part."""

from typing import Protocol


class Holder(Protocol):
    """A connection whose request has come in part."""

    def give_way(self) -> None:
        """Drop what is held, and release it from the budget."""


class Budget:
    """Counts the bytes of unfinished requests of a process, and drops the oldest where they exceed `limit`.

    The application asks who calls only once a request is there whole: none of these clients has signed in. The oldest
    is dropped, because a client that holds back has been sending for longer than one that does not.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # In the order in which they began.
        self._held: dict[Holder, int] = {}
        self.total = 0

    def add(self, holder: Holder, size: int) -> None:
        """Count `size` bytes more of this holder; those who began first give way where that is too much."""
        self._held[holder] = self._held.get(holder, 0) + size
        self.total += size
        while self.total > self._limit:
            next(iter(self._held)).give_way()

    def release(self, holder: Holder) -> None:
        """Count nothing of this holder any more."""
        self.total -= self._held.pop(holder, 0)

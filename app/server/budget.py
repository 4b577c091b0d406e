"""How much memory all clients together may take who have not sent their requests to the end."""

from typing import Protocol


class Holder(Protocol):
    """A connection whose request has come in part."""

    def give_way(self) -> None:
        """Drop what is held, and release it from the budget."""


class Budget:
    """Counts the bytes of unfinished requests of a process, and drops the oldest where they exceed `limit`.

    The application asks who calls only once a request is there whole: nothing of these has been signed in. The oldest,
    because a client who holds back has been at it for longer than one who sends.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # In the order in which they began.
        self._held: dict[Holder, int] = {}
        self.total = 0

    def add(self, holder: Holder, size: int) -> None:
        self._held[holder] = self._held.get(holder, 0) + size
        self.total += size
        while self.total > self._limit:
            next(iter(self._held)).give_way()

    def release(self, holder: Holder) -> None:
        self.total -= self._held.pop(holder, 0)

"""The modes in which PostgreSQL locks a table, from the weakest to the strongest."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class LockMode(StrEnum):
    """A mode as the manual and LOCK write it."""

    ACCESS_SHARE = "ACCESS SHARE"
    ROW_SHARE = "ROW SHARE"
    ROW_EXCLUSIVE = "ROW EXCLUSIVE"
    SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"
    SHARE = "SHARE"
    SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE"
    EXCLUSIVE = "EXCLUSIVE"
    ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"

    @property
    def strength(self) -> int:
        return list(type(self)).index(self)

    @property
    def stops_traffic(self) -> bool:
        """Return whether reads or writes of the table wait for it."""
        return self.strength >= LockMode.SHARE.strength

    @property
    def stops(self) -> str | None:
        """Return what waits for it: reads and writes, or writes, or neither (None)."""
        if self is LockMode.ACCESS_EXCLUSIVE:
            return "reads and writes"
        return "writes" if self.stops_traffic else None

    @classmethod
    def named(cls, words: str) -> Self:
        """Return the mode that a LOCK names; the strongest where it names none."""
        return next((mode for mode in cls if mode == words), cls.ACCESS_EXCLUSIVE)


@dataclass(frozen=True)
class Lock:
    """A lock on a table, a view or a sequence, by its name as effects have it."""

    table: str
    mode: LockMode

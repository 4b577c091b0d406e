"""How far a backfill has come, and how fast it goes."""

from dataclasses import dataclass

from ..revisions.history import Outcome
from ..units import Rows, Seconds
from .records import Record


@dataclass(frozen=True)
class Progress:
    """`rows_seen`, `rows_changed` and `total` count all runs of the backfill, the other numbers this run.

    `total` is an estimate until it is done; `seconds_left` is None if nothing is known yet, or the estimate was low.
    """

    name: str
    outcome: Outcome
    rows_seen: Rows
    rows_changed: Rows
    total: Rows
    seconds: Seconds
    rows_per_second: float
    seconds_left: Seconds | None
    retries: int
    error: str | None

    @classmethod
    def between(
        cls, first: Record, last: Record, outcome: Outcome, *, seconds: float, retries: int, error: str | None = None
    ) -> "Progress":
        """Return the progress of a run that found the record `first` and has made it `last` within `seconds`."""
        speed = (last.rows_seen - first.rows_seen) / seconds if seconds else 0.0
        rows_left = last.total - last.rows_seen
        left = 0.0 if outcome is Outcome.DONE else rows_left / speed if speed and rows_left else None
        return cls(
            name=last.name,
            outcome=outcome,
            rows_seen=last.rows_seen,
            rows_changed=last.rows_changed,
            total=last.total,
            seconds=round(seconds, 3),
            rows_per_second=round(speed, 1),
            seconds_left=None if left is None else round(left, 1),
            retries=retries,
            error=error,
        )

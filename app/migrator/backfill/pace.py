"""How fast a backfill goes: what it is asked for, and what comes of it."""

from dataclasses import dataclass

from app.migrator.backfill.state import Record
from app.migrator.revisions.history import Outcome

# Seconds after which a batch was too long for those who wait for its rows: the next is half as large.
_LONG = 1.0


@dataclass(frozen=True)
class Pace:
    """`batch_size` None is the backfill's own. `rate` is rows a second at most; 0 is without any rest.

    With `rate` None it rests after each batch for as long as the batch took, so that under load it slows down, too.
    """

    batch_size: int | None = None
    rate: float | None = None

    def largest_batch(self, usual: int) -> int:
        """Not more than a second's worth: at a low rate the table is touched often and briefly."""
        size = self.batch_size or usual
        return min(size, max(1, int(self.rate))) if self.rate else size

    def rest(self, rows: int, took: float) -> float:
        """Seconds to wait after a batch of so many rows."""
        if self.rate is None:
            return took
        return max(0.0, rows / self.rate - took) if self.rate else 0.0

    def next_size(self, size: int, took: float, largest: int) -> int:
        if took > _LONG:
            return max(1, size // 2)
        return min(largest, size * 2) if took < _LONG / 4 else size


@dataclass(frozen=True)
class Progress:
    """`rows_seen`, `rows_changed` and `total` are of all runs together, the other figures of this one.

    `total` is an estimate until it is done; `seconds_left` is None where nothing is known yet, or the estimate was low.
    """

    name: str
    outcome: Outcome
    rows_seen: int
    rows_changed: int
    total: int
    seconds: float
    rows_per_second: float
    seconds_left: float | None
    retries: int
    error: str | None

    @classmethod
    def between(
        cls, first: Record, last: Record, outcome: Outcome, *, seconds: float, retries: int, error: str | None = None
    ) -> "Progress":
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

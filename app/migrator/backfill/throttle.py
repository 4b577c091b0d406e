"""How large the batches of a backfill are, and how long it rests after each."""

from dataclasses import dataclass

# Seconds that it rests at most for standbys that are behind: one that is cut off must not stop it for good.
_LONGEST_FOR_STANDBYS = 30.0
# After a batch of more seconds, which held up others that wanted its rows, the next one has half as many rows.
_LONG = 1.0


@dataclass(frozen=True)
class Throttle:
    """The speed that somebody asked for.

    `batch_size` is in rows; None is the backfill's own. `rate` is rows a second at most; 0 is without any rest. With
    None it rests after each batch for as long as the batch took, so that it slows down under load, and for as long as
    the server's standbys are behind.
    """

    batch_size: int | None = None
    rate: float | None = None

    def largest_batch(self, usual: int) -> int:
        """Return the most rows of a batch: no more than a second's worth, so that at a low rate it locks briefly."""
        size = self.batch_size or usual
        return min(size, max(1, int(self.rate))) if self.rate else size

    def rest(self, rows: int, took: float, lag: float = 0) -> float:
        """Return the seconds to wait after a batch of so many rows, which took so many seconds.

        `lag` is by how many seconds the slowest standby is behind.
        """
        if self.rate is None:
            return max(took, min(lag, _LONGEST_FOR_STANDBYS))
        return max(0.0, rows / self.rate - took) if self.rate else 0.0

    def next_size(self, size: int, took: float, largest: int) -> int:
        """Return how many rows the batch after one of `size` rows has, which took so many seconds."""
        if took > _LONG:
            return max(1, size // 2)
        return min(largest, size * 2) if took < _LONG / 4 else size

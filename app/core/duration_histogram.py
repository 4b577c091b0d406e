"""A histogram of durations for Prometheus, over plain integers: the client's own takes five times as long."""

from bisect import bisect_left

LIMITS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper limits of the buckets, in seconds; one more bucket has what is longer."""


class DurationHistogram:
    """Counts durations by length. For one thread, such as that of the event loop."""

    __slots__ = ("_counts", "seconds")

    def __init__(self) -> None:
        self._counts = [0] * (len(LIMITS) + 1)
        self.seconds = 0.0
        """The sum of all."""

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(LIMITS, seconds)] += 1
        self.seconds += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Return for each limit how many were not longer, as Prometheus has it."""
        total, found = 0, []
        for limit, count in zip((*map(str, LIMITS), "+Inf"), self._counts, strict=True):
            total += count
            found.append((limit, float(total)))
        return found

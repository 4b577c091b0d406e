"""How long the requests of the last 15 minutes took, in periods of five seconds and constant memory."""

import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import chain
from operator import add
from typing import NamedTuple

PERIOD_SECONDS = 5
PERIODS = 180
# Ten bounds a decade, so that a percentile is at most an eighth off, from 0.1 ms to 100 s.
_MANTISSAS = (1.0, 1.25, 1.6, 2.0, 2.5, 3.15, 4.0, 5.0, 6.3, 8.0)
BOUNDS = (*(float(f"{mantissa}e{power}") for power in range(-4, 2) for mantissa in _MANTISSAS), 100.0)
"""The upper bounds of the histogram's buckets, in seconds; one more bucket has what is longer."""


class RecentPeriod(NamedTuple):
    """What the requests of one period felt. Times are in seconds, `begin` is a UNIX timestamp.

    `errors` are answers of 5xx. The percentiles are None where there was no request.
    """

    begin: float
    requests: int
    errors: int
    p50: float | None
    p99: float | None
    longest: float


class CountedPeriod(NamedTuple):
    """The counts of a period that had requests, as one process tells another. The clock is one for all of a machine."""

    number: int
    counts: list[int]
    errors: int
    longest: float


class _Period:
    """The counts of one period, which has this number since the clock's beginning."""

    __slots__ = ("counts", "errors", "longest", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self.counts = array("L", bytes(array("L").itemsize * (len(BOUNDS) + 1)))
        self.errors = 0
        self.longest = 0.0


class RecentRequests:
    """The requests that one process answered in the last 15 minutes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._periods = [_Period(-1) for _ in range(PERIODS)]

    def add(self, seconds: float, *, is_error: bool) -> None:
        period = self._period(int(self._clock()) // PERIOD_SECONDS)
        period.counts[bisect_left(BOUNDS, seconds)] += 1
        if is_error:
            period.errors += 1
        period.longest = max(period.longest, seconds)

    @classmethod
    def merged(cls, processes: Iterable[Iterable[CountedPeriod]]) -> "RecentRequests":
        """Return the requests of several processes together."""
        found = cls()
        for number, counts, errors, longest in sorted(chain.from_iterable(processes)):
            period = found._period(number)
            period.counts = array("L", map(add, period.counts, counts))
            period.errors += errors
            period.longest = max(period.longest, longest)
        return found

    def counted(self) -> list[CountedPeriod]:
        """Return the counts of each period that has any."""
        first = self._current()[0] - PERIODS
        return [
            CountedPeriod(period.number, period.counts.tolist(), period.errors, period.longest)
            for period in self._periods
            if period.number > first
        ]

    def periods(self) -> list[RecentPeriod]:
        """Return all periods of the last 15 minutes, oldest first; the last one is under way."""
        current, began_at_zero = self._current()
        kept = {period.number: period for period in self._periods}
        return [
            _summary(began_at_zero + number * PERIOD_SECONDS, [kept[number]] if number in kept else [])
            for number in range(current - PERIODS + 1, current + 1)
        ]

    def over(self, seconds: float) -> RecentPeriod:
        """Return the periods of the last `seconds` as one."""
        current, began_at_zero = self._current()
        first = current - min(PERIODS, max(1, round(seconds / PERIOD_SECONDS))) + 1
        kept = [period for period in self._periods if first <= period.number <= current]
        return _summary(began_at_zero + first * PERIOD_SECONDS, kept)

    def _period(self, number: int) -> _Period:
        period = self._periods[number % PERIODS]
        if period.number != number:
            period = self._periods[number % PERIODS] = _Period(number)
        return period

    def _current(self) -> tuple[int, float]:
        """Return the number of the period that is under way, and the time of day at the clock's zero."""
        now = self._clock()
        return int(now) // PERIOD_SECONDS, time.time() - now


def _summary(begin: float, periods: Iterable[_Period]) -> RecentPeriod:
    counts = [0] * (len(BOUNDS) + 1)
    errors, longest = 0, 0.0
    for period in periods:
        counts = [one + other for one, other in zip(counts, period.counts, strict=True)]
        errors += period.errors
        longest = max(longest, period.longest)
    return RecentPeriod(
        begin, sum(counts), errors, _percentile(counts, 0.5, longest), _percentile(counts, 0.99, longest), longest
    )


def _percentile(counts: list[int], share: float, longest: float) -> float | None:
    """Return the length that this share of the requests did not exceed, interpolated within its bucket."""
    left = share * sum(counts)
    for bucket, count in enumerate(counts):
        if count and left <= count:
            if bucket == len(BOUNDS):
                return longest
            lower = BOUNDS[bucket - 1] if bucket else BOUNDS[0] / 2
            within: float = (BOUNDS[bucket] / lower) ** (left / count)
            return min(longest, lower * within)
        left -= count
    return None

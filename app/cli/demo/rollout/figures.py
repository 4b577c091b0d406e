"""What requests felt: how many there were, how many failed, and how long they took."""

from collections.abc import Collection
from math import ceil
from typing import NamedTuple

import msgspec


class Sample(NamedTuple):
    """One request. `seconds` count from the moment when it was due, so that its wait to be sent is in them."""

    ended: float
    seconds: float
    failure: str | None = None


class Figures(msgspec.Struct, frozen=True):
    """The figures of several requests; times are in milliseconds, and 0 if there was no request."""

    requests: int
    failed: int
    p50_ms: float
    p99_ms: float
    longest_ms: float


def measure(samples: Collection[Sample]) -> Figures:
    times = sorted(sample.seconds * 1000 for sample in samples)
    p50, p99, longest = (round(times[ceil(share * len(times)) - 1], 1) if times else 0.0 for share in (0.5, 0.99, 1))
    return Figures(len(times), sum(sample.failure is not None for sample in samples), p50, p99, longest)

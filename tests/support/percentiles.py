"""Percentiles of what was measured."""

from collections.abc import Iterable
from math import ceil


def percentiles(values: Iterable[float], *shares: float) -> list[float]:
    """By the nearest rank, so each is one of the values, and 1 is the largest; 0 where there are none."""
    ordered = sorted(values)
    return [ordered[ceil(share * len(ordered)) - 1] if ordered else 0.0 for share in shares]

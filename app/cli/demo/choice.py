"""Choosing by shares."""

import random
from collections.abc import Sequence
from itertools import accumulate
from typing import Generic, TypeVar

ChosenT = TypeVar("ChosenT")


class Choice(Generic[ChosenT]):
    """One of several, each as often as its share says."""

    def __init__(self, among: Sequence[ChosenT], shares: Sequence[float]) -> None:
        self._among, self._sums = among, [*accumulate(shares)]

    def pick(self, rng: random.Random) -> ChosenT:
        (chosen,) = rng.choices(self._among, cum_weights=self._sums)
        return chosen

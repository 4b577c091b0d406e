"""What was measured, and whether that is what is wanted."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, NamedTuple


class Sample(NamedTuple):
    """One turn of a contestant: `value` in the row's unit, times of requests in milliseconds.

    `cpu` is what the worker has used of a processor for a request, in microseconds; unlike the rest it hardly depends
    on what else the machine does. `memory` is the worker's resident set in MB.
    """

    value: float
    p50: float | None = None
    p99: float | None = None
    cpu: float | None = None
    memory: float | None = None


class Goal(NamedTuple):
    """What a contestant's value has to be, against another's or, without one, by itself."""

    limit: float
    rival: str | None = None
    at_most: bool = False
    of: str = "ours"

    def __str__(self) -> str:
        relation = "≤" if self.at_most else "≥"
        return f"{relation} {self.limit:g}" + (f" × {self.rival}" if self.rival else "")  # noqa: RUF001 - times


class Verdict(NamedTuple):
    """`by_cpu` is the same ratio of what the workers have used of a processor, where that is known."""

    goal: Goal
    reached: float
    by_cpu: float | None = None

    @property
    def is_met(self) -> bool:
        return self.reached <= self.goal.limit if self.goal.at_most else self.reached >= self.goal.limit


class Outcome(NamedTuple):
    """One row: the samples of each contestant, round by round; or why there are none."""

    name: str
    title: str
    unit: str
    samples: Mapping[str, Sequence[Sample]]
    goals: Sequence[Goal] = ()
    note: str = ""

    @property
    def verdicts(self) -> list[Verdict]:
        return [Verdict(goal, self._reached(goal), self._by_cpu(goal)) for goal in self.goals]

    @property
    def is_met(self) -> bool:
        return bool(self.samples) and all(verdict.is_met for verdict in self.verdicts)

    def _reached(self, goal: Goal) -> float:
        ours = [sample.value for sample in self.samples[goal.of]]
        if goal.rival is None:
            return median(ours)
        # Round by round, since those of one round had the same machine.
        theirs = [sample.value for sample in self.samples[goal.rival]]
        return median(one / other for one, other in zip(ours, theirs, strict=True))

    def _by_cpu(self, goal: Goal) -> float | None:
        if goal.rival is None:
            return None
        ours, theirs = (Figures.of(self.samples[name]).cpu for name in (goal.of, goal.rival))
        if not ours or not theirs:
            return None
        return ours / theirs if goal.at_most else theirs / ours

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "unit": self.unit,
            "note": self.note,
            "contestants": {name: Figures.of(samples)._asdict() for name, samples in self.samples.items()},
            "goals": [
                {**verdict.goal._asdict(), "reached": verdict.reached, "by_cpu": verdict.by_cpu, "met": verdict.is_met}
                for verdict in self.verdicts
            ],
        }


class Figures(NamedTuple):
    """The medians of a contestant's rounds; `spread` is the range of `value` as a share of its median."""

    value: float
    spread: float
    p50: float | None
    p99: float | None
    cpu: float | None
    memory: float | None

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Figures":
        values = [sample.value for sample in samples]
        middle = median(values)
        spread = (max(values) - min(values)) / middle if middle else 0.0
        others = {name: [getattr(sample, name) for sample in samples] for name in ("p50", "p99", "cpu", "memory")}
        found = {name: None if None in given else median(given) for name, given in others.items()}
        return cls(middle, spread, **found)

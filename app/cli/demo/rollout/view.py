"""What is known of a rollout at each moment: its steps, replicas and traffic."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from app.cli.demo.rollout.figures import Figures, Sample, measure
from app.cli.demo.rollout.processes import Replica, State
from app.cli.demo.rollout.traffic import Traffic

Outcome = Literal["waiting", "running", "done", "failed"]


@dataclass
class Step:
    """One step of the rollout. `done` of `total` is its progress, where it has one."""

    name: str
    outcome: Outcome = "waiting"
    began: float = 0.0
    ended: float | None = None
    done: int = 0
    total: int = 0

    @property
    def seconds(self) -> float:
        return (time.monotonic() if self.ended is None else self.ended) - self.began

    def report(self, done: int, total: int) -> None:
        self.done, self.total = done, total


class Check(msgspec.Struct, frozen=True):
    """Something that has to be true at the end."""

    what: str
    holds: bool
    found: str


@dataclass
class RolloutView:
    """The rollout as it stands; `on_step` is called when a step begins and when it ends."""

    rows: int
    rate: float
    steps: list[Step]
    on_step: Callable[[Step], None]
    replicas: list[Replica] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    traffic: Traffic | None = None

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        """Make the step the one that requests belong to which are sent from now on."""
        step = next(step for step in self.steps if step.name == name)
        step.outcome, step.began = "running", time.monotonic()
        if self.traffic is not None:
            self.traffic.step = name
        self.on_step(step)
        try:
            yield step
        except BaseException:
            step.outcome = "failed"
            raise
        else:
            step.outcome = "done"
        finally:
            step.ended = time.monotonic()
            self.on_step(step)

    def samples(self, step: Step | None = None) -> list[Sample]:
        """Return the requests of a step, or all."""
        if self.traffic is None:
            return []
        return list(self.traffic.all_samples if step is None else self.traffic.samples.get(step.name, ()))

    def figures(self, step: Step | None = None) -> Figures:
        return measure(self.samples(step))

    @property
    def page_url(self) -> str | None:
        """Return where the newest replica that serves shows the schema live; behind nginx it is for operators."""
        serving = [replica for replica in self.replicas if replica.state is State.UP]
        return f"{serving[-1].url}/operations" if serving else None

    @property
    def has_passed(self) -> bool:
        return bool(self.checks) and all(check.holds for check in self.checks)

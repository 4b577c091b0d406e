"""The picture of what was done to the schema: a stem for each step, as high as it took long, and what is to come."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import log10

from app.migrator.durations import format_duration
from app.migrator.revisions.history import Entry, Outcome, baseline_runs
from app.migrator.status import RevisionState, RevisionStatus
from app.migrator.under_way import StepUnderWay

# The most steps of the past, and the most that are to come: with them the picture fits a wide window.
_PAST, _COMING = 28, 9
_LEFT, _RIGHT = 52, 30
# The distance of two steps: what is left of this width for each, within limits.
_WIDTH, _CLOSEST, _WIDEST = 1180, 30, 56
_TOP, _BASE = 16, 124
_LABELS = 74
# Seconds at the bottom and at the top of the scale, and its lines.
_SHORTEST, _LONGEST = 0.001, 600.0
_LINES = ((0.01, "10 ms"), (1.0, "1 s"), (60.0, "1 min"))


@dataclass(frozen=True)
class Step:
    """A step as the page shows it; `seconds` is None where it was not run, or its length is not known."""

    anchor: str
    revision: str
    phase: str
    direction: str
    outcome: str
    started_at: datetime | None = None
    seconds: float | None = None
    by: str = ""
    release: str = ""
    retries: int = 0
    error: str = ""
    message: str = ""
    made: int = 0

    @property
    def took(self) -> str:
        return "" if self.seconds is None else in_words(self.seconds)

    @property
    def sentence(self) -> str:
        """Return all of it in one line, for a title and for who does not see the picture."""
        told = [f"{self.direction} {self.revision} ({self.phase})", self.outcome]
        told += [f"made {self.made} revisions at once"] if self.made else []
        told += [f"took {self.took}"] if self.took else []
        told += [f"{self.started_at:%Y-%m-%d %H:%M} UTC"] if self.started_at else []
        told += [f"by {self.by}"] if self.by else []
        told += [f"{self.retries} retries"] if self.retries else []
        return ", ".join(told) + (f": {self.message}" if self.message else "")


@dataclass(frozen=True)
class Mark:
    """A step at its place; `shape` tells its phase, or that it went down."""

    step: Step
    x: float
    y: float
    shape: str
    base: float = _BASE


@dataclass(frozen=True)
class ReleaseSpan:
    """The steps that one release made, one after the other."""

    release: str
    x: float
    width: float


@dataclass(frozen=True)
class Timeline:
    """The picture, and its steps with the newest first."""

    marks: tuple[Mark, ...]
    spans: tuple[ReleaseSpan, ...]
    lines: tuple[tuple[float, str], ...]
    width: float
    height: float
    base: float
    now_x: float
    earlier: int
    later: int
    steps: tuple[Step, ...]


def draw_timeline(
    entries: Sequence[Entry], revisions: Sequence[RevisionStatus], under_way: StepUnderWay | None
) -> Timeline:
    past = list(_past(entries, {row.revision: row.message or "" for row in revisions}, under_way))
    running = {step.revision for step in past if step.outcome == "running"}
    coming = [
        Step(f"pending-{row.revision}", row.revision, _phase(row), "upgrade", "pending", message=row.message or "")
        for row in revisions
        if row.state is RevisionState.PENDING and row.revision not in running
    ]
    shown, next_ones = past[-_PAST:], coming[:_COMING]
    pitch = min(_WIDEST, max(_CLOSEST, _WIDTH // (len(shown) + len(next_ones) + 2)))
    now_x = _LEFT + (len(shown) + 0.5) * pitch
    marks = [_mark(step, _LEFT + (place + 0.5) * pitch) for place, step in enumerate(shown)]
    marks += [_mark(step, now_x + (place + 1) * pitch) for place, step in enumerate(next_ones)]
    return Timeline(
        marks=tuple(marks),
        spans=tuple(_spans(shown, pitch)),
        lines=tuple((_height(seconds), label) for seconds, label in _LINES),
        width=now_x + max(1, len(next_ones)) * pitch + _RIGHT,
        height=_BASE + _LABELS,
        base=_BASE,
        now_x=now_x,
        earlier=len(past) - len(shown),
        later=len(coming) - len(next_ones),
        steps=(*reversed(coming), *reversed(past)),
    )


def in_words(seconds: float) -> str:
    """Return a duration as people write it, from milliseconds to days."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"  # noqa: PLR2004
    return f"{seconds:.1f} s" if seconds < 10 else format_duration(seconds)  # noqa: PLR2004


def _past(entries: Sequence[Entry], messages: dict[str, str], under_way: StepUnderWay | None) -> Iterator[Step]:
    """Yield the steps that were begun. What a baseline has made at once is one of them."""
    runs = {run.id: len(stamps) for run, stamps in baseline_runs(entries)}
    left = {stamp.id for _, stamps in baseline_runs(entries) for stamp in stamps}
    for entry in entries:
        if entry.id in left:
            continue
        outcome: str = entry.outcome.value
        seconds = None if entry.duration is None else entry.duration.total_seconds()
        if entry.outcome is Outcome.RUNNING:
            # Killed, where nobody is at it.
            is_live = under_way is not None and entry is entries[-1]
            outcome, seconds = ("running", under_way.seconds) if is_live and under_way else ("killed", None)
        if entry.direction in {"stamp", "unstamp"}:
            outcome, seconds = f"{entry.direction}ed", None
        yield Step(
            anchor=f"step-{entry.id}",
            revision=entry.revision,
            phase=entry.phase.value,
            direction=entry.direction,
            outcome=outcome,
            started_at=entry.started_at,
            seconds=seconds,
            by=entry.applied_by,
            release=entry.release,
            retries=entry.retries,
            error=entry.error or "",
            message=messages.get(entry.revision, ""),
            made=runs.get(entry.id, 0),
        )


def _mark(step: Step, x: float) -> Mark:
    shape = "down" if step.direction in {"downgrade", "unstamp"} else step.phase
    return Mark(step, x, _BASE if step.seconds is None else _height(step.seconds), shape)


def _height(seconds: float) -> float:
    share = log10(min(_LONGEST, max(_SHORTEST, seconds)) / _SHORTEST) / log10(_LONGEST / _SHORTEST)
    return round(_BASE - 12 - share * (_BASE - 12 - _TOP), 1)


def _spans(steps: Sequence[Step], pitch: int) -> Iterator[ReleaseSpan]:
    begin = 0
    for place, step in enumerate(steps):
        if place + 1 == len(steps) or steps[place + 1].release != step.release:
            yield ReleaseSpan(step.release or "?", _LEFT + begin * pitch + 4, (place + 1 - begin) * pitch - 8)
            begin = place + 1


def _phase(row: RevisionStatus) -> str:
    return row.phase.value if row.phase else "expand"

"""The picture of what requests felt in the last 15 minutes, with the steps of migrations behind it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from app.api.http.recent_requests import PERIOD_SECONDS, PERIODS, RecentPeriod
from app.api.operations.timeline import Step, in_words

_LEFT, _WIDTH, _RIGHT = 52, 720, 12
_TOP, _BASE = 14, 150
_HEIGHT = _BASE + 26
_LEAST = 0.001
_MINUTES = (15, 10, 5)


@dataclass(frozen=True)
class Band:
    """The time of one step of a migration."""

    x: float
    width: float
    step: Step


@dataclass(frozen=True)
class ErrorMark:
    """A period in which requests were answered with 5xx."""

    x: float
    errors: int


@dataclass(frozen=True)
class RequestPlot:
    """Lines of percentiles over time, on a logarithmic scale."""

    p50: str
    p99: str
    lines: tuple[tuple[float, str], ...]
    times: tuple[tuple[float, str], ...]
    bands: tuple[Band, ...]
    errors: tuple[ErrorMark, ...]
    left: float
    right: float
    top: float
    base: float
    width: float
    height: float
    requests: int
    error_count: int


def draw_requests(periods: Sequence[RecentPeriod], steps: Iterable[Step]) -> RequestPlot:
    longest = max((period.p99 or 0 for period in periods), default=0)
    low, high = _decades(periods, longest)

    def height(seconds: float) -> float:
        share = (log10(max(seconds, 10**low)) - low) / (high - low)
        return round(_BASE - share * (_BASE - _TOP), 1)

    begin = periods[0].begin
    return RequestPlot(
        p50=_path((place, height(one.p50)) for place, one in enumerate(periods) if one.p50 is not None),
        p99=_path((place, height(one.p99)) for place, one in enumerate(periods) if one.p99 is not None),
        lines=tuple((height(10.0**power), in_words(10.0**power).replace(".0 ", " ")) for power in range(low, high + 1)),
        times=(
            *((_x(PERIODS - minutes * 60 / PERIOD_SECONDS), f"-{minutes} min") for minutes in _MINUTES),
            (_x(PERIODS), "now"),
        ),
        bands=tuple(_bands(steps, begin)),
        errors=tuple(ErrorMark(_x(place + 0.5), one.errors) for place, one in enumerate(periods) if one.errors),
        left=_LEFT,
        right=_LEFT + _WIDTH,
        top=_TOP,
        base=_BASE,
        width=_LEFT + _WIDTH + _RIGHT,
        height=_HEIGHT,
        requests=sum(one.requests for one in periods),
        error_count=sum(one.errors for one in periods),
    )


def _decades(periods: Sequence[RecentPeriod], longest: float) -> tuple[int, int]:
    """Return the powers of ten at the bottom and at the top of the scale, which has two at least."""
    shortest = min((period.p50 for period in periods if period.p50), default=_LEAST)
    low = floor(log10(min(_LEAST, shortest)))
    return low, max(low + 2, ceil(log10(longest)) if longest else low)


def _x(place: float) -> float:
    return round(_LEFT + place * _WIDTH / PERIODS, 1)


def _path(points: Iterable[tuple[int, float]]) -> str:
    """Return an SVG path through the middles of the periods; a period alone is a short line."""
    path, last = [], None
    for place, y in points:
        x = _x(place + 0.5)
        path.append(f"L{x} {y}" if last == place - 1 else f"M{x - 1:.1f} {y}H{x + 1:.1f}")
        last = place
    return "".join(path)


def _bands(steps: Iterable[Step], begin: float) -> Iterator[Band]:
    for step in steps:
        if step.started_at is None or step.seconds is None:
            continue
        place = (step.started_at.timestamp() - begin) / PERIOD_SECONDS
        if place + step.seconds / PERIOD_SECONDS >= 0:
            x, end = _x(max(0.0, place)), _x(min(PERIODS, place + step.seconds / PERIOD_SECONDS))
            yield Band(x, max(2.0, round(end - x, 1)), step)

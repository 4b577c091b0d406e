"""What is kept of the requests of the last 15 minutes."""

import random
from itertools import pairwise

import pytest

from app.api.http.recent_requests import BOUNDS, PERIOD_SECONDS, PERIODS, RecentRequests


class Clock:
    def __init__(self) -> None:
        self.now = 1002.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recent(clock: Clock) -> RecentRequests:
    return RecentRequests(clock)


def add(recent: RecentRequests, *seconds: float, is_error: bool = False) -> None:
    for each in seconds:
        recent.add(each, is_error=is_error)


@pytest.mark.parametrize("scale", [0.0003, 0.02, 3.0])
@pytest.mark.parametrize("count", [100, 3000])
def test_percentiles_are_an_eighth_off_at_most(recent: RecentRequests, scale: float, count: int) -> None:
    lengths = sorted(scale * random.Random(count).lognormvariate(0, 0.7) for _ in range(count))
    add(recent, *lengths)
    found = recent.periods()[-1]
    assert found.requests == count
    assert found.p50 == pytest.approx(lengths[count // 2 - 1], rel=0.13)
    assert found.p99 == pytest.approx(lengths[count * 99 // 100 - 1], rel=0.13)
    assert found.longest == lengths[-1]


def test_longest_limits_the_percentiles(recent: RecentRequests) -> None:
    add(recent, 0.0101)
    found = recent.periods()[-1]
    assert found.p50 == pytest.approx(0.0101, rel=0.13)
    assert (found.p99, found.longest) == (0.0101, 0.0101)


@pytest.mark.parametrize("seconds", [0.0, 0.00001, 0.0001, 99.9, 100.0, 5000.0])
def test_length_outside_of_the_bounds_counts(recent: RecentRequests, seconds: float) -> None:
    add(recent, seconds)
    found = recent.periods()[-1]
    assert (found.requests, found.longest) == (1, seconds)
    assert found.p99 is not None
    assert found.p99 <= max(seconds, BOUNDS[0])


def test_periods_are_of_five_seconds_and_in_order(recent: RecentRequests, clock: Clock) -> None:
    add(recent, 0.1)
    clock.now += PERIOD_SECONDS
    add(recent, 0.2, 0.2, is_error=True)
    clock.now += 2 * PERIOD_SECONDS
    found = recent.periods()
    assert len(found) == PERIODS
    assert [(each.requests, each.errors, each.longest) for each in found[-4:]] == [
        (1, 0, 0.1),
        (2, 2, 0.2),
        (0, 0, 0.0),
        (0, 0, 0.0),
    ]
    assert found[-1].p50 is None
    assert found[-1].p99 is None
    steps = {round(later.begin - earlier.begin, 6) for earlier, later in pairwise(found)}
    assert steps == {PERIOD_SECONDS}


def test_requests_are_forgotten_after_15_minutes(recent: RecentRequests, clock: Clock) -> None:
    add(recent, 0.1, is_error=True)
    clock.now += PERIOD_SECONDS * (PERIODS - 1)
    assert recent.periods()[0].requests == 1
    clock.now += PERIOD_SECONDS
    assert sum(each.requests for each in recent.periods()) == 0
    # The place of the forgotten ones is used again.
    add(recent, 0.2)
    assert recent.periods()[-1][1:3] == (1, 0)


def test_several_periods_are_put_together(recent: RecentRequests, clock: Clock) -> None:
    add(recent, 5.0)
    clock.now += 60
    add(recent, *[0.01] * 98)
    clock.now += PERIOD_SECONDS
    add(recent, 1.0, 1.0, is_error=True)
    found = recent.over(60)
    assert (found.requests, found.errors, found.longest) == (100, 2, 1.0)
    assert found.p50 == pytest.approx(0.01, rel=0.13)
    assert found.p99 == pytest.approx(1.0, rel=0.13)
    assert recent.over(3600).longest == 5.0
    assert recent.over(1).requests == 2


def test_requests_of_several_processes_are_put_together() -> None:
    one, other = RecentRequests(), RecentRequests()
    add(one, *[0.01] * 98)
    add(other, 1.0, 2.0, is_error=True)
    found = RecentRequests.merged([one.counted(), other.counted()]).over(60)
    assert (found.requests, found.errors, found.longest) == (100, 2, 2.0)
    assert found.p50 == pytest.approx(0.01, rel=0.13)
    assert found.p99 == pytest.approx(1.0, rel=0.13)
    assert one.over(60).requests == 98

"""How long each attempt waits for a table, how long it pauses after that, and when it gives up."""

import asyncio
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from asyncpg import DeadlockDetectedError, LockNotAvailableError

from app.migrator.locking import retries

LOCK_TIMEOUT, RETRIES = 2.0, 10


@dataclass
class Attempts:
    """Attempts that all fail, on a clock that moves with their waits and pauses alone."""

    error: Exception = field(default_factory=LockNotAvailableError)
    work: float = 0.0
    now: float = 0.0
    starts: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    async def attempt(self, number: int, wait: float) -> None:
        assert number == len(self.waits)
        self.starts.append(self.now)
        self.waits.append(wait)
        self.now += self.work + wait
        raise self.error

    async def recover(self, error: Exception, pause: float | None) -> bool:
        assert error is self.error
        return pause is not None

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds

    def run(self, lock_retries: int = RETRIES, lock_timeout: float = LOCK_TIMEOUT) -> None:
        with pytest.raises(type(self.error)):
            asyncio.run(retries.run_with_retries(self.attempt, self.recover, lock_retries, lock_timeout))


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Attempts:
    made = Attempts()

    class Asyncio:
        sleep = made.sleep

    monkeypatch.setattr(retries, "asyncio", Asyncio)
    monkeypatch.setattr(retries, "time", type("Clock", (), {"monotonic": staticmethod(lambda: made.now)}))
    return made


def test_waits_begin_short_and_grow_up_to_the_lock_timeout(attempts: Attempts) -> None:
    attempts.run()
    assert attempts.waits == sorted(attempts.waits)
    assert sorted({*attempts.waits}) == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0]
    # For as long as most of those who hold a table hold it.
    assert all(wait <= 0.2 for start, wait in zip(attempts.starts, attempts.waits, strict=True) if start < 20)
    assert attempts.waits.count(LOCK_TIMEOUT) == RETRIES + 1


def test_traffic_has_four_times_as_long_as_it_queued(attempts: Attempts) -> None:
    attempts.run()
    assert all(
        pause >= min(4 * wait, 15.0) * 0.99 for pause, wait in zip(attempts.pauses, attempts.waits[:-1], strict=True)
    )


@pytest.mark.parametrize("lock_timeout", [0.01, 0.05, 0.1, 0.5, 2.0, 30.0])
@pytest.mark.parametrize("lock_retries", [0, 1, 10])
def test_patience_is_that_of_as_many_full_waits_with_growing_pauses(
    attempts: Attempts, lock_timeout: float, lock_retries: int
) -> None:
    attempts.run(lock_retries, lock_timeout)
    pauses = sum(min(0.5 * 2**number, 15.0) * 0.8 for number in range(lock_retries))
    assert attempts.now >= (lock_retries + 1) * lock_timeout + pauses
    assert attempts.waits.count(lock_timeout) == lock_retries + 1
    assert max(attempts.waits) == lock_timeout


def test_single_attempt_waits_for_the_lock_timeout(attempts: Attempts) -> None:
    attempts.run(lock_retries=0)
    assert attempts.waits == [LOCK_TIMEOUT]


def test_long_work_is_not_thrown_away_for_short_waits(attempts: Attempts) -> None:
    """What takes half a minute until it meets the table in use is not run more often than with full waits alone."""
    attempts.work = 30.0
    attempts.run()
    assert len(attempts.waits) <= RETRIES + 3
    assert min(attempts.pauses) >= 15.0 * 0.8


def test_another_error_counts_as_a_retry_at_once(attempts: Attempts) -> None:
    attempts.error = DeadlockDetectedError()
    attempts.run(lock_retries=3)
    assert len(attempts.waits) == 4
    assert all(later > earlier for earlier, later in pairwise(attempts.pauses))

"""When a replica may be read and by whom, by what was noted of the primary's log and of the replica."""

import asyncio
import time
from collections import deque
from contextlib import AbstractAsyncContextManager
from math import inf
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest
from advanced_alchemy.routing import stick_to_primary_var
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.core.logging import configure_logging
from app.core.settings import Settings
from app.db.replicas import replica as module
from app.db.replicas.replica import Replica
from app.db.replicas.selection import Replicas
from app.db.replicas.wal_tracker import PrimaryWalTracker, _Sample
from app.db.request.read_route import ReadRoute
from app.postgres.url.database_url import normalize_database_url
from tests.support.waiting import PATIENCE

CALLER, OTHER = UUID(int=1), UUID(int=2)
URLS = tuple(normalize_database_url(f"postgresql://u@replica{number}/db") for number in range(3))


def never_opened() -> AbstractAsyncContextManager[AsyncEngine]:
    raise AssertionError


def tracker(retention: float = 10.0) -> PrimaryWalTracker:
    return PrimaryWalTracker(never_opened, retention)


def hear(of: PrimaryWalTracker, payload: str) -> None:
    of._on_notification(None, 1, "plimsoll_written", payload)


# --- the primary's log -----------------------------------------------------------------------------------------


def test_replica_was_current_until_the_last_moment_at_which_the_log_ended_where_it_is() -> None:
    tracked = tracker()
    assert tracked.current_until(5) is None
    for at, position in ((1.0, 10), (2.0, 20), (3.0, 20), (4.0, 30)):
        tracked._keep(_Sample(at, position))
    assert [tracked.current_until(position) for position in (9, 10, 19, 20, 29, 30, 99)] == [
        None,
        *(1.0, 1.0, 3.0, 3.0, 4.0, 4.0),
    ]


def test_samples_are_kept_some_time_apart_and_one_that_is_older_than_the_lag_allows() -> None:
    tracked = tracker(retention=10.0)
    kept = []
    for at in (0.0, 0.01, 0.02, 0.03, 10.0, 10.5, 20.0, 20.25):
        tracked._keep(_Sample(at, 1))
        kept.append([sample.at for sample in tracked._samples])
    assert kept[3] == [0.0, 0.02]
    assert kept[4:] == [[0.0, 0.02, 10.0], [0.02, 10.0, 10.5], [0.02, 10.0, 10.5, 20.0], [10.0, 10.5, 20.0, 20.25]]


def test_caller_reads_what_has_come_as_far_as_his_latest_change() -> None:
    tracked = tracker()
    hear(tracked, f"{CALLER} 100")
    hear(tracked, f"{CALLER} 90")
    hear(tracked, "")
    assert (tracked.position_of(CALLER), tracked.position_of(OTHER)) == (100, 0)
    hear(tracked, f"{CALLER} 110")
    assert tracked.position_of(CALLER) == 110
    hear(tracked, f"{OTHER} 120")
    # What every replica that is read has come past is forgotten.
    tracked._keep(_Sample(1.0, 110))
    assert (tracked.position_of(CALLER), tracked.position_of(OTHER)) == (0, 120)
    assert len(tracked._position_by_caller) == 1


@pytest.mark.parametrize(("position", "flushes"), [(9, True), (10, False), (11, False)])
def test_log_is_flushed_for_a_replica_that_waits_for_its_end(position: int, flushes: bool) -> None:
    tracked = tracker()
    tracked.note_unchanged_replica(position)
    assert not tracked._needs_flush
    tracked._keep(_Sample(1.0, 10))
    tracked.note_unchanged_replica(position)
    assert tracked._needs_flush is flushes


async def test_what_was_heard_is_forgotten_with_the_connection() -> None:
    tracked = tracker()
    assert await tracked.catch_up() is False
    for end in (lambda: tracked._on_connection_lost("gone"), tracked.stop):
        tracked._next_poll, tracked.identity = asyncio.get_running_loop().create_future(), "primary"
        tracked._keep(_Sample(1.0, 10))
        hear(tracked, f"{CALLER} 100")
        waiting = asyncio.create_task(tracked.catch_up())
        await asyncio.sleep(0)
        assert tracked._poll_requested.is_set()
        end()
        assert await waiting is False
        seen: tuple[object, ...] = tracked.identity, tracked.position_of(CALLER), tracked.current_until(99)
        assert seen == (None, 0, None)
        assert await tracked.catch_up() is False
    assert tracked._is_stopped


# --- a replica -------------------------------------------------------------------------------------------------


def replica_at(position: int, tracked: PrimaryWalTracker, number: int = 0, max_lag: float = 10.0) -> Replica:
    """A replica that was found well at this position."""
    found = Replica(Settings(db_replica_max_lag=max_lag), URLS[number], tracked)
    found._own_fault, found.identity, found._timeline, found.position = None, "cluster", "1", position
    return found


@pytest.fixture
def watched() -> PrimaryWalTracker:
    """The primary, whose log ended at 10 until 5 seconds ago, and at 20 since then."""
    tracked = tracker()
    tracked.identity, tracked.timeline = "cluster", "1"
    now = time.monotonic()
    tracked._keep(_Sample(now - 5, 10))
    tracked._keep(_Sample(now, 20))
    return tracked


async def test_replica_is_read_while_it_is_a_copy_that_lags_no_longer_than_it_may(watched: PrimaryWalTracker) -> None:
    read = replica_at(20, watched)
    assert read.fault is None
    assert 0 <= read.lag < 5
    late = replica_at(10, watched)
    assert late.fault is None
    assert late.lag >= 5
    too_late = replica_at(10, watched, max_lag=4.0)
    assert too_late.fault == "it is behind the primary"
    assert too_late.lag >= 5
    lost = replica_at(9, watched)
    assert (lost.fault, lost.lag) == ("it is behind the primary", inf)
    assert Replica(Settings(), URLS[0], watched).fault == "it has not been seen yet"


async def test_replica_of_what_cannot_be_compared_is_left_out(watched: PrimaryWalTracker) -> None:
    other = replica_at(20, watched)
    other.identity = "another"
    assert "no copy of the primary" in str(other.fault)
    assert other.lag == inf
    parted = replica_at(20, watched)
    parted._timeline = "2"
    assert "timeline" in str(parted.fault)
    watched.identity = None
    assert replica_at(20, watched).fault == "the primary is not watched"


async def test_replica_that_is_excluded_stays_out_for_a_second_at_least(watched: PrimaryWalTracker) -> None:
    excluded = replica_at(20, watched)
    excluded.exclude("it has cut a request off")
    assert excluded.fault == "it has cut a request off"
    assert excluded._excluded_until - time.monotonic() <= module._EXCLUSION_TIME
    assert excluded._excluded_until > time.monotonic() - module._EXCLUSION_TIME


async def test_replicas_are_chosen_in_turn_but_for_those_with_a_fault(watched: PrimaryWalTracker) -> None:
    replicas = Replicas(Settings(), URLS, never_opened)
    replicas.wal_tracker = watched
    replicas.all = tuple(replica_at(20, watched, number) for number in range(len(URLS)))
    replicas._rotation.clear()
    replicas._rotation.extend(replicas.all)

    async def chosen() -> list[str | None]:
        found = []
        for _ in range(4):
            watched._next_poll = asyncio.get_running_loop().create_future()
            watched._next_poll.set_result(True)
            replica = await replicas.choose()
            found.append(replica.name if replica else None)
        return found

    names = [replica.name for replica in replicas.all]
    everyone = await chosen()
    assert (set(everyone), everyone[0]) == (set(names), everyone[3])
    replicas.all[1].exclude("x")
    assert names[1] not in await chosen()
    assert len(set(await chosen())) == 2
    watched._next_poll = None
    assert await replicas.choose() is None, "nobody knows what the caller has written"
    for replica in replicas.all:
        replica.exclude("x")
    assert set(await chosen()) == {None}
    watched._next_poll = asyncio.get_running_loop().create_future()
    async with asyncio.timeout(PATIENCE):
        assert await replicas.choose() is None, "nobody waits for a poll where no replica may be read"
    replicas.all = (replica_at(20, watched, 0), replica_at(20, watched, 1))
    replicas._rotation = deque(replicas.all)
    assert await chosen() == [names[1], names[0]] * 2


class Driver:
    """A connection to a replica, by its answer to a poll: whether it is in recovery, its position and its timeline."""

    def __init__(self, *row: object) -> None:
        self._row = row

    async def fetchrow(self, _statement: str, *, timeout: float) -> tuple[object, ...]:
        assert timeout == module._REPLICA_POLL_TIMEOUT
        return self._row


async def test_poll_finds_a_replica_well_or_says_why_it_is_left_out(watched: PrimaryWalTracker) -> None:
    polled = replica_at(0, watched)
    for row, fault, position, waits_for_the_log in (
        ((True, 10, "1"), None, 10, False),
        ((True, 10, "1"), None, 10, True),
        ((True, 20, "1"), None, 20, False),
        ((True, 20, "1"), None, 20, False),
        ((True, 20, "2"), "it is not seen to be on the primary's timeline", 20, False),
        ((False, None, "1"), "it is not in recovery: a primary itself", 0, False),
        ((True, 20, "1"), None, 20, False),
        ((True, None, "1"), "it is behind the primary", 0, False),
    ):
        watched._needs_flush = False
        await polled._poll(Driver(*row))
        assert (polled.fault, polled.position, watched._needs_flush) == (fault, position, waits_for_the_log), row
    polled.exclude("it has cut a request off")
    await polled._poll(Driver(True, 20, "1"))
    assert polled.fault == "it has cut a request off"
    polled._excluded_until = time.monotonic()
    await polled._poll(Driver(True, 20, "1"))
    assert polled.fault is None


async def test_fault_is_logged_once_and_one_that_passes_not_before_it_lasts(
    watched: PrimaryWalTracker, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(Settings())
    polled = Replica(Settings(), URLS[0], watched)
    polled.identity = "cluster"
    well, behind, ahead = Driver(True, 20, "1"), Driver(True, 5, "1"), Driver(False, None, "1")
    for driver, logged in (
        *((well, "a replica is read"), (well, ""), (behind, ""), (well, ""), (behind, "")),
        *((behind, "it is behind"), (behind, ""), (ahead, "a primary itself"), (well, "a replica is read")),
    ):
        await polled._poll(driver)
        line = capsys.readouterr().err
        assert logged in line
        assert bool(line) is bool(logged)
    for end, logged in ((polled.exclude, "cut off"), (polled.exclude, ""), (polled._on_connection_lost, "away")):
        end(logged or "cut off")
        line = capsys.readouterr().err
        assert ("a replica is left out" in line and logged in line) is bool(logged)
    assert polled.fault == "away"


# --- the route of a request ------------------------------------------------------------------------------------


def route_by(replica: Replica | None, replicas: Replicas | None) -> ReadRoute:
    route = ReadRoute(AsyncSession(), replicas, is_retry=False)
    route._replica = replica
    return route


@pytest.mark.parametrize(
    ("error", "is_to_blame", "is_lost"),
    [
        (DBAPIError(None, None, asyncpg.ConnectionDoesNotExistError("x"), connection_invalidated=True), True, True),
        (ConnectionResetError(), True, True),
        (DBAPIError(None, None, asyncpg.QueryCanceledError("x")), True, False),
        (TimeoutError(), False, False),
        (ZeroDivisionError(), False, False),
    ],
    ids=["lost", "reset", "cancelled", "timeout", "other"],
)
async def test_replica_is_to_blame_for_what_it_ends_and_is_left_out_where_it_is_lost(
    watched: PrimaryWalTracker, error: Exception, is_to_blame: bool, is_lost: bool
) -> None:
    read = replica_at(20, watched)
    assert route_by(read, None).failed_on_replica(error) is is_to_blame
    assert (read.fault is not None) is is_lost
    assert not route_by(None, None).failed_on_replica(error)


async def test_replica_shows_a_callers_changes_once_it_has_come_past_them(watched: PrimaryWalTracker) -> None:
    replicas = Replicas(Settings(), URLS, never_opened)
    replicas.wal_tracker = watched
    hear(watched, f"{CALLER} 20")
    route = route_by(replica_at(20, watched), replicas)
    for position, shows in ((19, False), (20, True), (21, True)):
        route._position = position
        assert route.shows_changes_of(CALLER) is shows
        assert route.shows_changes_of(OTHER)
    route._position = 0
    assert not route.shows_changes_of(CALLER)
    assert route_by(None, replicas).shows_changes_of(CALLER), "the primary shows all"


@pytest.mark.parametrize(
    ("has_replicas", "is_known", "may_write", "wrote", "announces"),
    [
        (True, True, True, False, True),
        (True, True, False, True, True),
        (True, True, False, False, False),
        (True, False, True, True, False),
        (False, True, True, True, False),
    ],
)
async def test_commit_is_announced_of_who_is_known_and_may_have_written(
    has_replicas: bool, is_known: bool, may_write: bool, wrote: bool, announces: bool
) -> None:
    route = route_by(None, Replicas(Settings(), URLS, never_opened) if has_replicas else None)
    route.caller_id = CALLER if is_known else None
    token = stick_to_primary_var.set(wrote)
    assert bool(route.must_announce(may_write=may_write)) is announces
    stick_to_primary_var.reset(token)


async def test_replica_is_asked_for_by_the_first_attempt_alone(watched: PrimaryWalTracker) -> None:
    for replicas, is_retry in ((None, False), (cast("Any", object()), True)):
        token = stick_to_primary_var.set(True)
        route = ReadRoute(AsyncSession(), replicas, is_retry=is_retry)
        assert stick_to_primary_var.get() is (replicas is None), "each attempt begins anew"
        stick_to_primary_var.reset(token)
        assert await route.use_replica() is False

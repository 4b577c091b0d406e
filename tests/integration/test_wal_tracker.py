"""What is polled of the primary's log over a connection, what is announced, and what a lost connection is told of."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import StaticPool

from app.core.logging import configure_logging
from app.core.settings import Settings
from app.db.replicas import wal_tracker as module
from app.db.replicas.wal_tracker import PrimaryWalTracker
from app.postgres.engine import create_unpooled_engine
from app.postgres.monitor import UnusableServerError, disposing
from app.postgres.url.database_url import normalize_database_url
from tests.support.database import by_driver, query
from tests.support.silent_proxy import cut
from tests.support.waiting import PATIENCE

CALLER = UUID(int=1)
pytestmark = pytest.mark.usefixtures("patient")
POSITION = "SELECT (pg_current_wal_lsn() - '0/0')::bigint"


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll may take long on a busy machine."""
    monkeypatch.setattr(module, "POLL_TIMEOUT", PATIENCE)


def never_opened() -> AbstractAsyncContextManager[AsyncEngine]:
    raise AssertionError


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[tuple[AsyncConnection, Any]]:
    """A connection, and the driver's own."""
    engine = create_unpooled_engine(normalize_database_url(url), 5)
    async with disposing(engine), engine.connect() as connection:
        yield connection, (await connection.get_raw_connection()).driver_connection


def position(url: str) -> int:
    return int(query(url, POSITION)[0][0])


async def poll_as_asked(tracker: PrimaryWalTracker, driver: Any) -> tuple[bool, BaseException | None]:
    """Poll for somebody who waits; return what they are told, and the error."""
    asking = asyncio.create_task(tracker.catch_up())
    await asyncio.sleep(0)
    assert tracker._poll_requested.is_set()
    (error,) = await asyncio.gather(tracker._poll(driver), return_exceptions=True)
    assert not tracker._poll_requested.is_set(), "the next one is asked for anew"
    async with asyncio.timeout(PATIENCE):
        return await asking, error


async def test_poll_tells_how_far_the_log_is_and_answers_who_has_waited_for_it(database_url: str) -> None:
    tracker = PrimaryWalTracker(never_opened, 10.0)
    async with connected(database_url) as (connection, driver):
        await tracker._prepare(connection, driver)
        ((timeline,),) = query(database_url, "SELECT lpad(timeline_id::text, 8, '0') FROM pg_control_checkpoint()")
        assert tracker.timeline == timeline
        before, began = position(database_url), time.monotonic()
        assert await poll_as_asked(tracker, driver) == (True, None)
        (sample,) = tracker._samples
        assert before <= sample.position <= position(database_url)
        assert began <= sample.at <= time.monotonic()


async def test_change_is_announced_at_once_to_all_with_its_place_in_the_log(database_url: str) -> None:
    here, there = PrimaryWalTracker(never_opened, 10.0), PrimaryWalTracker(never_opened, 10.0)
    async with connected(database_url) as (connection, driver), AsyncSession(connection.engine) as session:
        await there._prepare(connection, driver)
        await there._poll(driver)
        query(database_url, "INSERT INTO users (id, subject) VALUES (gen_random_uuid(), 'written')")
        before = position(database_url)
        # Nothing has to be committed for it.
        await here.announce(session, CALLER)
        await there._poll(driver)
        assert there.position_of(CALLER) >= before
        assert here.position_of(CALLER) == 0


async def test_log_is_flushed_once_in_a_while_where_a_replica_waits(database_url: str) -> None:
    tracker, flushes = PrimaryWalTracker(never_opened, 10.0), []
    async with connected(database_url) as (connection, driver), connected(database_url) as (_, listening):
        await listening.add_listener(module._CHANNEL, lambda *heard: flushes.append(heard[-1]))

        async def flushed() -> int:
            await tracker._poll(driver)
            await listening.fetchval("SELECT 1")
            return len(flushes)

        await tracker._prepare(connection, driver)
        assert [await flushed(), tracker._needs_flush] == [0, False], "nobody waits"
        for number in (1, 2):
            tracker.note_unchanged_replica(0)
            assert [await flushed(), tracker._needs_flush] == [number, False]
            tracker.note_unchanged_replica(0)
            assert [await flushed(), tracker._needs_flush] == [number, True], "it was flushed just now"
            tracker._needs_flush = False
            tracker._flushed_at -= module._FLUSH_INTERVAL + 1
        assert flushes == ["", ""]


async def test_poll_that_fails_or_is_not_answered_answers_who_waits_with_no(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_TIMEOUT", 0.1)
    # The last message is the one that asks for the position, or the one that has the log flushed.
    for begins, last in (("pg_current_wal_lsn() - ", "B"), ("LISTEN", "Q")):
        tracker = PrimaryWalTracker(never_opened, 10.0)
        with cut(database_url, begins, last) as way:
            async with connected(way.url) as (connection, driver):
                await tracker._prepare(connection, driver)
                tracker._needs_flush = begins == "LISTEN"
                told, error = await poll_as_asked(tracker, driver)
                assert (told, type(error)) == (False, TimeoutError)
                driver.terminate()


async def test_pooler_that_gives_a_transaction_anybodys_session_is_refused(database_url: str) -> None:
    # Like such a pooler it has one session for everybody.
    shared = create_async_engine(by_driver(database_url, "postgresql+asyncpg"), poolclass=StaticPool)
    async with disposing(shared), shared.connect() as connection:
        with pytest.raises(UnusableServerError, match="MIGRATION_DATABASE_URL"):
            await PrimaryWalTracker(never_opened, 10.0)._prepare(connection, None)


async def test_loss_of_the_connection_is_told_once_until_there_is_another(
    database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(Settings())
    tracker = PrimaryWalTracker(never_opened, 10.0)
    for _ in range(2):
        for logged in (1, 0):
            tracker._on_connection_lost("it is away")
            assert capsys.readouterr().err.count("it is away") == logged
        async with connected(database_url) as (connection, driver):
            await tracker._prepare(connection, driver)

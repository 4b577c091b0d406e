"""The hub by itself: what its readers share, when it polls, what it keeps, and how it ends."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from litestar import Litestar
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.asyncio_tasks import finish_or_cancel
from app.db.plugin import DatabasePlugin
from app.services import stream_hub
from app.services.stream_hub import Hub
from tests.support.sent_statements import statements_of
from tests.support.streams import insert_event
from tests.support.waiting import PATIENCE, until

ResultT = TypeVar("ResultT")


class News:
    """A source of news that comes when the test says so, and not with time."""

    def __init__(self) -> None:
        self.waits = 0
        self.ended = asyncio.Event()
        self._woken = asyncio.Event()

    async def wait(self, seconds: float) -> None:
        self.waits += 1
        await self._woken.wait()
        self._woken.clear()

    def wake(self) -> None:
        self._woken.set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            self.ended.set()


class Gate:
    """Sessions of the application; while it is shut, who asks for one waits, and while it fails, has none."""

    def __init__(self, app: Litestar) -> None:
        self._sessions = app.plugins.get(DatabasePlugin).sessions
        self.asked = 0
        self.fails_with: Exception | None = None
        self.is_open = asyncio.Event()
        self.is_open.set()

    def __call__(self) -> AbstractAsyncContextManager[AsyncSession]:
        return self._given()

    @asynccontextmanager
    async def _given(self) -> AsyncIterator[AsyncSession]:
        self.asked += 1
        await self.is_open.wait()
        if self.fails_with is not None:
            raise self.fails_with
        async with self._sessions() as session:
            yield session


@pytest.fixture
def news() -> News:
    return News()


@pytest.fixture
def gate(app: Litestar) -> Gate:
    return Gate(app)


@pytest.fixture
async def hub(gate: Gate, news: News, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hub]:
    monkeypatch.setattr(stream_hub, "_PAUSE", 0)
    hub = Hub(gate, news)
    yield hub
    await hub.close()


async def settled() -> None:
    """Let every task go on until it waits for something from outside."""
    for _ in range(50):
        await asyncio.sleep(0)


async def soon(something: Awaitable[ResultT]) -> ResultT:
    return await asyncio.wait_for(something, PATIENCE)


async def test_readers_share_few_sessions_and_who_may_be_out_has_others(hub: Hub) -> None:
    at_work: list[str] = []
    go = asyncio.Event()

    async def work(kind: str, _: AsyncSession) -> None:
        at_work.append(kind)
        await go.wait()

    reading = [asyncio.create_task(hub.read(partial(work, "reads"))) for _ in range(3)]
    asking = [asyncio.create_task(hub.read(partial(work, "asks"), is_urgent=True)) for _ in range(3)]
    await settled()
    assert sorted(at_work) == ["asks", "asks", "reads", "reads"]
    go.set()
    await asyncio.gather(*reading, *asking)
    assert len(at_work) == 6


async def test_what_was_read_is_not_kept(hub: Hub) -> None:
    class Found:
        pass

    async def work(_: AsyncSession) -> Found:
        return Found()

    found = weakref.ref(await hub.read(work))
    await settled()
    gc.collect()
    assert found() is None


async def test_hub_ends_after_what_is_read_though_its_reader_has_left(hub: Hub, news: News) -> None:
    done: list[object] = []

    async def work(session: AsyncSession) -> None:
        await news.ended.wait()
        done.append(await session.scalar(text("SELECT 1")))

    async with hub.following(uuid4()):
        await until(lambda: news.waits == 1)
        reader = asyncio.create_task(hub.read(work))
        await settled()
        reader.cancel()
        await hub.close()
    assert done == [1]


async def test_next_poll_is_one_that_began_after_the_call(hub: Hub, gate: Gate, news: News) -> None:
    async with hub.following(uuid4()):
        gate.is_open.clear()
        news.wake()
        await until(lambda: gate.asked)
        asked = asyncio.create_task(hub.next_poll())
        await settled()
        gate.is_open.set()
        assert await soon(asked) is not None
    assert gate.asked == 2


async def test_hub_that_ends_lets_go_of_who_waits(hub: Hub) -> None:
    waiting = [asyncio.create_task(hub.next_poll()), asyncio.create_task(hub.new_events.wait())]
    await settled()
    assert not any(task.done() for task in waiting)
    hub.end()
    assert await soon(asyncio.gather(*waiting)) == [None, None]
    assert await soon(hub.next_poll()) is None


async def test_batch_holds_what_came_between_two_polls(hub: Hub, board: dict[str, Any], database_url: str) -> None:
    assert not hub.has_more(0)
    async with hub.following(UUID(board["organization_id"])):
        for _ in range(3):
            quiet = await soon(hub.next_poll())
            assert quiet is not None
            assert (quiet.number, hub.has_more(0)) == (0, False)
        for number in (1, 2):
            insert_event(database_url, board, "task.updated", message=str(number))
            end = await soon(hub.next_poll())
            assert end is not None
            assert (end.number, hub.has_more(number - 1), hub.has_more(number)) == (number, True, False)
            batch = hub.batch(number)
            assert batch is not None
            assert [event.message for event in batch.events] == [str(number)]


async def test_so_many_batches_are_kept_and_none_with_more_events_than_that(
    hub: Hub, board: dict[str, Any], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_hub, "_KEPT_BATCHES", 2)
    monkeypatch.setattr(stream_hub, "_KEPT_EVENTS", 3)
    kept = []
    async with hub.following(UUID(board["organization_id"])):
        await soon(hub.next_poll())
        for count in (1, 3, 4, 1):
            insert_event(database_url, board, "task.updated", count=count)
            await soon(hub.next_poll())
            kept.append([number for number in range(6) if hub.batch(number)])
    assert kept == [[1], [1, 2], [2], [4]]


async def test_news_is_what_a_poll_has_found(hub: Hub, board: dict[str, Any], database_url: str) -> None:
    async with hub.following(UUID(board["organization_id"])):
        told = asyncio.create_task(hub.new_events.wait())
        for _ in range(2):
            await soon(hub.next_poll())
        await settled()
        assert not told.done()
        insert_event(database_url, board, "task.updated")
        await soon(hub.next_poll())
        await soon(told)


async def test_nothing_is_asked_or_kept_where_nobody_follows(
    app: Litestar, hub: Hub, news: News, board: dict[str, Any], database_url: str
) -> None:
    async with hub.following(UUID(board["organization_id"])):
        async with hub.following(UUID(board["organization_id"])):
            await soon(hub.next_poll())
        insert_event(database_url, board, "task.updated")
        assert await soon(hub.next_poll()) is not None, "one of two follows still"
        assert hub.batch(1) is not None
    waits = news.waits
    async with statements_of(app) as asked:
        news.wake()
        await until(lambda: news.waits > waits)
    assert (asked, hub.batch(1), hub.has_more(-1)) == ([], None, False)


@pytest.mark.parametrize("failure", [None, OSError(), RuntimeError()], ids=repr)
async def test_hub_rests_after_a_poll_and_longer_after_one_that_failed(
    hub: Hub, gate: Gate, news: News, monkeypatch: pytest.MonkeyPatch, failure: Exception | None
) -> None:
    for name in ("_PAUSE", "_LONGEST_PAUSE") if failure is None else ("_RETRY_AFTER",):
        monkeypatch.setattr(stream_hub, name, 3600)
    monkeypatch.setattr(stream_hub, "finish_or_cancel", partial(finish_or_cancel, seconds=0))
    gate.fails_with = failure
    async with hub.following(uuid4()):
        news.wake()
        await until(lambda: gate.asked)
        for _ in range(20):
            news.wake()
            await asyncio.sleep(0.001)
        assert (gate.asked, news.waits) == (1, 1)

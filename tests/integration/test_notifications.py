"""Notifications between processes: who is woken, how often one is sent, and what a lost connection costs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.asyncio_tasks import finish_or_cancel
from app.db import notify
from app.db.notify import Notifications
from app.db.plugin import DatabasePlugin
from app.postgres.engine import create_unpooled_engine
from app.postgres.monitor import disposing
from app.postgres.url.database_url import normalize_database_url
from tests.support.api import BOARDS, MINIMAL, create
from tests.support.database import by_psycopg, query
from tests.support.waiting import PATIENCE, until

pytestmark = pytest.mark.own_database

LISTENING = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    async with disposing(create_unpooled_engine(normalize_database_url(database_url), 5)) as engine:
        yield engine


@pytest.fixture
async def sent(engine: AsyncEngine) -> AsyncIterator[list[str]]:
    """Every notification that is sent in the database, by who has sent it."""
    heard: list[str] = []

    def hear(_: object, __: int, ___: str, sender: str) -> None:
        heard.append(sender)

    async with engine.connect() as connection:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.add_listener(notify._CHANNEL, hear)
        yield heard


def process(engine: AsyncEngine) -> Notifications:
    """Another process of the application, as far as the others can tell."""

    @asynccontextmanager
    async def listener() -> AsyncIterator[AsyncEngine]:
        yield engine

    return Notifications(engine, listener)


async def woken(notifications: Notifications) -> None:
    async with asyncio.timeout(PATIENCE):
        await notifications.wait(2 * PATIENCE)


async def test_commits_at_once_wake_this_process_now_and_the_others_by_one_notification(
    engine: AsyncEngine, sent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # They stay connected.
    monkeypatch.setattr(notify, "_RECONNECT_AFTER", 2 * PATIENCE)
    here, there = process(engine), process(engine)
    async with here.listening(), there.listening():
        # They have begun to listen.
        await woken(here)
        await woken(there)
        for _ in range(3):
            here.send()
        await woken(here)
        await woken(there)
        await here.close()
        here.send()
        await woken(there)
        await here.close()
        await until(lambda: len(sent) == 2)
        assert sent == [here._sender_id] * 2
        # By a later one it is known that its own have not woken it again.
        there.send()
        await woken(here)
        assert not here._notified.is_set()
        await there.close()


async def test_commits_within_a_moment_share_a_notification_and_the_last_is_sent_before_the_end(
    engine: AsyncEngine, sent: list[str], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = process(engine)
    here.send()
    await here.close()
    query(database_url, "SELECT pg_notify(:channel, 'end')", channel=notify._CHANNEL)
    await until(lambda: "end" in sent)
    assert sent == [here._sender_id, "end"]
    monkeypatch.setattr(notify, "_BATCH_TIME", PATIENCE)
    here.send()
    for _ in range(3):
        await asyncio.sleep(0)
    assert here._is_gathering
    (sending,) = here._sending
    sending.cancel()
    await asyncio.wait([sending])
    await asyncio.sleep(0)
    assert here._sending == set()


async def test_listening_ends_by_itself(engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that is cancelled while it connects would leave its connection open."""
    ended: list[bool] = []

    async def finish(task: asyncio.Task[None]) -> None:
        await asyncio.wait([task], timeout=PATIENCE)
        ended.append(task.done())
        await finish_or_cancel(task)

    monkeypatch.setattr(notify, "finish_or_cancel", finish)
    monkeypatch.setattr(notify, "_RECONNECT_AFTER", 2 * PATIENCE)
    here = process(engine)
    async with here.listening():
        await woken(here)
    assert ended == [True]


async def test_wait_ends_after_its_time_and_when_it_is_woken(engine: AsyncEngine) -> None:
    here = process(engine)
    async with asyncio.timeout(PATIENCE):
        await here.wait(0.01)
    waiting = asyncio.create_task(here.wait(2 * PATIENCE))
    for _ in range(3):
        await asyncio.sleep(0)
    assert not waiting.done()
    here.wake()
    async with asyncio.timeout(PATIENCE):
        await waiting
    here.wake()
    await woken(here)
    assert not here._notified.is_set()


@pytest.mark.usefixtures("sent")
async def test_who_has_lost_the_connection_looks_again_once_it_listens_again(
    engine: AsyncEngine, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "_RECONNECT_AFTER", 0.01)
    here, there = process(engine), process(engine)
    ((ours,),) = query(database_url, LISTENING)
    async with there.listening():
        await woken(there)
        query(
            database_url,
            f"SELECT pg_terminate_backend(pid, 10000) FROM ({LISTENING}) AS l WHERE pid <> :ours",
            ours=ours,
        )
        # Something may have been committed meanwhile.
        await woken(there)
        here.send()
        await woken(there)
        await until(lambda: not there._ended.is_set(), "it stays connected")
    await here.close()
    await until(lambda: query(database_url, LISTENING) == [(ours,)], "nobody else listens any more")


async def test_database_that_is_away_is_tried_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "_RECONNECT_AFTER", 2 * PATIENCE)
    attempts = 0

    @asynccontextmanager
    async def away() -> AsyncIterator[AsyncEngine]:
        nonlocal attempts
        attempts += 1
        raise OSError
        yield

    here = Notifications(create_unpooled_engine(normalize_database_url("postgresql://u@127.0.0.1:1/db"), 5), away)
    here._is_closed = False
    listening = asyncio.create_task(here._listen())
    await until(lambda: attempts)
    for _ in range(10):
        await asyncio.sleep(0)
    assert attempts == 1
    listening.cancel()
    await asyncio.wait([listening])


async def test_database_that_is_away_fails_neither_who_sends_nor_who_listens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(notify, "_RECONNECT_AFTER", 0.01)
    nowhere = create_unpooled_engine(normalize_database_url("postgresql://u:hunter2@127.0.0.1:1/db"), 5)
    async with disposing(nowhere) as engine:
        here = process(engine)
        async with here.listening():
            here.send()
            await woken(here)
            await here.close()


async def test_another_driver_than_asyncpg_waits_without_listening(database_url: str) -> None:
    url = normalize_database_url(by_psycopg(database_url))
    async with disposing(create_unpooled_engine(url, 5)) as engine:
        here = process(engine)
        async with here.listening():
            here.send()
            await here.close()
            await woken(here)
        assert query(database_url, LISTENING) == []


async def test_commit_that_streams_show_is_notified_and_nothing_else(
    app: Litestar, client: httpx.AsyncClient, sent: list[str], database_url: str
) -> None:
    notifications = app.plugins.get(DatabasePlugin).notifications
    for number, slug in enumerate(("first", "second")):
        before = len(sent)
        await create(client, BOARDS, **{**MINIMAL, "slug": slug})
        await notifications.close()
        query(database_url, "SELECT pg_notify(:channel, 'stored')", channel=notify._CHANNEL)
        for _ in range(2):
            assert (await client.get(BOARDS)).status_code == 200
        await notifications.close()
        query(database_url, "SELECT pg_notify(:channel, 'end')", channel=notify._CHANNEL)
        await until(lambda number=number: sent.count("end") > number)  # type: ignore[misc]
    assert sent[before:] == [notifications._sender_id, "stored", "end"]

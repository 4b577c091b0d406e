"""What is kept for a while: old rows go some at a time, and nobody waits for who holds one."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest
from litestar import Litestar
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.plugin import DatabasePlugin
from app.repositories.idempotency import IdempotencyRepository
from app.repositories.rate_limits import RateLimitRepository
from tests.support.database import holding, query
from tests.support.waiting import PATIENCE

CALLER = UUID(int=7)
OLD = 25


async def limit(session: AsyncSession, key: bytes) -> object:
    return await RateLimitRepository(session=session).take(key, 5, timedelta(minutes=1))


async def keep(session: AsyncSession, key: bytes) -> None:
    await IdempotencyRepository(session=session).keep(CALLER, key, b"request", b"response")


@pytest.mark.parametrize(
    ("add", "table", "key", "since", "left"),
    [
        # What is counted once more is no new count.
        (limit, "rate_limits", "key", "began_at", (5, 5, 1)),
        (keep, "idempotent_responses", "key_hash", "created_at", (5, 1, 1)),
    ],
    ids=["limits", "answers"],
)
async def test_old_rows_go_some_at_a_time_and_past_those_that_somebody_holds(
    app: Litestar,
    database_url: str,
    add: Callable[[AsyncSession, bytes], Awaitable[object]],
    table: str,
    key: str,
    since: str,
    left: tuple[int, ...],
) -> None:
    count = f"SELECT count(*) FROM {table} WHERE {since} < now() - interval '1 day'"
    async with app.plugins.get(DatabasePlugin).sessions() as session:
        for number in range(OLD):
            await add(session, b"old %d" % number)
        await session.commit()
        query(database_url, f"UPDATE {table} SET {since} = now() - interval '2 days'")
        with holding(database_url, f"SELECT FROM {table} WHERE {key} = :held FOR UPDATE", held=b"old 0"):
            for name, expected in zip((b"first", b"first", b"second"), left, strict=True):
                async with asyncio.timeout(PATIENCE):
                    await add(session, name)
                await session.commit()
                assert query(database_url, count) == [(expected,)]
        assert query(database_url, f"SELECT {key} FROM {table} ORDER BY 1") == [(b"first",), (b"old 0",), (b"second",)]


async def test_who_is_over_the_limit_waits_for_a_second_at_least(app: Litestar) -> None:
    async with app.plugins.get(DatabasePlugin).sessions() as session:
        limits = RateLimitRepository(session=session)
        assert await limits.take(b"key", 0, timedelta(milliseconds=1)) == 1
        assert 1800 < (await limits.take(b"other", 0, timedelta(hours=1)) or 0) <= 3600


async def test_count_begins_anew_with_each_window(app: Litestar) -> None:
    async with app.plugins.get(DatabasePlugin).sessions() as session:
        limits = RateLimitRepository(session=session)
        assert [await limits.take(b"key", 1, timedelta(0)) for _ in range(3)] == [None] * 3


async def test_key_is_claimed_by_one_request_of_a_caller(app: Litestar) -> None:
    keys, callers = (bytes(32), b"\xff" * 32), [UUID(int=number) for number in (6, 7, 2**63, 2**128 - 1)]
    sessions = app.plugins.get(DatabasePlugin).sessions
    async with sessions() as first, sessions() as second:
        one, other = IdempotencyRepository(session=first), IdempotencyRepository(session=second)
        for key in keys:
            assert await one.claim(CALLER, key)
            assert [await other.claim(caller, key) for caller in callers] == [True, False, True, True]
        await first.rollback()
        assert await other.claim(CALLER, keys[0])


async def test_answer_is_kept_for_its_caller_and_its_key(app: Litestar) -> None:
    async with app.plugins.get(DatabasePlugin).sessions() as session:
        answers = IdempotencyRepository(session=session)
        await answers.keep(CALLER, b"key", b"request", b"response")
        assert (kept := await answers.get_kept_or_none(CALLER, b"key")) is not None
        assert (kept.request_hash, kept.response) == (b"request", b"response")
        assert await answers.get_kept_or_none(UUID(int=8), b"key") is None
        assert await answers.get_kept_or_none(CALLER, b"other") is None

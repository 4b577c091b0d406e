"""Which error runs a request again, how often, and of which nobody knows whether the change is stored."""

from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.settings import Settings
from app.db.replicas.selection import Replicas
from app.db.request.read_route import read_route_of, set_read_route
from app.db.request.retry import is_outcome_unknown, note_commit, run_with_retries, will_be_retried
from app.postgres.engine import create_unpooled_engine
from app.postgres.monitor import disposing
from app.postgres.url.database_url import normalize_database_url

MOST = 3


def failed(cause: BaseException, *, is_lost: bool = False) -> DBAPIError:
    return DBAPIError(None, None, cause, connection_invalidated=is_lost)


def ended_by_an_administrator(*, while_idle: bool) -> DBAPIError:
    cause = asyncpg.AdminShutdownError("terminating connection")
    cause.ended_while_idle = while_idle
    return failed(cause, is_lost=True)


def new_scope() -> Any:
    scope: Any = {"state": {}, "path": "/"}
    set_read_route(scope, AsyncSession(), None)
    return scope


@pytest.mark.parametrize(
    ("error", "times", "times_at_commit", "is_unknown"),
    [
        (lambda: failed(asyncpg.DeadlockDetectedError("x")), MOST, MOST, False),
        (lambda: failed(asyncpg.SerializationError("x")), MOST, MOST, False),
        (lambda: failed(asyncpg.FeatureNotSupportedError("x")), MOST, MOST, False),
        (lambda: failed(asyncpg.UniqueViolationError("x")), 1, 1, False),
        (lambda: failed(asyncpg.QueryCanceledError("x")), 1, 1, False),
        (ZeroDivisionError, 1, 1, False),
        (lambda: failed(asyncpg.ConnectionDoesNotExistError("x"), is_lost=True), MOST, 1, True),
        (lambda: failed(OSError("x"), is_lost=True), MOST, 1, True),
        (lambda: ended_by_an_administrator(while_idle=False), 1, 1, True),
        (lambda: ended_by_an_administrator(while_idle=True), MOST, 1, True),
    ],
    ids=["deadlock", "serialization", "types", "unique", "canceled", "other", "lost", "cut", "ended", "ended idle"],
)
async def test_error_runs_a_request_again_so_often(
    error: Callable[[], Exception], times: int, times_at_commit: int, is_unknown: bool
) -> None:
    for commits, expected in ((False, times), (True, times_at_commit)):
        scope = new_scope()
        left: list[bool] = []

        async def run(scope: Any = scope, left: list[bool] = left, commits: bool = commits) -> None:
            exc = error()
            if commits:
                note_commit(scope)
            assert is_outcome_unknown(scope, exc) == (commits and is_unknown)
            left.append(will_be_retried(scope, exc))
            raise exc

        with pytest.raises((DBAPIError, ZeroDivisionError)):
            await run_with_retries(scope, run)
        assert left == [True] * (expected - 1) + [False]


async def test_request_that_succeeds_the_second_time_is_not_run_a_third_time_and_its_commit_counts_anew() -> None:
    scope, runs = new_scope(), 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            note_commit(scope)
            raise failed(asyncpg.DeadlockDetectedError("x"))
        assert not is_outcome_unknown(scope, failed(OSError("x"), is_lost=True))

    await run_with_retries(scope, run)
    assert runs == 2


async def test_request_that_a_replica_could_not_answer_is_run_again() -> None:
    settings, url = Settings(), normalize_database_url("postgresql://u@replica/db")
    scope, runs = new_scope(), 0

    async def run() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            replicas = Replicas(settings, (url,), lambda: disposing(create_unpooled_engine(url, 1)))
            (read_route_of(scope)._replica,) = replicas.all
            raise failed(asyncpg.QueryCanceledError("x"))
        read_route_of(scope)._replica = None

    await run_with_retries(scope, run)
    assert runs == 2


def test_error_before_the_first_attempt_is_not_retried() -> None:
    assert not will_be_retried(new_scope(), failed(asyncpg.DeadlockDetectedError("x")))

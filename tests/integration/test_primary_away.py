"""A primary that goes away under steady requests, and comes back: what is answered meanwhile, how soon, and after."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import httpx
import msgspec
import pytest

from app.asgi import create_app
from app.core.settings import Settings
from app.db.plugin import DatabasePlugin
from app.postgres import ping
from tests.conftest import client_of, settings_for, started
from tests.support.database import query
from tests.support.migrator import upgrade
from tests.support.steady import coming
from tests.support.throwaway_postgres import LastingServer, new_cluster
from tests.support.waiting import PATIENCE, loop_clock, until

# Requests a second.
_RATE = 40
_POOL_TIMEOUT = 1.0
_STATEMENT_TIMEOUT = 1.5
# For what is no waiting.
_BESIDE = 1.0
_RECOVERS_WITHIN = 5.0


@pytest.fixture(scope="module")
def primary() -> Iterator[LastingServer]:
    with (
        new_cluster("host all all 127.0.0.1/32 trust\nlocal all all trust\n") as directory,
        LastingServer(directory) as server,
    ):
        upgrade(settings_for(server.url))
        yield server


class Answer(NamedTuple):
    """`at` and `until` are when the request was sent and answered; `seconds` how long it took by the loop's clock."""

    at: float
    until: float
    seconds: float
    status: int
    retry_after: str | None
    code: str | None

    @property
    def is_good(self) -> bool:
        return self.status in {200, 201}


class Requests:
    def __init__(self, client: httpx.AsyncClient, clock: Callable[[], float], board: str = "") -> None:
        self._client = client
        self._clock = clock
        self._tasks = f"/api/v1/boards/{board}/tasks"
        self.answers: list[Answer] = []
        self.made: set[str] = set()

    async def many_good(self, count: int = 20) -> None:
        """Returns once so many in a row, from now on, are."""
        await self._many(count, lambda found: all(answer.is_good for answer in found[-count:]))

    async def many_refused(self, count: int = 20) -> None:
        """Returns once so many, from now on, are."""
        await self._many(count, lambda found: sum(not answer.is_good for answer in found) >= count)

    async def _many(self, count: int, holds: Callable[[list[Answer]], bool]) -> None:
        since = time.monotonic()

        def are() -> bool:
            found = [answer for answer in self.answers if answer.at >= since]
            return len(found) >= count and holds(found)

        await until(are)

    async def list_or_create(self, number: int) -> None:
        await self.ask(self._tasks, {"title": f"task {number}"} if number % 2 else None)

    async def ask(self, path: str, body: dict[str, str] | None = None) -> Answer:
        at, began = time.monotonic(), self._clock()
        response = await self._client.request("POST" if body else "GET", path, json=body)
        times = (at, time.monotonic(), self._clock() - began)
        answered = response.json()
        answer = Answer(*times, response.status_code, response.headers.get("retry-after"), answered.get("code"))
        if response.status_code == 201:
            self.made.add(answered["id"])
        self.answers.append(answer)
        return answer


@pytest.fixture
def hurried(primary: LastingServer) -> Settings:
    return settings_for(
        primary.url,
        db_pool_size=5,
        db_max_overflow=0,
        db_pool_timeout=_POOL_TIMEOUT,
        db_statement_timeout=_STATEMENT_TIMEOUT,
    )


@pytest.mark.parametrize(
    ("leave", "come_back"),
    [
        (LastingServer.stop_immediately, LastingServer.start),
        (LastingServer.kill, LastingServer.start),
        (LastingServer.fall_silent, LastingServer.go_on),
    ],
    ids=["stopped", "killed", "silent"],
)
async def test_requests_are_503_while_it_is_away_and_good_within_five_seconds_of_its_return(
    primary: LastingServer,
    hurried: Settings,
    leave: Callable[[LastingServer], None],
    come_back: Callable[[LastingServer], None],
    long: bool,
) -> None:
    async with started(create_app(hurried)) as app, client_of(app) as client, loop_clock() as clock:
        name = leave.__name__.replace("_", "-")
        board = (await client.post("/api/v1/boards", json={"name": name, "slug": name, "description": ""})).json()
        requests = Requests(client, clock, board["id"])
        async with coming(requests.list_or_create, _RATE):
            await requests.many_good()
            await asyncio.to_thread(leave, primary)
            gone_at = time.monotonic()
            await requests.many_refused(1000 if long else 20)
            comes_back_at = time.monotonic()
            await asyncio.to_thread(come_back, primary)
            came_back = clock()
            await requests.many_good()
            assert clock() - came_back < _RECOVERS_WITHIN + _BESIDE
        pool = app.plugins.get(DatabasePlugin).engine.pool
        # Others are told of the last change beside its request.
        await until(lambda: not pool.checkedout())  # type: ignore[attr-defined]
    found = judged(requests.answers)
    # What was asked before may have been answered already, and only not been read.
    assert not any(answer.is_good for answer in found if gone_at < answer.at < answer.until < comes_back_at)
    stored = query(primary.url, "SELECT id FROM tasks WHERE board_id = :board", board=board["id"])
    assert requests.made <= {str(id_) for (id_,) in stored}


async def test_connections_that_idled_when_it_fell_silent_hold_nobody_up(
    primary: LastingServer, hurried: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are pinged first, which is a statement, too, but not one that may take as long."""
    patient = msgspec.structs.replace(hurried, db_statement_timeout=3 * _STATEMENT_TIMEOUT)
    async with started(create_app(patient)) as app, client_of(app) as client, loop_clock() as clock:
        requests = Requests(client, clock)

        async def ask(count: int) -> list[Answer]:
            return judged(await asyncio.gather(*(requests.ask("/api/v1/users/me") for _ in range(count))))

        async def ask_until_good(count: int) -> None:
            while not all(answer.is_good for answer in await ask(count)):
                await asyncio.sleep(0.1)

        async with asyncio.timeout(PATIENCE):
            await ask_until_good(5)
        monkeypatch.setattr(ping, "_ALIVE_FOR", 0.0)
        primary.fall_silent()
        try:
            answers = await ask(10)
        finally:
            primary.go_on()
        # Waiting for one is over, or half of it for the ping and all of it for another one.
        assert max(answer.seconds for answer in answers) < _POOL_TIMEOUT * 1.5 + 2 * _BESIDE
        assert {answer.status for answer in answers} == {503}
        came_back = clock()
        async with asyncio.timeout(PATIENCE):
            await ask_until_good(10)
        assert clock() - came_back < _RECOVERS_WITHIN


def judged(answers: list[Answer]) -> list[Answer]:
    """Them, after each was found to be a success, or 503 with Retry-After, within the time that a request has."""
    for answer in answers:
        # Where all places are taken by those who wait for it, the next are refused at once.
        reasons = {(503, "database_unavailable"), (503, "overloaded")}
        assert answer.is_good or (answer.status, answer.code) in reasons, answer
        assert answer.is_good or answer.retry_after, answer
        assert answer.seconds < _POOL_TIMEOUT + _STATEMENT_TIMEOUT + _BESIDE, answer
    return answers

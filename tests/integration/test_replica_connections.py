"""A replica's own connections, and the route of a request to one: by two databases of one server, without replication.

The one is the primary's. The other stands for the replica's: whoever reads it was led there.
"""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

import msgspec
import pytest
from advanced_alchemy.routing import stick_to_primary_var
from litestar import Litestar
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app.core.logging import configure_logging
from app.core.settings import Settings
from app.db.plugin import DatabasePlugin
from app.db.replicas import replica as module
from app.db.replicas.replica import Replica
from app.db.replicas.selection import Replicas
from app.db.replicas.wal_tracker import PrimaryWalTracker
from app.db.request import read_route
from app.db.request.prepared import PreparedStatement, execute_prepared, fetch_rows
from app.db.request.read_route import ReadRoute, read_route_of, set_read_route
from app.models import User
from app.postgres.engine import create_unpooled_engine
from app.postgres.monitor import POLL_ERRORS, UnusableServerError, disposing
from app.postgres.url.database_url import normalize_database_url
from tests.support.database import query
from tests.support.silent_proxy import cut
from tests.support.waiting import PATIENCE, until

pytestmark = [pytest.mark.own_database, pytest.mark.usefixtures("patient")]
CALLER = UUID(int=1)
DATABASE = PreparedStatement(select(func.current_database().label("name")))
OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
CONNECTIONS = f"SELECT count(*) {OTHERS}"
ONE_AT_A_TIME = Settings(db_pool_size=1, db_max_overflow=0, db_replica_max_lag=0.01)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection may take long on a busy machine."""
    monkeypatch.setattr(module, "POLL_TIMEOUT", PATIENCE)


def never_opened() -> AbstractAsyncContextManager[AsyncEngine]:
    raise AssertionError


def opener(url: str) -> Callable[[], AbstractAsyncContextManager[AsyncEngine]]:
    return lambda: disposing(create_unpooled_engine(normalize_database_url(url), 5))


async def prepare(replica: Replica, url: str) -> None:
    async with opener(url)() as engine, engine.connect() as connection:
        await replica._prepare(connection, (await connection.get_raw_connection()).driver_connection)


@pytest.fixture
async def replica(empty_database_url: str) -> AsyncIterator[Replica]:
    found = Replica(ONE_AT_A_TIME, normalize_database_url(empty_database_url), PrimaryWalTracker(never_opened, 10.0))
    yield found
    await found.engine.dispose()


async def test_connection_to_another_server_than_the_polled_one_is_refused_and_ended(
    replica: Replica, empty_database_url: str
) -> None:
    # The error is held, and with it what would otherwise end as nobody has it any more.
    with pytest.raises(UnusableServerError, match="another server") as raised:
        await replica.engine.connect()
    await until(lambda: query(empty_database_url, CONNECTIONS) == [(0,)])
    assert raised.value.__traceback__ is not None
    await prepare(replica, empty_database_url)
    async with replica.engine.connect() as connection:
        assert await connection.scalar(DATABASE.statement)


async def test_server_that_says_nothing_is_not_waited_for_as_long_as_the_primary(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_TIMEOUT", 0.1)
    patient = msgspec.structs.replace(ONE_AT_A_TIME, db_pool_timeout=2 * PATIENCE)
    with socket.create_server(("127.0.0.1", 0)) as silent, cut(empty_database_url, "start_time", last="B") as way:
        # The one is silent from the beginning, the other when it is asked who it is.
        for url in (f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/db?sslmode=disable", way.url):
            replica = Replica(patient, normalize_database_url(url), PrimaryWalTracker(never_opened, 10.0))
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(POLL_ERRORS) as raised:
                    await replica.engine.connect()
            assert raised.value.__traceback__ is not None
            await replica.engine.dispose()
        assert way.is_silent.is_set()
        way.go_on()
        await until(lambda: query(empty_database_url, CONNECTIONS) == [(0,)])


async def test_requests_fail_at_once_when_the_replica_is_lost(replica: Replica, empty_database_url: str) -> None:
    await prepare(replica, empty_database_url)
    async with replica.engine.connect() as first:
        await first.rollback()
    assert replica._connections_in_use == {}, "what is in the pool is not ended"
    async with replica.engine.connect() as connection:
        asking = asyncio.create_task(connection.execute(text(f"SELECT pg_sleep({PATIENCE})")))
        await until(lambda: query(empty_database_url, f"{CONNECTIONS} AND state = 'active'") == [(1,)])
        replica._on_connection_lost("it is away")
        with pytest.raises(DBAPIError):
            await asking
    assert (replica.fault, replica._start_time) == ("it is away", None)


async def test_primary_that_is_polled_as_a_replica_is_left_out(replica: Replica, empty_database_url: str) -> None:
    async with opener(empty_database_url)() as engine, engine.connect() as connection:
        await replica._poll((await connection.get_raw_connection()).driver_connection)
    assert (replica.fault, replica.position) == ("it is not in recovery: a primary itself", 0)


async def test_servers_are_polled_within_the_context_and_left_at_its_end(
    database_url: str, empty_database_url: str
) -> None:
    urls = (normalize_database_url(empty_database_url),)
    replicas = Replicas(ONE_AT_A_TIME, urls, opener(database_url))
    (polled,) = replicas.all
    before = asyncio.all_tasks()
    async with replicas.monitored():
        await until(lambda: replicas.wal_tracker.identity and polled.identity)
        async with polled.engine.connect():
            pass
    assert asyncio.all_tasks() == before
    assert replicas.wal_tracker._is_stopped
    assert polled._is_stopped
    for url in (database_url, empty_database_url):
        await until(lambda url=url: query(url, CONNECTIONS) == [(0,)])  # type: ignore[misc]


# --- the route of a request ------------------------------------------------------------------------------------


class OneReplica(Replicas):
    """Replicas of which this one may be read, as long as it has no fault of its own."""

    def __init__(self, replica: Replica) -> None:
        super().__init__(ONE_AT_A_TIME, (), never_opened)
        self.all = (replica,)

    async def choose(self) -> Replica | None:
        return self.all[0]


@pytest.fixture
async def session(app: Litestar) -> AsyncIterator[AsyncSession]:
    async with app.plugins.get(DatabasePlugin).sessions() as session:
        yield session


async def database_of(session: AsyncSession) -> str:
    ((name,),) = await fetch_rows(session, DATABASE)
    return str(name)


def name_of(url: str) -> str:
    return str(query(url, "SELECT current_database()")[0][0])


def reads(name: str) -> float:
    return float(read_route._READ.labels(name)._value.get())


async def test_request_reads_the_replica_until_it_is_sent_to_the_primary(
    session: AsyncSession, replica: Replica, database_url: str, empty_database_url: str
) -> None:
    await prepare(replica, empty_database_url)
    replica.position = 7
    route = ReadRoute(session, OneReplica(replica), is_retry=False)
    before = reads(replica.name), reads("primary")
    assert await route.use_replica() is True
    assert (route._position, route._replica) == (7, replica)
    assert len(replica._connections_in_use) == 1, "it is held already"
    assert await database_of(session) == name_of(empty_database_url)
    assert not session.in_transaction()
    assert await session.scalar(DATABASE.statement) == name_of(empty_database_url)
    route.count()
    await route.use_primary()
    assert (route._replica, replica._connections_in_use, session.in_transaction()) == (None, {}, False)
    assert await database_of(session) == name_of(database_url)
    route.count()
    assert (reads(replica.name), reads("primary")) == (before[0] + 1, before[1] + 1)
    assert session.in_transaction() is False
    await session.execute(select(1))
    await route.use_primary()
    assert session.in_transaction(), "nothing is given up of what is the primary's"
    ReadRoute(session, None, is_retry=False).count()
    assert reads("primary") == before[1] + 1, "without replicas nothing is counted"


async def test_what_a_request_stores_is_stored_by_the_primary_whatever_it_reads(
    session: AsyncSession, replica: Replica, database_url: str, empty_database_url: str
) -> None:
    await prepare(replica, empty_database_url)
    assert await ReadRoute(session, OneReplica(replica), is_retry=False).use_replica()
    # The transaction has begun at the replica, and what it stores is read where it is.
    assert await session.scalar(DATABASE.statement) == name_of(empty_database_url)
    await execute_prepared(session, PreparedStatement(insert(User)), subject="ahab")
    assert await fetch_rows(session, PreparedStatement(select(User.subject))) == [("ahab",)]
    await session.commit()
    assert query(database_url, "SELECT subject FROM users") == [("ahab",)]


async def test_replica_that_cannot_be_connected_to_is_left_out_and_a_busy_one_is_not(
    session: AsyncSession, replica: Replica, database_url: str, empty_database_url: str
) -> None:
    replica._own_fault = None
    route = ReadRoute(session, OneReplica(replica), is_retry=False)
    await prepare(replica, empty_database_url)
    async with replica.engine.connect():
        assert await route.use_replica() is False
        assert replica._own_fault is None
        assert await database_of(session) == name_of(database_url)
    session.sync_session.release_connection()  # type: ignore[attr-defined]
    replica._start_time = None
    await replica.engine.dispose()
    assert await route.use_replica() is False
    assert "another server" in str(replica._own_fault)
    assert (route._replica, await database_of(session)) == (None, name_of(database_url))


async def test_change_is_announced_by_the_primary_or_waited_for(
    session: AsyncSession,
    replica: Replica,
    database_url: str,
    empty_database_url: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(Settings())
    await prepare(replica, empty_database_url)
    there = PrimaryWalTracker(never_opened, 10.0)
    route = ReadRoute(session, OneReplica(replica), is_retry=False)
    route.caller_id = CALLER
    assert await route.use_replica()
    async with opener(database_url)() as engine, engine.connect() as connection:
        await there._prepare(connection, (await connection.get_raw_connection()).driver_connection)
        await route.announce()
        await until(lambda: there.position_of(CALLER))
    await session.rollback()
    # Now nobody can be told; until a replica could not be read any more no caller is answered.
    assert await database_of(session) == name_of(database_url)
    query(database_url, f"SELECT pg_terminate_backend(pid, 10000) {OTHERS}")
    began = time.monotonic()
    await route.announce()
    assert time.monotonic() - began >= ONE_AT_A_TIME.db_replica_max_lag
    assert not session.in_transaction()
    assert "nobody could be told" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("has_replicas", "caller_id", "may_write", "sticks", "expected"),
    [
        (True, CALLER, True, False, True),
        (True, CALLER, False, True, True),
        (True, CALLER, False, False, False),
        (True, None, True, True, False),
        (False, CALLER, True, True, False),
    ],
)
def test_commit_is_announced_where_its_caller_may_read_a_replica_next(
    has_replicas: bool, caller_id: UUID | None, may_write: bool, sticks: bool, expected: bool
) -> None:
    """A request that only reads by its method has written if its session sticks to the primary."""
    stick_to_primary_var.set(True)
    replicas = Replicas(ONE_AT_A_TIME, (), never_opened) if has_replicas else None
    route = ReadRoute(AsyncSession(), replicas, is_retry=False)
    assert stick_to_primary_var.get() is not has_replicas, "nothing is left of a request before"
    route.caller_id = caller_id
    stick_to_primary_var.set(sticks)
    assert route.must_announce(may_write=may_write) is expected
    stick_to_primary_var.set(False)


def test_replica_is_read_by_the_first_attempt_of_a_request() -> None:
    scope: Any = {"state": {}}
    for is_retry in (False, True, True):
        session = AsyncSession()
        set_read_route(scope, session, None)
        assert (read_route_of(scope)._is_retry, read_route_of(scope)._session) == (is_retry, session)

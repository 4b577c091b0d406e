"""Statements past the ORM, and connections that are not pinged at each use: whose connection, whose errors."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from math import inf
from typing import Any

import pytest
from asyncpg import Connection, InternalClientError
from litestar import Litestar
from sqlalchemy import Enum, Integer, LargeBinary, bindparam, func, insert, literal_column, make_url, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import greenlet_spawn

from app.asgi import create_app
from app.db.plugin import DatabasePlugin
from app.db.request.prepared import PreparedStatement, execute_prepared, fetch_rows
from app.models import TaskStatus, User
from app.postgres.errors import has_lost_connection, sqlstate_of
from app.postgres.ping import _IdlePing
from tests.conftest import client_of, settings_for, started
from tests.support.database import query
from tests.support.waiting import PATIENCE

PID = PreparedStatement(select(func.pg_backend_pid().label("pid")))
NAMES = PreparedStatement(select(User.name, User.email).order_by(User.name))
NEW = PreparedStatement(insert(User))
QUOTIENT = PreparedStatement(select((literal_column("1") / bindparam("divisor", type_=Integer)).label("quotient")))
WAIT = PreparedStatement(select(func.pg_advisory_lock(4711).label("nothing")))


@pytest.fixture
def plugin(app: Litestar) -> DatabasePlugin:
    return app.plugins.get(DatabasePlugin)


@pytest.fixture
async def session(plugin: DatabasePlugin) -> AsyncIterator[AsyncSession]:
    async with plugin.sessions() as session:
        yield session


async def pid(session: AsyncSession) -> int:
    ((number,),) = await fetch_rows(session, PID)
    return number


async def test_a_session_has_one_connection_within_a_transaction_and_without(
    session: AsyncSession, plugin: DatabasePlugin
) -> None:
    without = await pid(session)
    assert not session.in_transaction()
    assert await session.scalar(select(func.pg_backend_pid())) == without
    assert session.in_transaction()
    assert await pid(session) == without
    await session.commit()
    assert await pid(session) == without
    assert plugin.engine.pool.checkedout() == 1  # type: ignore[attr-defined]
    await session.close()
    assert plugin.engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_within_a_transaction_it_sees_what_is_pending_and_not_committed(session: AsyncSession) -> None:
    session.add(User(subject="ahab", name="Ahab"))
    assert [row.name for row in await fetch_rows(session, NAMES)] == ["Ahab"]
    session.add(User(subject="bildad", name="Bildad", email="b@example.org"))
    assert [tuple(row) for row in await fetch_rows(session, NAMES)] == [("Ahab", None), ("Bildad", "b@example.org")]
    await session.rollback()
    assert await fetch_rows(session, NAMES) == []


async def test_what_is_carried_out_is_of_the_sessions_transaction_and_begins_it(
    session: AsyncSession, database_url: str
) -> None:
    async def add(**columns: str) -> None:
        await execute_prepared(session, NEW, **columns)

    for end in (session.rollback, session.commit):
        # From then on it holds a connection, which is in no transaction.
        assert await fetch_rows(session, NAMES) == []
        await add(subject="ahab", name="Ahab")
        assert session.in_transaction()
        assert await session.scalar(select(User.name)) == "Ahab"
        session.add(User(subject="bildad", name="Bildad"))
        await add(subject="starbuck", name="Starbuck")
        await end()
    assert query(database_url, "SELECT name, email FROM users ORDER BY name") == [
        (name, None) for name in ("Ahab", "Bildad", "Starbuck")
    ]
    with pytest.raises(IntegrityError) as raised:
        await add(subject="ahab", name="Another")
    assert raised.value.orig.__cause__.constraint_name == "uq_users_subject"  # type: ignore[union-attr]
    assert type(raised.value.orig).__name__ == "IntegrityError"
    await session.rollback()
    assert len(await fetch_rows(session, NAMES)) == 3


async def test_a_column_that_there_is_not_is_not_left_out_in_silence(session: AsyncSession) -> None:
    with pytest.raises(TypeError, match=r"no column takes nmae$"):
        await execute_prepared(session, NEW, subject="ahab", nmae="Ahab")
    await session.rollback()


async def test_a_transaction_that_cannot_begin_says_so_as_a_session_does(
    session: AsyncSession, database_url: str
) -> None:
    query(database_url, "SELECT pg_terminate_backend(:pid, 10000)", pid=await pid(session))
    with pytest.raises(DBAPIError) as raised:
        await execute_prepared(session, PID)
    assert raised.value.connection_invalidated
    await session.rollback()
    await execute_prepared(session, PID)


async def test_rows_of_the_same_columns_are_of_one_type_whichever_statement_gave_them(session: AsyncSession) -> None:
    """What is kept by their type is then no more than there are sets of columns, though statements come and go."""
    session.add(User(subject="ahab", name="Ahab"))
    again = PreparedStatement(select(User.name, User.email).order_by(User.email))
    (one,), (other,) = await fetch_rows(session, NAMES), await fetch_rows(session, again)
    assert type(one) is type(other)


async def test_value_of_a_type_that_the_driver_does_not_know_is_converted_both_ways(session: AsyncSession) -> None:
    same = PreparedStatement(select(bindparam("status", type_=Enum(TaskStatus, native_enum=False)).label("status")))
    assert (await fetch_rows(session, same, status=TaskStatus.DONE))[0].status is TaskStatus.DONE


async def test_an_error_is_the_one_that_a_session_raises(session: AsyncSession) -> None:
    for divisor in (0, 2**40):
        states = []
        for ask in (
            fetch_rows(session, QUOTIENT, divisor=divisor),
            session.execute(QUOTIENT.statement, {"divisor": divisor}),
        ):
            with pytest.raises(DBAPIError) as raised:
                await ask
            assert not raised.value.connection_invalidated
            assert "IntegrityError" not in (type(raised.value).__name__, type(raised.value.orig).__name__)
            states.append((sqlstate_of(raised.value), type(raised.value.orig.__cause__)))  # type: ignore[union-attr]
        assert states[0] == states[1]
    await session.rollback()
    assert (await fetch_rows(session, QUOTIENT, divisor=1))[0].quotient == 1


async def test_only_the_first_statement_on_a_connection_may_have_met_its_end(
    session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long a statement was under way tells whether others' use of the connection had ended it before."""
    seconds: list[float] = []
    monkeypatch.setattr("app.db.request.prepared.add_termination_cause", lambda *of: seconds.append(of[-1]))
    for _ in range(2):
        for _ in range(2):
            with pytest.raises(DBAPIError):
                await fetch_rows(session, QUOTIENT, divisor=0)
        await session.close()
    assert [number == inf for number in seconds] == [False, True] * 2
    assert all(0 <= number < PATIENCE for number in seconds[::2])


async def test_an_argument_that_does_not_fit_leaves_nothing_open_at_the_server(
    session: AsyncSession, database_url: str
) -> None:
    """As the locks of the statement's tables would be, and what a pooler has given the connection."""
    unfit = PreparedStatement(select(User.name).where(User.created_at < bindparam("at")).limit(1))
    with pytest.raises(DBAPIError):
        await fetch_rows(session, unfit, at=datetime.max.replace(tzinfo=timezone(-timedelta(hours=1))))
    state = "SELECT state, (SELECT count(*) FROM pg_locks WHERE pid = :pid) FROM pg_stat_activity WHERE pid = :pid"
    _, driver = session.sync_session.acquire_connection()  # type: ignore[attr-defined]
    assert query(database_url, state, pid=driver.get_server_pid()) == [("idle", 0)]
    assert await fetch_rows(session, NAMES) == []


async def test_a_table_that_changes_its_types_meanwhile_is_read_again(session: AsyncSession, database_url: str) -> None:
    every = PreparedStatement(select(literal_column("name").label("name")).select_from(text("changing")))
    query(database_url, "CREATE TABLE changing AS SELECT 1 AS name")
    assert (await fetch_rows(session, every))[0].name == 1
    query(database_url, "ALTER TABLE changing ALTER name TYPE text")
    assert (await fetch_rows(session, every))[0].name == "1"


async def test_a_connection_that_is_cancelled_in_the_middle_is_given_up(
    session: AsyncSession, plugin: DatabasePlugin, database_url: str
) -> None:
    before = await pid(session)
    holder = plugin.sessions()
    await fetch_rows(holder, WAIT)
    waiting = asyncio.create_task(fetch_rows(session, WAIT))
    waits = "SELECT 1 FROM pg_stat_activity WHERE pid = :pid AND wait_event_type = 'Lock'"
    while not query(database_url, waits, pid=before):
        await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await session.close()
    assert await pid(session) != before
    await holder.close()


@pytest.fixture
def pings(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    seen: list[object] = []
    ping = _IdlePing._is_alive

    def see(*of: Any) -> bool:
        seen.append(of)
        return ping(*of)

    monkeypatch.setattr(_IdlePing, "_is_alive", see)
    return seen


@pytest.mark.own_database
async def test_only_a_connection_that_was_idle_for_a_while_is_pinged(
    plugin: DatabasePlugin, pings: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use() -> int:
        async with plugin.sessions() as session:
            return await pid(session)

    first = await use()
    assert await use() == first
    assert pings == []
    monkeypatch.setattr("app.postgres.ping._ALIVE_FOR", 0.0)
    assert await use() == first
    assert len(pings) == 1


async def test_once_a_connection_is_lost_every_other_is_pinged_and_replaced(
    plugin: DatabasePlugin, pings: list[object], database_url: str
) -> None:
    sessions = [plugin.sessions() for _ in range(3)]
    before = {await pid(session) for session in sessions}
    for session in sessions:
        await session.close()
    for number in before:
        query(database_url, "SELECT pg_terminate_backend(:pid)", pid=number)
    with pytest.raises(DBAPIError) as raised:
        await pid(sessions[0])
    assert raised.value.connection_invalidated
    await sessions[0].close()
    after = {await pid(session) for session in sessions}
    assert len(after) == 3
    assert not after & before
    assert pings
    for session in sessions:
        await session.close()


@pytest.mark.parametrize("way", ["by driver", "by session", "pinged"])
async def test_a_connection_whose_end_was_read_in_half_is_as_lost_as_any(
    plugin: DatabasePlugin, database_url: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server has said that it ends, and the end itself is still to be read: asyncpg has another error for that."""
    async with plugin.sessions() as session:
        before = await pid(session)
        if way == "pinged":
            await session.close()
            monkeypatch.setattr("app.postgres.ping._ALIVE_FOR", 0.0)
        query(database_url, "SELECT pg_terminate_backend(:pid, 10000)", pid=before)
        # The first round of the loop reads the message, the second one its end: after what is ready by then.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if way != "pinged":
            ask = fetch_rows(session, PID) if way == "by driver" else session.execute(PID.statement)
            with pytest.raises(DBAPIError) as raised:
                await ask
            assert isinstance(raised.value.orig.__cause__ or raised.value.orig, InternalClientError)  # type: ignore[union-attr]
            assert raised.value.connection_invalidated
            assert has_lost_connection(raised.value)
            await session.rollback()
        assert await pid(session) != before


async def test_a_connection_that_the_driver_is_confused_by_is_not_used_again(
    session: AsyncSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise InternalClientError("got result for unknown protocol state")

    before = await pid(session)
    with monkeypatch.context() as patched:
        patched.setattr(Connection, "fetch", fail)
        with pytest.raises(DBAPIError) as raised:
            await pid(session)
    assert raised.value.connection_invalidated
    await session.rollback()
    assert await pid(session) != before


async def test_value_that_looks_like_a_servers_last_words_is_a_value(plugin: DatabasePlugin) -> None:
    """Wherever it is cut into pieces on its way: what others have sent is stored byte by byte."""
    fields = b"SFATAL\0VFATAL\0C57P01\0Mterminating connection\0\0"
    words = b"E" + (len(fields) + 4).to_bytes(4, "big") + fields
    value = bindparam("value", type_=LargeBinary)
    async with plugin.sessions() as session:
        before = await pid(session)
        for shift in range(len(words)):
            sent = b"x" * shift + words * 2_000
            (row,) = await fetch_rows(session, PreparedStatement(select(value.label("value"))), value=sent)
            assert row.value == sent
            assert await pid(session) == before


async def test_another_driver_is_asked_through_the_session(database_url: str) -> None:
    url = make_url(database_url).set(drivername="postgresql+psycopg")
    application = create_app(settings_for(url.render_as_string(hide_password=False)))
    async with started(application), client_of(application) as client:
        board = (await client.post("/api/v1/boards", json={"name": "B", "slug": "b", "description": ""})).json()
        tasks = f"/api/v1/boards/{board['id']}/tasks"
        tag = (await client.post("/api/v1/tags", json={"name": "Rope"})).json()
        assert (await client.post("/api/v1/tags", json={"name": "Rope"})).json()["code"] == "slug_taken"
        made = await client.post(tasks, json={"title": "Splice", "tag_ids": [tag["id"]]})
        assert made.status_code == 201, made.text
        listed = (await client.get(tasks, params={"status": "inbox,done", "search": "splicing"})).json()
        assert listed["items"] == [made.json()]
        async with application.plugins.get(DatabasePlugin).sessions() as session:
            (row,) = await fetch_rows(session, PID)
            assert session.in_transaction()
            assert type(row) is type(PID.make_row([1])), "as by the driver"


async def test_whoever_waits_longest_has_the_next_connection(database_url: str) -> None:
    small = settings_for(database_url, db_pool_size=1, db_max_overflow=0)
    async with started(create_app(small)) as application:
        pool = application.plugins.get(DatabasePlugin).engine.sync_engine.pool
        had: list[str] = []

        def use(name: str) -> None:
            pool.connect().close()
            had.append(name)

        holder = await greenlet_spawn(pool.connect)
        names = ("first", "second", "gives up", "third")
        waiting = [asyncio.create_task(greenlet_spawn(use, name)) for name in names]
        await asyncio.sleep(0)
        waiting[2].cancel()

        def return_it_and_ask_again() -> None:
            holder.close()
            use("newcomer")

        await greenlet_spawn(return_it_and_ask_again)
        await asyncio.gather(*waiting, return_exceptions=True)
    assert had == ["first", "second", "third", "newcomer"]

"""The commit boundary, with handlers of the tests' own over the real plugin and a real server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest
from asyncpg.exceptions import ConnectionDoesNotExistError
from litestar import Litestar, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.types import ControllerRouterHandler
from sqlalchemy import Column, Integer, MetaData, Table, Text, func, insert, literal, make_url, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.api.http.exception_handlers import EXCEPTION_HANDLERS
from app.core.errors import ConflictError
from app.core.logging import configure_logging
from app.core.settings import Settings
from app.db.plugin import DatabasePlugin
from app.db.request.prepared import PreparedStatement, execute_prepared, fetch_rows
from app.postgres.engine import create_unpooled_engine
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import client_of, settings_for, started
from tests.support.serving import served
from tests.support.throwaway_postgres import new_cluster, running
from tests.support.tls_server import listening
from tests.support.waiting import PATIENCE

GATE = 4711
PARENT = Table("parent", MetaData(), Column("id", Integer, primary_key=True))

TABLES = """
    CREATE TABLE parent (id int PRIMARY KEY);
    CREATE TABLE child (
        id int PRIMARY KEY,
        parent_id int REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED
    );
    CREATE TABLE made (id serial PRIMARY KEY);
"""


@post("/stored")
async def store(db_session: NamedDependency[AsyncSession]) -> str:
    await db_session.execute(text("INSERT INTO parent VALUES (1)"))
    return "stored"


@post("/made")
async def make(db_session: NamedDependency[AsyncSession]) -> None:
    """Stores one row more each time that it is run."""
    await db_session.execute(text("INSERT INTO made DEFAULT VALUES"))


@post("/orphan")
async def store_orphan(db_session: NamedDependency[AsyncSession]) -> str:
    await db_session.execute(text("INSERT INTO child VALUES (1, 99)"))
    return "stored"


@post("/refused")
async def store_then_refuse(db_session: NamedDependency[AsyncSession]) -> None:
    await db_session.execute(text("INSERT INTO parent VALUES (1)"))
    raise ConflictError("not now")


@post("/crash")
async def store_then_crash(db_session: NamedDependency[AsyncSession]) -> None:
    await db_session.execute(text("INSERT INTO parent VALUES (1)"))
    raise ZeroDivisionError


@post("/unserializable")
async def store_then_return_what_is_no_json(db_session: NamedDependency[AsyncSession]) -> Response:
    await db_session.execute(text("INSERT INTO parent VALUES (1)"))
    return Response({"value": object()})


# A line for each time that a handler which waits was run.
attempts: list[str] = []


@post("/waiting")
async def store_and_wait(db_session: NamedDependency[AsyncSession]) -> str:
    """Stores, then waits in the database until the test opens the gate."""
    attempts.append("/waiting")
    await db_session.execute(text("INSERT INTO parent VALUES (1)"))
    await db_session.execute(text("SELECT pg_advisory_xact_lock(:gate)"), {"gate": GATE})
    return "stored"


async def reject_everyone(db_session: NamedDependency[AsyncSession]) -> None:
    await db_session.execute(text("INSERT INTO parent VALUES (1)"))
    raise ConflictError("rejected by a dependency")


@post("/rejected", dependencies={"gatekeeper": Provide(reject_everyone)})
async def never_reached(gatekeeper: NamedDependency[None], db_session: NamedDependency[AsyncSession]) -> None:
    raise AssertionError


@get("/count")
async def count(db_session: NamedDependency[AsyncSession]) -> int:
    return int(await db_session.scalar(text("SELECT count(*) FROM parent")) or 0)


@get("/fetched")
async def fetch_one(db_session: NamedDependency[AsyncSession]) -> int:
    return int((await fetch_rows(db_session, PreparedStatement(select(literal(1).label("one")))))[0].one)


WAITS_AT_THE_GATE = PreparedStatement(select(func.pg_advisory_xact_lock(GATE).cast(Text).label("nothing")))


@get("/looking")
async def wait_outside_a_transaction(db_session: NamedDependency[AsyncSession]) -> str:
    attempts.append("/looking")
    await fetch_rows(db_session, WAITS_AT_THE_GATE)
    return "seen"


@post("/carried-out")
async def store_and_wait_by_the_driver(db_session: NamedDependency[AsyncSession]) -> str:
    attempts.append("/carried-out")
    await execute_prepared(db_session, PreparedStatement(insert(PARENT)), id=1)
    await fetch_rows(db_session, WAITS_AT_THE_GATE)
    return "stored"


@post("/pausing")
async def store_pause_and_go_on(db_session: NamedDependency[AsyncSession]) -> str:
    """Stores, and goes on once the session has ended, whoever ended it."""
    attempts.append("/pausing")
    await db_session.execute(text("INSERT INTO parent VALUES (1)"))
    connection = await (await db_session.connection()).get_raw_connection()
    async with asyncio.timeout(PATIENCE):
        while not connection.driver_connection.is_closed():  # type: ignore[union-attr]
            await asyncio.sleep(0.01)
    await db_session.execute(text("INSERT INTO parent VALUES (2)"))
    return "stored"


HANDLERS: list[ControllerRouterHandler] = [
    fetch_one,
    store,
    make,
    store_orphan,
    store_then_refuse,
    store_then_crash,
    store_then_return_what_is_no_json,
    store_and_wait,
    wait_outside_a_transaction,
    store_and_wait_by_the_driver,
    store_pause_and_go_on,
    never_reached,
    count,
]


@pytest.fixture
async def observer(settings: Settings) -> AsyncIterator[AsyncConnection]:
    """A connection of the test's own, in autocommit, with the tables of this module made."""
    assert settings.database_url is not None
    engine = create_unpooled_engine(normalize_database_url(settings.database_url.reveal()), 5)
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
        for statement in TABLES.split(";\n"):
            if statement.strip():
                await connection.execute(text(statement))
        yield connection


@pytest.fixture
async def app(settings: Settings, observer: AsyncConnection) -> AsyncIterator[Litestar]:
    configure_logging(settings)
    application = Litestar(
        HANDLERS,
        plugins=[DatabasePlugin(settings)],
        exception_handlers=EXCEPTION_HANDLERS,
        logging_config=None,
    )
    async with started(application):
        yield application


async def rows(observer: AsyncConnection, table: str = "parent") -> int:
    return int(await observer.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


async def until(observer: AsyncConnection, condition: str, **values: object) -> None:
    """Waits until the database itself says so."""
    async with asyncio.timeout(PATIENCE):
        while not await observer.scalar(text(f"SELECT {condition}"), values):
            await asyncio.sleep(0.01)


WAITING_AT_THE_GATE = "EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = :gate AND NOT granted)"
NOBODY_IN_A_TRANSACTION = (
    "NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND backend_type = 'client backend' AND state <> 'idle')"
)


async def test_change_is_committed_before_the_response_starts(app: Litestar, observer: AsyncConnection) -> None:
    seen_at_start: list[int] = []

    async def spy(scope: Any, receive: Any, send: Any) -> None:
        async def spying_send(message: Any) -> None:
            if message["type"] == "http.response.start":
                seen_at_start.append(await rows(observer))
            await send(message)

        await app(scope, receive, spying_send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(spy), base_url="http://test") as client:
        response = await client.post("/stored")
    assert response.status_code == 201
    assert seen_at_start == [1]


async def test_failed_commit_is_never_a_2xx(client: httpx.AsyncClient, observer: AsyncConnection) -> None:
    response = await client.post("/orphan")
    assert response.status_code == 409
    assert response.headers["content-type"].startswith("application/problem+json")
    assert response.json()["code"] == "conflict"
    assert await rows(observer, "child") == 0
    await until(observer, NOBODY_IN_A_TRANSACTION)


@pytest.mark.parametrize(
    ("path", "status"),
    [("/refused", 409), ("/crash", 500), ("/unserializable", 500), ("/rejected", 409)],
)
async def test_every_error_rolls_back_and_returns_the_connection(
    client: httpx.AsyncClient, app: Litestar, observer: AsyncConnection, path: str, status: int
) -> None:
    pool = app.plugins.get(DatabasePlugin).engine.pool
    for _ in range(30):  # more often than the pool has connections
        assert (await client.post(path)).status_code == status
    assert pool.checkedout() == 0  # type: ignore[attr-defined]
    assert await rows(observer) == 0
    await until(observer, NOBODY_IN_A_TRANSACTION)
    assert (await client.get("/count")).json() == 0


async def test_cancelled_request_rolls_back_and_returns_the_connection(
    client: httpx.AsyncClient, app: Litestar, observer: AsyncConnection
) -> None:
    await observer.execute(text("SELECT pg_advisory_lock(:gate)"), {"gate": GATE})
    request = asyncio.create_task(client.post("/waiting"))
    await until(observer, WAITING_AT_THE_GATE, gate=GATE)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await until(observer, NOBODY_IN_A_TRANSACTION)
    await observer.execute(text("SELECT pg_advisory_unlock(:gate)"), {"gate": GATE})
    assert await rows(observer) == 0
    assert app.plugins.get(DatabasePlugin).engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def post_and(port: int, path: str, then: Callable[[asyncio.StreamWriter], Awaitable[None]]) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n".encode())
    await writer.drain()
    await then(writer)


async def test_client_that_hangs_up_before_the_commit_leaves_nothing_behind(
    app: Litestar, observer: AsyncConnection
) -> None:
    await observer.execute(text("SELECT pg_advisory_lock(:gate)"), {"gate": GATE})

    async def hang_up(writer: asyncio.StreamWriter) -> None:
        await until(observer, WAITING_AT_THE_GATE, gate=GATE)
        writer.close()
        await writer.wait_closed()

    async with served(app) as port:
        await post_and(port, "/waiting", hang_up)
        # The server has read the end of the stream once it answers a request that came after it.
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as other:
            assert (await other.get("/count")).status_code == 200
        await observer.execute(text("SELECT pg_advisory_unlock(:gate)"), {"gate": GATE})
        await until(observer, NOBODY_IN_A_TRANSACTION)
    assert await rows(observer) == 0
    assert app.plugins.get(DatabasePlugin).engine.pool.checkedout() == 0  # type: ignore[attr-defined]


async def test_client_that_waits_gets_its_change(app: Litestar, observer: AsyncConnection) -> None:
    async with served(app) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.post("/stored")).status_code == 201
    assert await rows(observer) == 1


async def test_no_connection_is_held_while_the_response_is_sent(app: Litestar) -> None:
    pool = app.plugins.get(DatabasePlugin).engine.pool
    held: list[int] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: object) -> None:
        held.append(pool.checkedout())  # type: ignore[attr-defined]

    for path in ("/count", "/fetched"):
        scope: Any = {
            "type": "http",
            "method": "GET",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [],
            "root_path": "",
        }
        await app(scope, receive, send)  # type: ignore[arg-type]
    assert held == [0, 0, 0, 0]


async def test_lost_connection_is_replaced_before_the_next_request(
    client: httpx.AsyncClient, observer: AsyncConnection
) -> None:
    assert (await client.get("/count")).json() == 0
    await observer.execute(
        text(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    )
    assert (await client.get("/count")).json() == 0


async def test_connection_that_was_ended_while_it_idled_is_replaced_without_a_word(
    client: httpx.AsyncClient, observer: AsyncConnection
) -> None:
    """However the end of the session and the next request meet."""
    for _ in range(50):
        assert (await client.get("/count")).json() == 0
        assert (await client.get("/fetched")).json() == 1
        # It returns before they have ended.
        await observer.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )


AT_THE_GATE = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = :gate AND NOT granted"
IN_A_TRANSACTION = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
    " AND query LIKE 'INSERT%' AND :gate > 0"
)


@pytest.mark.parametrize(
    ("method", "path", "its_session"),
    [
        ("POST", "/waiting", AT_THE_GATE),
        ("GET", "/looking", AT_THE_GATE),
        ("POST", "/carried-out", AT_THE_GATE),
        ("POST", "/pausing", IN_A_TRANSACTION),
    ],
)
async def test_request_whose_session_an_administrator_ends_is_not_run_again(
    client: httpx.AsyncClient, observer: AsyncConnection, method: str, path: str, its_session: str
) -> None:
    await end_and_count(client, observer, method, path, its_session)


async def test_request_is_not_run_again_either_where_the_server_is_reached_by_tcp() -> None:
    """Where a connection ends otherwise: what is sent to an end that has closed is answered by a reset."""
    with (
        new_cluster("host all all 127.0.0.1/32 trust\nlocal all all trust\n") as directory,
        running(directory) as server,
    ):
        server.execute(*filter(str.strip, TABLES.split(";\n")))
        url = f"postgresql://postgres@127.0.0.1:{server.port}/postgres"
        settings, engine = (
            settings_for(url, db_auto_migrate=False),
            create_unpooled_engine(normalize_database_url(url), 5),
        )
        application = Litestar(
            HANDLERS, plugins=[DatabasePlugin(settings)], exception_handlers=EXCEPTION_HANDLERS, logging_config=None
        )
        async with engine.connect() as plain, started(application), client_of(application, token=None) as client:
            observer = await plain.execution_options(isolation_level="AUTOCOMMIT")
            for path in ("/waiting", "/looking", "/looking", "/carried-out"):
                await end_and_count(client, observer, "GET" if path == "/looking" else "POST", path, AT_THE_GATE)
                await observer.execute(text("SELECT pg_advisory_unlock_all()"))


async def end_and_count(
    client: httpx.AsyncClient, observer: AsyncConnection, method: str, path: str, its_session: str
) -> None:
    """Has a request wait, ends its session, and counts how often it was run."""
    attempts.clear()
    await observer.execute(text("SELECT pg_advisory_lock(:gate)"), {"gate": GATE})
    request = asyncio.create_task(client.request(method, path))
    # Nobody sees a statement and ends it within a few milliseconds.
    seen = f"SELECT FROM pg_stat_activity WHERE clock_timestamp() - state_change > '50ms' AND pid IN ({its_session})"
    await until(observer, f"EXISTS ({seen})", gate=GATE)
    await observer.execute(text(f"SELECT pg_terminate_backend(pid) FROM ({its_session}) AS its"), {"gate": GATE})
    response = await request
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert response.json()["code"] == "database_unavailable"
    assert attempts == [path]
    assert await rows(observer) == 0


async def test_commit_whose_answer_is_lost_is_a_503_and_not_run_again(
    client: httpx.AsyncClient, observer: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = AsyncSession.commit

    async def commit_and_lose_the_answer(self: AsyncSession) -> None:
        await commit(self)
        raise DBAPIError("COMMIT", None, ConnectionDoesNotExistError("closed"), connection_invalidated=True)

    with monkeypatch.context() as patch:
        patch.setattr(AsyncSession, "commit", commit_and_lose_the_answer)
        response = await client.post("/made")
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert await rows(observer, "made") == 1


async def test_request_whose_connection_is_cut_is_run_again(settings: Settings, observer: AsyncConnection) -> None:
    """By nobody's will: a network that breaks says nothing."""
    attempts.clear()
    cut = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert settings.database_url is not None
        url = normalize_database_url(settings.database_url.reveal())
        opened = (
            asyncio.open_unix_connection(f"{url.host}/.s.PGSQL.{url.port}")
            if url.hosts[0].is_socket
            else asyncio.open_connection(url.host, url.port)
        )
        theirs, to_them = await opened
        work: list[asyncio.Task[Any]] = [
            asyncio.create_task(copy(reader, to_them)),
            asyncio.create_task(copy(theirs, writer)),
        ]
        if not cut.is_set():
            work.append(asyncio.create_task(cut.wait()))
        await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        for task in work:
            task.cancel()
        to_them.close()

    async with listening(serve, "127.0.0.1") as port:
        assert settings.database_url is not None
        url = make_url(settings.database_url.reveal()).set(host="127.0.0.1", port=port, query={})
        through = settings_for(url.render_as_string(hide_password=False))
        application = Litestar(
            HANDLERS, plugins=[DatabasePlugin(through)], exception_handlers=EXCEPTION_HANDLERS, logging_config=None
        )
        async with started(application), client_of(application, token=None) as client:
            await observer.execute(text("SELECT pg_advisory_lock(:gate)"), {"gate": GATE})
            request = asyncio.create_task(client.post("/waiting"))
            await until(observer, f"EXISTS ({AT_THE_GATE})", gate=GATE)
            cut.set()
            async with asyncio.timeout(PATIENCE):
                while len(attempts) < 2:
                    await asyncio.sleep(0.01)
            await observer.execute(text("SELECT pg_advisory_unlock(:gate)"), {"gate": GATE})
            assert (await request).status_code == 201
    assert attempts == ["/waiting"] * 2
    assert await rows(observer) == 1


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)


@pytest.fixture
async def client(app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(app, token=None) as connected:
        yield connected

"""Handlers that store, fail, wait and pause, over the real plugin: for tests of the commit boundary and of retries."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar import Litestar, Request, Response, get, post
from litestar.di import NamedDependency, Provide
from litestar.types import ControllerRouterHandler
from sqlalchemy import Column, Integer, MetaData, Table, Text, func, insert, literal, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.api.http.exception_handlers import EXCEPTION_HANDLERS
from app.core.errors import ConflictError
from app.core.logging import configure_logging
from app.core.settings import Settings
from app.db.plugin import DatabasePlugin
from app.db.request.prepared import PreparedStatement, execute_prepared, fetch_rows
from app.db.request.session import session_of
from app.postgres.engine import create_unpooled_engine
from app.postgres.url.database_url import normalize_database_url
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


@post("/left-open")
async def store_and_leave_it_to_the_middleware(request: Request[Any, Any, Any]) -> None:
    """Leave a transaction open, as a sign-in does that has changed something before the request is refused."""
    await session_of(request.scope).execute(text("INSERT INTO parent VALUES (1)"))
    raise ConflictError("not now")


@post("/fetched-then-crashed")
async def fetch_then_crash(db_session: NamedDependency[AsyncSession]) -> None:
    """Holds a connection that is in no transaction."""
    await fetch_rows(db_session, PreparedStatement(select(literal(1).label("one"))))
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
    fetch_then_crash,
    store_and_leave_it_to_the_middleware,
    store_then_return_what_is_no_json,
    store_and_wait,
    wait_outside_a_transaction,
    store_and_wait_by_the_driver,
    store_pause_and_go_on,
    never_reached,
    count,
]


@asynccontextmanager
async def observing(settings: Settings) -> AsyncIterator[AsyncConnection]:
    """A connection of the test's own, in autocommit, with the tables of the handlers made."""
    assert settings.database_url is not None
    engine = create_unpooled_engine(normalize_database_url(settings.database_url.reveal()), 5)
    async with engine.connect() as plain:
        connection = await plain.execution_options(isolation_level="AUTOCOMMIT")
        for statement in TABLES.split(";\n"):
            if statement.strip():
                await connection.execute(text(statement))
        yield connection


def application_of(settings: Settings) -> Litestar:
    configure_logging(settings)
    return Litestar(
        HANDLERS, plugins=[DatabasePlugin(settings)], exception_handlers=EXCEPTION_HANDLERS, logging_config=None
    )


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

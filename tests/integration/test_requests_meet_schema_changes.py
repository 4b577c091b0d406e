"""Requests of an application that runs while its tables are altered: the schema change is nothing a client sees."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from litestar import Litestar, post
from litestar.di import NamedDependency
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.http.exception_handlers import EXCEPTION_HANDLERS
from app.core.logging import configure_logging
from app.core.settings import Settings
from app.db.plugin import DatabasePlugin
from tests.conftest import client_of, started
from tests.support.database import holding, query

CHANGES = [
    "ALTER TABLE tasks ADD COLUMN effort integer",
    "ALTER TABLE tasks ADD COLUMN effort integer; ALTER TABLE tasks DROP COLUMN effort",
    "ALTER TABLE tasks ALTER COLUMN title TYPE varchar(500)",
    "ALTER TABLE task_comments ALTER COLUMN message TYPE varchar(5000)",
    "ALTER TABLE boards ALTER COLUMN name TYPE varchar(500)",
    # Read before the handler is reached, to sign the request in.
    "ALTER TABLE users ALTER COLUMN subject TYPE varchar(500)",
]


async def use(client: httpx.AsyncClient, tasks_url: str, task: str) -> list[int]:
    """One request of each kind; their status codes. The statements behind them stay prepared on their connections."""
    one = f"{tasks_url}/{task}"
    requests: list[Callable[[], Any]] = [
        lambda: client.patch(one, json={"title": "changed", "comment": "why"}),
        lambda: client.get(tasks_url),
        lambda: client.get(one),
        lambda: client.post(f"{one}/comments", json={"message": "said"}),
        lambda: client.get(f"{one}/comments"),
        lambda: client.post(tasks_url, json={"title": "another"}),
    ]
    return [(await request()).status_code for request in requests]


@pytest.mark.parametrize("change", CHANGES)
async def test_prepared_statements_outlive_a_change_of_their_tables(
    client: httpx.AsyncClient, tasks_url: str, database_url: str, change: str
) -> None:
    task = (await client.post(tasks_url, json={"title": "first"})).json()["id"]
    good = [200, 200, 200, 201, 200, 201]
    assert await use(client, tasks_url, task) == good
    query(database_url, change)
    assert await use(client, tasks_url, task) == good
    # What was repeated was stored once.
    assert query(database_url, "SELECT message FROM task_comments ORDER BY created_at") == [("why",), ("said",)] * 2
    assert query(database_url, "SELECT count(*) FROM tasks") == [(3,)]


async def test_request_that_loses_a_deadlock_with_a_schema_change_is_run_again(
    settings: Settings, database_url: str, administer: Callable[[str], None], client: httpx.AsyncClient, tasks_url: str
) -> None:
    task = (await client.post(tasks_url, json={"title": "first"})).json()["id"]
    (name,) = query(database_url, "SELECT current_database()")[0]
    # It is the request that looks for a deadlock first, and so the one that is ended.
    administer(f"ALTER DATABASE \"{name}\" SET deadlock_timeout = '20ms'")
    ending = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    # In a thread, so that the application hears of the end of its sessions meanwhile.
    await asyncio.to_thread(query, database_url, f"{ending} AND datname = current_database()")
    locked = "SET LOCAL deadlock_timeout = '1min'; LOCK TABLE task_comments"
    change = {"status": "in_progress", "tag_ids": [], "comment": "on it"}
    with holding(database_url, locked) as change_of_the_schema:
        with holding(database_url, "LOCK TABLE task_tags") as gate:
            # It has the board's row, and is stopped on its way to the comments.
            request = asyncio.create_task(client.patch(f"{tasks_url}/{task}", json=change))
            wants_boards = asyncio.create_task(asyncio.to_thread(change_of_the_schema, 1, "LOCK TABLE boards"))
            await asyncio.to_thread(gate, 2)
        await wants_boards
    response = await request
    assert response.status_code == 200, response.text
    assert response.json()["status"] == "in_progress"
    assert query(database_url, "SELECT message FROM task_comments") == [("on it",)]


@post("/unlucky")
async def always_loses(db_session: NamedDependency[AsyncSession]) -> None:
    await db_session.execute(text("INSERT INTO attempts DEFAULT VALUES"))
    await db_session.execute(text("DO $$ BEGIN RAISE deadlock_detected; END $$"))


async def test_transaction_that_fails_again_and_again_is_a_409_with_nothing_stored(
    settings: Settings, database_url: str
) -> None:
    query(database_url, "CREATE TABLE attempts (id serial)")
    configure_logging(settings)
    app = Litestar(
        [always_loses], plugins=[DatabasePlugin(settings)], exception_handlers=EXCEPTION_HANDLERS, logging_config=None
    )
    async with started(app), client_of(app, token=None) as client:
        response = await client.post("/unlucky")
    assert response.status_code == 409
    assert response.json()["code"] == "write_conflict"
    assert query(database_url, "SELECT count(*) FROM attempts") == [(0,)]
    assert query(database_url, "SELECT last_value FROM attempts_id_seq") == [(3,)]

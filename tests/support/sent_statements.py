"""What an application sends to its database."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
from litestar import Litestar
from sqlalchemy import event

from app.db.plugin import DatabasePlugin


@asynccontextmanager
async def statements_of(app: Litestar) -> AsyncIterator[list[str]]:
    """All within this context but BEGIN, COMMIT and notifications: by SQLAlchemy, or handed to the driver itself."""
    seen: list[str] = []

    def note(statement: str) -> None:
        # A notification of what was committed goes out beside the request.
        if "pg_notify" not in statement:
            seen.append(statement)

    def by_sqlalchemy(*args: Any) -> None:
        note(args[2])

    def by_driver(query: asyncpg.connection.LoggedQuery) -> None:
        if query.query.startswith(("SELECT", "INSERT", "UPDATE")):
            note(query.query)

    def lend(_: object, record: Any, __: object) -> None:
        record.driver_connection.add_query_logger(by_driver)

    def give_back(_: object, record: Any) -> None:
        if record.driver_connection is not None:
            record.driver_connection.remove_query_logger(by_driver)

    engine = app.plugins.get(DatabasePlugin).engine.sync_engine
    listeners = {"before_cursor_execute": by_sqlalchemy, "checkout": lend, "checkin": give_back}
    for name, listener in listeners.items():
        event.listen(engine, name, listener)
    try:
        yield seen
        # The driver tells of a statement in the loop's next round.
        await asyncio.sleep(0)
    finally:
        for name, listener in listeners.items():
            event.remove(engine, name, listener)


async def statements(app: Litestar, client: httpx.AsyncClient, url: str) -> int:
    """Return how many statements a GET sends."""
    async with statements_of(app) as seen:
        response = await client.get(url)
    assert response.status_code == 200
    return len(seen)

"""LISTEN and NOTIFY: how the processes of the application tell each other that something was committed.

A notification says only that there is something to read. It is sent after the transaction, not in it: PostgreSQL makes
the commits of all transactions that notify wait for each other. Readers also poll from time to time, so that a lost
notification only delays them. It is lost with its process, or in a pooler in transaction mode.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.asyncio_tasks import finish_or_cancel
from app.postgres.errors import ASYNCPG_ERRORS

_CHANNEL = "plimsoll_activity"
# Commits within this time (seconds) share one notification.
_BATCH_TIME = 0.02
_RECONNECT_AFTER = 1.0

log = structlog.stdlib.get_logger(__name__)


class Notifications:
    """The notifications of one process. `listener` opens the engine of its one listening connection."""

    def __init__(self, engine: AsyncEngine, listener: Callable[[], AbstractAsyncContextManager[AsyncEngine]]) -> None:
        self._engine = engine
        self._listener = listener
        self._sender_id = secrets.token_hex(8)
        self._sending: set[asyncio.Task[None]] = set()
        self._is_gathering = False
        self._notified = asyncio.Event()
        # Set when the listening connection ends, or the listening itself does.
        self._ended = asyncio.Event()
        self._is_closed = True

    def send(self) -> None:
        """Notify all processes, this one at once. Never waits, and never fails."""
        self._notified.set()
        if not self._is_gathering:
            self._is_gathering = True
            task = asyncio.create_task(self._send())
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def wait(self, seconds: float) -> None:
        """Wait until something has been committed since the last call, or this time has passed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._notified.wait()
        self._notified.clear()

    def wake(self) -> None:
        """End a `wait` in this process only."""
        self._notified.set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listen to the other processes within this context, as soon as the connection is there."""
        self._is_closed = False
        task = asyncio.create_task(self._listen())
        try:
            yield
        finally:
            self._is_closed = True
            self._ended.set()
            await finish_or_cancel(task)

    async def close(self) -> None:
        """Wait until every notification has been sent."""
        await asyncio.gather(*self._sending)

    async def _send(self) -> None:
        await asyncio.sleep(_BATCH_TIME)
        # Commits from here on need another notification.
        self._is_gathering = False
        try:
            async with self._engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                await connection.execute(
                    text("SELECT pg_notify(:channel, :sender)"), {"channel": _CHANNEL, "sender": self._sender_id}
                )
        except (OSError, SQLAlchemyError) as exc:
            log.warning("a notification was not sent; others look in their own time", error=type(exc).__name__)

    async def _listen(self) -> None:
        while not self._is_closed:
            self._ended.clear()
            try:
                async with self._listener() as engine, engine.connect() as connection:
                    await self._listen_on((await connection.get_raw_connection()).driver_connection)
            except (OSError, SQLAlchemyError, *ASYNCPG_ERRORS) as exc:
                # The listener calls the driver directly, so that its errors are not SQLAlchemy's.
                log.warning("nothing is heard of other processes", error=type(exc).__name__)
            if not self._is_closed:
                await asyncio.sleep(_RECONNECT_AFTER)

    async def _listen_on(self, connection: Any) -> None:  # noqa: ANN401 - asyncpg has no types
        """Listen until the connection ends. Another driver than asyncpg hears nothing: its readers only poll."""
        if isinstance(connection, asyncpg.Connection):
            connection.add_termination_listener(lambda _: self._ended.set())
            await connection.add_listener(_CHANNEL, self._on_notification)
            # Notifications may have been sent before it listened.
            self._notified.set()
        await self._ended.wait()

    def _on_notification(self, _connection: object, _pid: int, _channel: str, sender: object) -> None:
        if sender != self._sender_id:
            self._notified.set()

"""A connection of its own to one server, over which the server's state is polled."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from .connect_failure import classify_connect_error
from .errors import ASYNCPG_ERRORS, error_summary

# Seconds between two polls that nobody requested, for the answer to one poll, and between two attempts to connect.
_POLL_INTERVAL = 0.1
POLL_TIMEOUT = 1.0
_RECONNECT_DELAY = 0.5

# A database and its physical copies have the same identity, and no other database has it.
IDENTITY = text(
    "SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || oid"
    " FROM pg_database WHERE datname = current_database()"
)

log = structlog.stdlib.get_logger(__name__)
EngineOpener = Callable[[], AbstractAsyncContextManager[AsyncEngine]]


@asynccontextmanager
async def disposing(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """Yield the engine, and dispose of it at the end of the context."""
    try:
        yield engine
    finally:
        await engine.dispose()


class UnusableServerError(Exception):
    """The server answers, but cannot be used as intended; the text says why."""


# The errors of a server that cannot be polled, among them the driver's own, which SQLAlchemy does not wrap.
POLL_ERRORS = (OSError, SQLAlchemyError, UnusableServerError, *ASYNCPG_ERRORS)


class ServerMonitor(ABC):
    """Polls one server by asyncpg until it is stopped, and reconnects when the connection is lost.

    Two servers have the same `identity` exactly if one is a physical copy of the other. It is None while there is no
    connection.
    """

    identity: str | None = None

    def __init__(self, open_engine: EngineOpener) -> None:
        self._open_engine = open_engine
        self._poll_requested = asyncio.Event()
        self._is_stopped = False

    async def run(self) -> None:
        """Connect and poll until `stop` is called."""
        while not self._is_stopped:
            try:
                async with self._open_engine() as engine, engine.connect() as connection:
                    await self._poll_until_stopped(connection)
            except POLL_ERRORS as exc:
                self._on_connection_lost(poll_failure(exc))
            except Exception as exc:
                # If this task ended, no replica would be used again.
                log.error("a server is not watched: an unexpected error", exc_info=exc)
                self._on_connection_lost("it cannot be watched")
            if not self._is_stopped:
                # `_on_connection_lost` has already answered the requests for a poll.
                self._poll_requested.clear()
            await self._wait_for_next_poll(_RECONNECT_DELAY)

    def stop(self) -> None:
        """Let `run` return after the poll that is under way."""
        self._is_stopped = True
        self._poll_requested.set()

    async def _poll_until_stopped(self, connection: AsyncConnection) -> None:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        try:
            async with asyncio.timeout(2 * POLL_TIMEOUT):
                identity = str(await connection.scalar(IDENTITY))
                await connection.rollback()
                await self._prepare(connection, driver)
                # Set last: once it is there, everything else that `_prepare` reads is known.
                self.identity = identity
            while not self._is_stopped:
                await self._poll(driver)
                await self._wait_for_next_poll(_POLL_INTERVAL)
        except BaseException:
            # Closing properly would wait for the server, which may not answer.
            driver.terminate()
            raise

    async def _wait_for_next_poll(self, seconds: float) -> None:
        """Wait so long, or until a poll is requested."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._poll_requested.wait()

    @abstractmethod
    async def _prepare(self, connection: AsyncConnection, driver: Any) -> None:  # noqa: ANN401 - asyncpg has no types
        """Prepare a new connection before its first poll."""

    @abstractmethod
    async def _poll(self, driver: Any) -> None: ...  # noqa: ANN401 - asyncpg has no types

    @abstractmethod
    def _on_connection_lost(self, reason: str) -> None:
        """Handle the end of the connection, or a failed attempt to connect."""


def poll_failure(exc: Exception) -> str:
    """Return why the server could not be polled, in words for a log."""
    if isinstance(exc, UnusableServerError):
        return str(exc)
    return error_summary(exc) if isinstance(exc, asyncpg.PostgresError) else classify_connect_error(exc).reason

"""A connection of one's own to one server, over which it is asked again and again how it is."""

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

from app.postgres.connect import classify_connect_error
from app.postgres.errors import OF_ASYNCPG, cause_of

# Seconds: between two looks that nobody asked for, for each of them, and between two attempts to connect.
_LOOK_EVERY = 0.1
PATIENCE = 1.0
_RETRY_AFTER = 0.5

# Of a database: its copies have the same, and no other has.
IDENTITY = text(
    "SELECT (SELECT system_identifier FROM pg_control_system()) || '/' || oid"
    " FROM pg_database WHERE datname = current_database()"
)

log = structlog.stdlib.get_logger(__name__)
Connecting = Callable[[], AbstractAsyncContextManager[AsyncEngine]]


@asynccontextmanager
async def disposed(engine: AsyncEngine) -> AsyncIterator[AsyncEngine]:
    """At the end of the context."""
    try:
        yield engine
    finally:
        await engine.dispose()


class UnfitError(Exception):
    """The server answers, and is not one that is looked for; the text says why."""


# What is raised where a server cannot be asked: also by the driver itself, of which SQLAlchemy knows nothing.
CANNOT_BE_ASKED = (OSError, SQLAlchemyError, UnfitError, *OF_ASYNCPG)


class Watch(ABC):
    """Of one server, by asyncpg. `identity` is the same of two servers exactly if one is a copy of the other."""

    identity: str | None = None

    def __init__(self, connecting: Connecting) -> None:
        self._connecting = connecting
        self._wanted = asyncio.Event()
        self._is_over = False

    async def run(self) -> None:
        """Until `end`."""
        while not self._is_over:
            try:
                async with self._connecting() as engine, engine.connect() as connection:
                    await self._look_again_and_again(connection)
            except CANNOT_BE_ASKED as exc:
                self._lose(reason_of(exc))
            except Exception as exc:
                # Without this task no replica would be used again.
                log.error("a server is not watched: an unexpected error", exc_info=exc)
                self._lose("it cannot be watched")
            if not self._is_over:
                # Who wanted a look has been told that there is none.
                self._wanted.clear()
            await self._pause(_RETRY_AFTER)

    def end(self) -> None:
        """Soon."""
        self._is_over = True
        self._wanted.set()

    async def _look_again_and_again(self, connection: AsyncConnection) -> None:
        driver: Any = (await connection.get_raw_connection()).driver_connection
        try:
            async with asyncio.timeout(2 * PATIENCE):
                identity = str(await connection.scalar(IDENTITY))
                await connection.rollback()
                await self._begin(connection, driver)
                # Last: whoever compares it takes the rest to be known.
                self.identity = identity
            while not self._is_over:
                await self._look(driver)
                await self._pause(_LOOK_EVERY)
        except BaseException:
            # Without a word to the server, which may be silent.
            driver.terminate()
            raise

    async def _pause(self, seconds: float) -> None:
        """For so long, unless somebody wants a look."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wanted.wait()

    @abstractmethod
    async def _begin(self, connection: AsyncConnection, driver: Any) -> None:  # noqa: ANN401 - asyncpg has no types
        """What is done once on each connection."""

    @abstractmethod
    async def _look(self, driver: Any) -> None: ...  # noqa: ANN401 - asyncpg has no types

    @abstractmethod
    def _lose(self, reason: str) -> None:
        """The connection has ended, or none can be had."""


def reason_of(exc: Exception) -> str:
    """Why it cannot be asked, in words for a log."""
    if isinstance(exc, UnfitError):
        return str(exc)
    return cause_of(exc) if isinstance(exc, asyncpg.PostgresError) else classify_connect_error(exc).reason

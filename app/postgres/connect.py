"""Connect to the database, wait for one that is not up yet, and translate the errors of a connection."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from . import sqlstate
from .connect_failure import UNTRUSTED, ConnectFailure, classify_connect_error
from .engine import create_unpooled_engine
from .errors import (
    DatabaseUnreachableError,
    MigrationFailedError,
    error_summary,
    sqlstate_of,
)
from .url.database_url import DatabaseURL

_FIRST_DELAY = 0.1
_LONGEST_DELAY = 2.0
# The server goes down or comes up, has no connection left, or has ended a session that was silent or too long.
_CONNECTION_LOST = frozenset(
    {
        sqlstate.ADMIN_SHUTDOWN,
        sqlstate.CRASH_SHUTDOWN,
        sqlstate.CANNOT_CONNECT_NOW,
        sqlstate.IDLE_SESSION_TIMEOUT,
        sqlstate.TOO_MANY_CONNECTIONS,
        sqlstate.IDLE_IN_TRANSACTION_SESSION_TIMEOUT,
        sqlstate.TRANSACTION_TIMEOUT,
    }
)

log = structlog.stdlib.get_logger(__name__)


async def wait_for_database(url: DatabaseURL, seconds: float) -> None:
    """Wait until the database answers, for at most so many seconds. Raises what `open_connection` raises."""
    async with open_connection(url, seconds):
        pass


@asynccontextmanager
async def open_connection(
    url: DatabaseURL, seconds: float, application: str = "plimsoll"
) -> AsyncIterator[AsyncConnection]:
    """Yield a connection of its own, in no transaction, once the database answers, within at most so many seconds.

    `application` is the name by which the server shows it. Raises what `translate_connection_errors` raises; where
    waiting cannot help (a wrong password, a missing database) it does not wait.
    """
    engine = create_unpooled_engine(url, seconds, application)
    async with translate_connection_errors(url), AsyncExitStack() as opened:
        yield await _connect_in_time(engine, url, seconds, opened)


async def _connect_in_time(
    engine: AsyncEngine, url: DatabaseURL, seconds: float, opened: AsyncExitStack
) -> AsyncConnection:
    deadline = time.monotonic() + seconds
    delay = _FIRST_DELAY
    while isinstance(found := await _try_once(engine, deadline, opened), ConnectFailure):
        left = deadline - time.monotonic()
        # No attempt in the little time that is left: it would only be cut off, and hide the reason.
        if not found.retry or left <= delay:
            raise DatabaseUnreachableError(_message(url, found, seconds))
        log.warning("waiting for the database", database=url.location, reason=found.reason, seconds_left=round(left))
        await asyncio.sleep(delay)
        delay = min(delay * 2, _LONGEST_DELAY)
    return found


@asynccontextmanager
async def translate_connection_errors(url: DatabaseURL) -> AsyncIterator[None]:
    """Turn the error of a connection that cannot be had, or is lost, into a DatabaseUnreachableError.

    A statement that the server refuses, for want of a privilege for instance, becomes a MigrationFailedError.
    """
    try:
        yield
    except (OSError, DBAPIError) as exc:
        if sqlstate_of(exc) == sqlstate.READ_ONLY_SQL_TRANSACTION:
            raise MigrationFailedError(
                f"The database {url.location} can only be read: it is a standby, or default_transaction_read_only is"
                " on."
            ) from exc
        if is_refusal(exc):
            raise MigrationFailedError(f"The database {url.location} refused: {error_summary(exc)}.") from exc
        raise DatabaseUnreachableError(
            f"The database {url.location} was lost: {classify_connect_error(exc).reason}."
        ) from exc


def is_refusal(exc: BaseException) -> bool:
    """Return whether the server answered, and refused this statement rather than the whole session."""
    if not isinstance(exc, DBAPIError) or exc.statement is None or is_lost(exc):
        return False
    state: str = getattr(exc.orig, "sqlstate", None) or ""
    # Classes: connection exception, insufficient resources, operator intervention (appendix A); of the last,
    # query_canceled ends a statement alone: by the statement_timeout of a role, for instance.
    return state == sqlstate.QUERY_CANCELED or (state != "" and state[:2] not in {"08", "53", "57"})


def is_lost(exc: BaseException) -> bool:
    """Return whether the connection was lost, so that the same statement may well succeed on another one."""
    if isinstance(exc, OSError) or getattr(exc, "connection_invalidated", False):
        return True
    state = sqlstate_of(exc) or ""
    return state.startswith("08") or state in _CONNECTION_LOST


def first_error_of(exc: Exception) -> Exception:
    """Return the error that came first, if `exc` says only that an autocommit block has lost its connection."""
    first = exc.__context__
    return first if isinstance(exc, PendingRollbackError) and isinstance(first, DBAPIError) else exc


def _message(url: DatabaseURL, failure: ConnectFailure, seconds: float) -> str:
    waited = f" within {seconds:g} s" if failure.retry else ""
    # The notes say why a certificate was checked although the URL does not ask for it.
    notes = "".join(f" ({note})" for note in url.notes) if failure.kind == UNTRUSTED else ""
    return f"The database {url.location} cannot be reached{waited}: {failure.reason}.{notes}"


async def _try_once(engine: AsyncEngine, deadline: float, opened: AsyncExitStack) -> AsyncConnection | ConnectFailure:
    """Return a connection that has answered, which `opened` closes, or why there is none."""
    try:
        async with asyncio.timeout(deadline - time.monotonic()), AsyncExitStack() as attempt:
            connection = await attempt.enter_async_context(engine.connect())
            # A pooler takes a connection before it knows whether there is a server.
            await connection.execute(text("SELECT 1"))
            await connection.rollback()
            opened.push_async_exit(attempt.pop_all())
            return connection
    except (OSError, DBAPIError, TimeoutError) as exc:
        return classify_connect_error(exc)

"""Connect to the database, wait for one that is not up yet, and say what a failure to connect means."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import NamedTuple

import structlog
from asyncpg.exceptions import ClientConfigurationError, TargetServerAttributeNotMatched
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from . import sqlstate
from .engine import create_unpooled_engine
from .errors import (
    DatabaseUnreachableError,
    MigrationFailedError,
    error_summary,
    one_printable_line,
    server_error_of,
    sqlstate_of,
)
from .url.database_url import DatabaseURL

_FIRST_DELAY = 0.1
_LONGEST_DELAY = 2.0

log = structlog.stdlib.get_logger(__name__)


class ConnectFailure(NamedTuple):
    """Why connecting failed: in our words (`why`) and the server's (`detail`), whether to retry, and a remedy."""

    why: str
    retry: bool
    remedy: str = ""
    detail: str = ""

    @property
    def reason(self) -> str:
        """Return all of it as one sentence, without the full stop."""
        return ". ".join(filter(None, [": ".join(filter(None, [self.why, self.detail])), self.remedy]))

    @property
    def kind(self) -> "ConnectFailure":
        """Return the failure as it is in the tables below, without this server's words."""
        return self._replace(detail="")


NO_PASSWORD = ConnectFailure("the server asks for a password, and none was given", retry=False)
WRONG_PASSWORD = ConnectFailure("the server does not accept this user and password", retry=False)
ACCESS_DENIED = ConnectFailure("the server does not let this user in (see its pg_hba.conf)", retry=False)
NO_DATABASE = ConnectFailure("the server has no database of this name", retry=False)
_ENDED = "the server has ended the session"
_SILENT_TOO_LONG = ConnectFailure(f"{_ENDED}, of which it heard nothing for too long", retry=True)
_CANCELLED = ConnectFailure(
    "the server has cancelled the statement: it took longer than the role's statement_timeout (or the database's), or"
    " somebody has cancelled it",
    retry=True,
    remedy="Where it is the limit, raise it: ALTER ROLE … SET statement_timeout",
)
# SQLSTATEs with which a server turns a connection away or ends a session (PostgreSQL documentation, appendix A).
_BY_SQLSTATE = {
    sqlstate.INVALID_PASSWORD: WRONG_PASSWORD,
    sqlstate.INVALID_AUTHORIZATION_SPECIFICATION: ACCESS_DENIED,
    sqlstate.INVALID_CATALOG_NAME: NO_DATABASE,
    sqlstate.INSUFFICIENT_PRIVILEGE: ConnectFailure("this user may not connect to this database", retry=False),
    sqlstate.TOO_MANY_CONNECTIONS: ConnectFailure("the server has no connection left", retry=True),
    sqlstate.ADMIN_SHUTDOWN: ConnectFailure(f"{_ENDED}, for an administrator or to shut down", retry=True),
    sqlstate.QUERY_CANCELED: _CANCELLED,
    sqlstate.IDLE_IN_TRANSACTION_SESSION_TIMEOUT: _SILENT_TOO_LONG,
    sqlstate.IDLE_SESSION_TIMEOUT: _SILENT_TOO_LONG,
    sqlstate.TRANSACTION_TIMEOUT: ConnectFailure(
        f"{_ENDED}, whose transaction took longer than transaction_timeout", retry=True
    ),
    sqlstate.CANNOT_CONNECT_NOW: ConnectFailure("the server is starting up or shutting down", retry=True),
}
_SETTING = ConnectFailure(
    "the server does not take a setting that the URL, the role or the database gives the session", retry=False
)
# Only at the start of a session: later a pooler ends sessions with the same ones.
_AT_START = {
    sqlstate.PROTOCOL_VIOLATION: ConnectFailure(
        "the server, or a pooler before it, refuses the connection",
        retry=False,
        remedy="Where it is a startup parameter that it refuses, take that out of the URL and give it to the role"
        " (ALTER ROLE … SET …), or name it in PgBouncer's ignore_startup_parameters",
    ),
    sqlstate.INVALID_PARAMETER_VALUE: _SETTING,
    sqlstate.UNDEFINED_OBJECT: _SETTING,
    sqlstate.OBJECT_NOT_IN_PREREQUISITE_STATE: ConnectFailure("the database takes no connections", retry=False),
}
_REFUSED = ConnectFailure("the server, or a pooler before it, refuses the connection", retry=False)
_REFUSED_FOR_NOW = _REFUSED._replace(retry=True)
_SESSION_ENDED = ConnectFailure("the server, or a pooler before it, has ended the session", retry=True)
# Connection exception, insufficient resources, operator intervention, system error.
_TRANSIENT_CLASSES = frozenset({"08", "53", "57", "58"})
_UNTRUSTED = ConnectFailure("the server's TLS certificate is not trusted", retry=False)
_NO_TLS = ConnectFailure("the server offers no TLS, which sslmode demands", retry=False)
_CLOSED = ConnectFailure("the connection was closed by the server, or on the way to it", retry=True)
_MISCONFIGURED = ConnectFailure(
    "the driver takes a parameter of the URL, or one of the variables PG…, for wrong", retry=False
)
# The first type that fits decides; most are subclasses of OSError.
_BY_TYPE: tuple[tuple[type[BaseException], ConnectFailure], ...] = (
    (ClientConfigurationError, _MISCONFIGURED),
    (TargetServerAttributeNotMatched, ConnectFailure("no host is what target_session_attrs asks for", retry=True)),
    (socket.gaierror, ConnectFailure("the host name cannot be resolved", retry=True)),
    (ssl.SSLCertVerificationError, _UNTRUSTED),
    (ssl.SSLError, ConnectFailure("TLS could not be negotiated with the server", retry=False)),
    (TimeoutError, ConnectFailure("the server does not answer in time, or nothing reaches it", retry=True)),
    (ConnectionRefusedError, ConnectFailure("the connection was refused: nothing listens there", retry=True)),
    (FileNotFoundError, ConnectFailure("there is no such socket: is the server running?", retry=True)),
    (
        PermissionError,
        ConnectFailure(
            "the system does not let this user connect (the rights of the socket, or a firewall)", retry=False
        ),
    ),
    (OSError, ConnectFailure("the connection could not be made or was dropped", retry=True)),
)
# Types for which the message of the operating system or of OpenSSL says more.
_TYPES_WITH_DETAIL = frozenset(
    {ClientConfigurationError, socket.gaierror, ssl.SSLCertVerificationError, ssl.SSLError, OSError}
)
# asyncpg has one type for everything that fails before TLS, and its text has nothing from the server.
_BEFORE_TLS, _WITHOUT_TLS = ConnectionError, "rejected SSL upgrade"
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
_UNKNOWN = ConnectFailure("the connection could not be made", retry=True)
# The most characters of the server's message.
_LONGEST_DETAIL = 300


def classify_connect_error(exc: BaseException) -> ConnectFailure:
    """Return what an exception raised by connecting means, for both drivers, wrapped by SQLAlchemy or not.

    It decides by the SQLSTATE and by whether the session had started, never by the message, which may be in any
    language.
    """
    chain: list[BaseException] = []
    current: BaseException | None = exc
    while current is not None and current not in chain:
        chain.append(current)
        current = (current.orig if isinstance(current, DBAPIError) else None) or current.__cause__
    session_started = isinstance(exc, DBAPIError) and (exc.statement is not None or exc.connection_invalidated)
    server_error = next((server_error_of(link) for link in chain if getattr(link, "sqlstate", None)), None)
    state = sqlstate_of(server_error)
    if server_error is not None and state is not None and state != sqlstate.CONNECTION_DOES_NOT_EXIST:
        missing = next((link.missing_password for link in chain if hasattr(link, "missing_password")), None)
        return _without_password(
            _by_sqlstate(state, session_started=session_started)._replace(detail=_message_of(server_error)), missing
        )
    for link in chain:
        if type(link) is _BEFORE_TLS and str(link).endswith(_WITHOUT_TLS):
            return _NO_TLS
    for kind, failure in _BY_TYPE:
        if found := next((link for link in chain if isinstance(link, kind)), None):
            return failure._replace(detail=_message_of(found)) if kind in _TYPES_WITH_DETAIL else failure
    if session_started or state is not None:
        return _CLOSED
    return _UNKNOWN._replace(detail=_message_of(chain[-1]))


def _by_sqlstate(state: str, *, session_started: bool) -> ConnectFailure:
    if known := _BY_SQLSTATE.get(state):
        return known
    if session_started:
        return _SESSION_ENDED
    return _AT_START.get(state) or (_REFUSED_FOR_NOW if state[:2] in _TRANSIENT_CLASSES else _REFUSED)


def _without_password(failure: ConnectFailure, missing: str | None) -> ConnectFailure:
    """Return the failure of a connection for which there was no password, for the reason in `missing`."""
    if missing and failure.kind == WRONG_PASSWORD:
        return NO_PASSWORD._replace(detail=missing)
    if missing and failure.kind == _AT_START[sqlstate.PROTOCOL_VIOLATION]:
        # Older releases of PgBouncer refuse with this SQLSTATE for any reason.
        return failure._replace(remedy=f"{failure.remedy}. No password was given: {missing}")
    return failure


def _message_of(error: BaseException) -> str:
    """Return the sentence of the server, the driver or the system, without the details below it."""
    diagnosis = getattr(error, "diag", None)
    words = (
        getattr(diagnosis, "message_primary", None)
        or getattr(error, "verify_message", None)
        or getattr(error, "strerror", None)
        or (error.args[0] if error.args else "")
    )
    return one_printable_line(str(words), _LONGEST_DETAIL)


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
    notes = "".join(f" ({note})" for note in url.notes) if failure.kind == _UNTRUSTED else ""
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

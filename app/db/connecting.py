"""Reaching the database: what a failure to connect means, and waiting for a database that is not up yet."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import structlog
from asyncpg.exceptions import TargetServerAttributeNotMatched
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, PendingRollbackError
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.config import Settings
from app.db.engine import create_unpooled_engine
from app.db.errors import DatabaseUnreachableError, MigrationFailedError, cause_of, sqlstate_of
from app.db.url import DatabaseURL

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0

log = structlog.stdlib.get_logger(__name__)


class ConnectFailure(NamedTuple):
    """Why connecting failed, and whether waiting may help."""

    reason: str
    retry: bool


WRONG_PASSWORD = ConnectFailure("the server does not accept this user and password", retry=False)
NOT_LET_IN = ConnectFailure("the server does not let this user in (see its pg_hba.conf)", retry=False)
NO_DATABASE = ConnectFailure("the server has no database of this name", retry=False)
_SILENT_TOO_LONG = ConnectFailure(
    "the server has ended the session, of which it heard nothing for too long", retry=True
)
# SQLSTATEs with which a server turns a connection away (PostgreSQL documentation, appendix A).
_BY_SQLSTATE = {
    "28P01": WRONG_PASSWORD,
    "28000": NOT_LET_IN,
    "3D000": NO_DATABASE,
    "42501": ConnectFailure("this user may not connect to this database", retry=False),
    "53300": ConnectFailure("the server has no connection left", retry=True),
    "57P01": ConnectFailure("the server has ended the session, for an administrator or to shut down", retry=True),
    "25P03": _SILENT_TOO_LONG,
    "57P05": _SILENT_TOO_LONG,
    "57P03": ConnectFailure("the server is starting up or shutting down", retry=True),
}
_UNTRUSTED = ConnectFailure("the server's TLS certificate is not trusted", retry=False)
_NO_TLS = ConnectFailure("the server offers no TLS, which sslmode demands", retry=False)
_UNRESOLVED = ConnectFailure("the host name cannot be resolved", retry=True)
_SILENT = ConnectFailure("the server accepts connections but does not answer", retry=True)
_REFUSED = ConnectFailure("the connection was refused: nothing listens there", retry=True)
_NO_SOCKET = ConnectFailure("there is no such socket: is the server running?", retry=True)
_CLOSED = ConnectFailure("the connection was closed by the server, or on the way to it", retry=True)
# In this order: the first that fits; most are subclasses of OSError.
_BY_TYPE: tuple[tuple[type[BaseException], ConnectFailure], ...] = (
    (TargetServerAttributeNotMatched, ConnectFailure("no host is what target_session_attrs asks for", retry=True)),
    (socket.gaierror, _UNRESOLVED),
    (ssl.SSLCertVerificationError, _UNTRUSTED),
    (ssl.SSLError, ConnectFailure("TLS could not be negotiated with the server", retry=False)),
    (TimeoutError, _SILENT),
    (ConnectionRefusedError, _REFUSED),
    (FileNotFoundError, _NO_SOCKET),
    (PermissionError, ConnectFailure("the socket may not be opened by this user", retry=False)),
    (OSError, ConnectFailure("the connection could not be made or was dropped", retry=True)),
)
# libpq, and so psycopg, tells of a failure to connect in words alone.
_BY_WORDS = (
    ("password authentication failed", WRONG_PASSWORD),
    ("no pg_hba.conf entry", NOT_LET_IN),
    (" does not exist", NO_DATABASE),
    ("the database system is", _BY_SQLSTATE["57P03"]),
    ("too many clients", _BY_SQLSTATE["53300"]),
    ("certificate verify failed", _UNTRUSTED),
    ("does not support SSL", _NO_TLS),
    ("rejected SSL upgrade", _NO_TLS),
    ("Connection refused", _REFUSED),
    ("No such file or directory", _NO_SOCKET),
    ("resolve host", _UNRESOLVED),
    ("translate host name", _UNRESOLVED),
    ("connection was closed in the middle", _CLOSED),
    ("server closed the connection", _CLOSED),
    ("timeout", _SILENT),
)
# The server goes down or comes up, has no connection left, or has ended a session that was silent.
_LOST = frozenset({"57P01", "57P02", "57P03", "57P05", "53300", "25P03"})
_UNKNOWN = ConnectFailure("the connection could not be made", retry=True)


def explain(exc: BaseException) -> ConnectFailure:
    """What an exception raised by connecting means; knows those of both drivers, wrapped by SQLAlchemy or not."""
    chain: list[BaseException] = []
    current: BaseException | None = exc
    while current is not None and current not in chain:
        chain.append(current)
        current = (current.orig if isinstance(current, DBAPIError) else None) or current.__cause__
    for link in chain:
        state = getattr(link, "sqlstate", None)
        if state in _BY_SQLSTATE:
            return _BY_SQLSTATE[state]
    text = " ".join(str(link) for link in chain)
    for words, failure in _BY_WORDS:
        if words in text:
            return failure
    for kind, failure in _BY_TYPE:
        if any(isinstance(link, kind) for link in chain):
            return failure
    return _UNKNOWN


async def wait_for_database(settings: Settings, url: DatabaseURL) -> None:
    """Returns once the database answers; tries for DB_CONNECT_TIMEOUT seconds.

    Raises DatabaseUnreachableError: at once where waiting cannot help (a wrong password, a missing database).
    """
    deadline = time.monotonic() + settings.db_connect_timeout
    pause = _FIRST_PAUSE
    engine = create_unpooled_engine(url, settings.db_connect_timeout)
    while (failure := await _try_once(engine, deadline)) is not None:
        left = deadline - time.monotonic()
        # Not one more attempt in the little that is left: it would only be cut off, and hide the reason.
        if not failure.retry or left <= pause:
            raise DatabaseUnreachableError(_message(url, failure, settings.db_connect_timeout))
        log.warning("waiting for the database", database=url.location, reason=failure.reason, seconds_left=round(left))
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


@asynccontextmanager
async def connected(url: DatabaseURL) -> AsyncIterator[None]:
    """Makes of a connection that cannot be had, or is lost, a DatabaseUnreachableError.

    A statement that the server refuses, for want of a privilege for instance, becomes a MigrationFailedError.
    """
    try:
        yield
    except (OSError, DBAPIError) as exc:
        if is_refusal(exc):
            raise MigrationFailedError(f"The database {url.location} refused: {cause_of(exc)}.") from exc
        raise DatabaseUnreachableError(f"The database {url.location} was lost: {explain(exc).reason}.") from exc


def is_refusal(exc: BaseException) -> bool:
    """Whether the server answered, and no to this statement rather than to the whole session."""
    if not isinstance(exc, DBAPIError) or exc.statement is None or is_lost(exc):
        return False
    state: str = getattr(exc.orig, "sqlstate", None) or ""
    # Classes: connection exception, insufficient resources, operator intervention (appendix A); of the last,
    # query_canceled ends a statement alone: by the statement_timeout of a role, for instance.
    return state == "57014" or (state != "" and state[:2] not in {"08", "53", "57"})


def is_lost(exc: BaseException) -> bool:
    """Whether it is the connection that went, and not a statement: the same may well succeed on another one."""
    if isinstance(exc, OSError) or getattr(exc, "connection_invalidated", False):
        return True
    sqlstate = sqlstate_of(exc) or ""
    return sqlstate.startswith("08") or sqlstate in _LOST


def first_of(exc: Exception) -> Exception:
    """What went wrong first: an autocommit block that has lost its connection ends by saying that it has none."""
    first = exc.__context__
    return first if isinstance(exc, PendingRollbackError) and isinstance(first, DBAPIError) else exc


def _message(url: DatabaseURL, failure: ConnectFailure, seconds: float) -> str:
    waited = f" within {seconds:g} s" if failure.retry else ""
    # The notes say why a certificate was checked at all, where the URL's own words do not ask for it.
    notes = "".join(f" ({note})" for note in url.notes) if failure is _UNTRUSTED else ""
    return f"The database {url.location} cannot be reached{waited}: {failure.reason}.{notes}"


async def _try_once(engine: AsyncEngine, deadline: float) -> ConnectFailure | None:
    try:
        async with asyncio.timeout(deadline - time.monotonic()), engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except (OSError, DBAPIError, TimeoutError) as exc:
        return explain(exc)
    return None

"""What a failure to connect means: in words, with a remedy, and whether another attempt may succeed."""

import socket
import ssl
from typing import NamedTuple

from asyncpg.exceptions import ClientConfigurationError, TargetServerAttributeNotMatched
from sqlalchemy.exc import DBAPIError

from . import sqlstate
from .errors import one_printable_line, server_error_of, sqlstate_of


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
UNTRUSTED = ConnectFailure("the server's TLS certificate is not trusted", retry=False)
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
    (ssl.SSLCertVerificationError, UNTRUSTED),
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

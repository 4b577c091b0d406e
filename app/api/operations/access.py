"""Who may see the operations page: OPERATIONS_TOKEN, a super admin's token; in dev, whoever asks from this machine."""

import base64
from ipaddress import ip_address
from typing import Any

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.api.http.auth import count_failed_sign_in
from app.core.errors import NotFoundError, ServiceUnavailableError, UnauthorizedError
from app.core.security import PERSONAL_TOKEN_PREFIX, tokens_equal
from app.core.settings import Settings
from app.db.plugin import DatabasePlugin
from app.db.request.session import session_of
from app.postgres.errors import sqlstate_of
from app.postgres.sqlstate import LOCK_NOT_AVAILABLE
from app.services.callers import UnknownTokenError, sign_in_by_token
from app.services.users import UserService

# A proxy has sent the request, so that the address is not that of who has asked; or another site's page has.
_SENT_BY_OTHERS = ("forwarded", "x-forwarded-for", "x-real-ip", "via", "origin")
# A person waits, and holds a connection of the requests' meanwhile.
_LIMIT_LOCK_WAITS = text("SET LOCAL lock_timeout = '1s'")
_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class OperationsTokenError(UnauthorizedError):
    """A browser then asks for a name and a password (RFC 7617)."""

    default_detail = "Sign in with any user name, and OPERATIONS_TOKEN as the password."

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Basic realm="Plimsoll operations", charset="UTF-8"'}


class UncheckedTokenError(ServiceUnavailableError):
    code = "database_unavailable"
    default_detail = "The users cannot be read while a table is locked: sign in with OPERATIONS_TOKEN, or try again."


async def require_operator(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Return if the caller may see the page.

    Otherwise raises OperationsTokenError, TooManyRequestsError or UncheckedTokenError, and NotFoundError where no token
    is set.
    """
    settings = connection.app.plugins.get(DatabasePlugin).settings
    token = _token(connection.headers.get("authorization", ""))
    if token is None and settings.is_dev and _is_from_this_machine(connection):
        return
    if token is not None and await _is_operator(connection, settings, token):
        return
    if token is not None:
        await count_failed_sign_in(Request(connection.scope))
    raise NotFoundError if settings.operations_token is None else OperationsTokenError


async def _is_operator(connection: ASGIConnection[Any, Any, Any, Any], settings: Settings, token: str) -> bool:
    expected = settings.operations_token
    if expected is not None and tokens_equal(token, expected.reveal()):
        return True
    if not token.startswith(PERSONAL_TOKEN_PREFIX):
        return False
    session = session_of(connection.scope)
    try:
        await session.execute(_LIMIT_LOCK_WAITS)
        caller = await sign_in_by_token(session, token=token)
        return (await UserService(session, caller).get()).is_super_admin
    except (UnknownTokenError, NotFoundError):
        return False
    except DBAPIError as exc:
        if sqlstate_of(exc) != LOCK_NOT_AVAILABLE:
            raise
        raise UncheckedTokenError from None
    finally:
        await session.close()


def _token(authorization: str) -> str | None:
    """Return the token that is sent as the bearer or as the password; None without either."""
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    # It is not base64, not ASCII, or not UTF-8.
    except ValueError:
        return ""


def _is_from_this_machine(connection: ASGIConnection[Any, Any, Any, Any]) -> bool:
    """Return whether a person at this machine asks by its own name: no proxy, and no other site's page."""
    name = connection.headers.get("host", "")
    if not name.endswith("]"):
        name = name.rpartition(":")[0] or name
    if connection.client is None or name.lower() not in _OWN_NAMES or any(map(connection.headers.get, _SENT_BY_OTHERS)):
        return False
    try:
        return ip_address(connection.client.host).is_loopback
    except ValueError:
        return False

"""Authentication: the token of a request identifies a person in their active organization, or an agent."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import structlog
from litestar import Request
from litestar.enums import ScopeType
from litestar.exceptions import InternalServerException
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.http.admission import not_counted
from app.api.http.idempotency import IN_ANY_ORGANIZATION
from app.core.errors import RequestTimeoutError, ServiceUnavailableError, UnauthorizedError
from app.core.identity import InvalidJWTError, IssuerUnreachableError
from app.core.security import AGENT_TOKEN_PREFIX, PERSONAL_TOKEN_PREFIX, tokens_equal
from app.core.settings import AuthMode, Settings
from app.db.request.client import ClientDisconnectedError
from app.db.request.read_route import SAFE_METHODS, read_route_of
from app.db.request.separate_transaction import separate_transaction
from app.db.request.session import session_of
from app.postgres.errors import sqlstate_of
from app.postgres.sqlstate import READ_ONLY_SQL_TRANSACTION
from app.services.callers import (
    Caller,
    ReadOnlyTokenError,
    UnknownTokenError,
    ensure_organization,
    record_token_use,
    sign_in_agent,
    sign_in_by_identity,
    sign_in_by_token,
    sign_in_local,
)
from app.services.rate_limits import Limit

if TYPE_CHECKING:
    from app.core.oidc import Issuer

FAILED_SIGN_INS = Limit("failed sign-ins", 60, timedelta(minutes=1))
"""Limits sign-ins from one address with tokens that are not known."""
# In a handler's `opt`: no sign-in is needed.
PUBLIC = "public"
# In a handler's `opt`: it must read the primary's present state.
NEWEST = "newest"
_SIGN_IN = "sign_in"

log = structlog.stdlib.get_logger(__name__)


class SignIn(Protocol):
    """A function that finds the caller, and with them the board that the request is about."""

    def __call__(self, session: AsyncSession, board_id: UUID | None = None) -> Awaitable[Caller]: ...


def sign_in_of(scope: Scope) -> SignIn:
    """Return the function that signs the caller in again, for a response that outlives the transaction."""
    sign_in: SignIn = scope["state"][_SIGN_IN]
    return sign_in


class AuthMiddleware(ASGIMiddleware):
    """Signs the caller in. Without a token, or with a malformed one, it raises before the body is read."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._issuer = _issuer_of(settings)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if scope["route_handler"].opt.get(PUBLIC):
            await self._receive_body(Request(scope, receive, send))
        elif scope["type"] == ScopeType.HTTP and scope["method"] != "OPTIONS":
            request: Request[Any, Any, Any] = Request(scope, receive, send)
            try:
                scope["user"] = await self._sign_in(request)
            except UnknownTokenError:
                await count_failed_sign_in(request)
                raise
        await next_app(scope, receive, send)

    async def _sign_in(self, request: Request[Any, Any, Any]) -> Caller:
        """Return the caller. Raises UnauthorizedError and ReadOnlyTokenError."""
        sign_in = await self._choose_sign_in(_token(request.scope), request.scope)
        await self._receive_body(request)
        caller = await _find_caller(request, sign_in)
        if caller.user and caller.membership is None and not request.route_handler.opt.get(IN_ANY_ORGANIZATION):
            caller = await _give_organization(request, sign_in, caller)
        if request.method not in SAFE_METHODS and not caller.may_write:
            raise ReadOnlyTokenError
        read_route_of(request.scope).caller_id = caller.id
        await _record_token_use(session_of(request.scope), caller)
        request.scope["state"][_SIGN_IN] = sign_in
        return caller

    async def _choose_sign_in(self, token: str, scope: Scope) -> SignIn:
        """Return the sign-in for this kind of token.

        Raises UnknownTokenError if the token is wrong by itself, without a query, and ServiceUnavailableError.
        """
        if token.startswith(AGENT_TOKEN_PREFIX):
            return partial(sign_in_agent, token=token)
        if token.startswith(PERSONAL_TOKEN_PREFIX):
            return partial(sign_in_by_token, token=token)
        if self._issuer is not None:
            return await _sign_in_by_issuer(self._issuer, token, scope)
        expected = self._settings.local_auth_token
        if expected is None or not tokens_equal(token, expected.reveal()):
            raise UnknownTokenError
        return sign_in_local

    async def _receive_body(self, request: Request[Any, Any, Any]) -> None:
        """Receive the whole body before the first query, so that a slow client holds no connection to the database.

        The handler's request finds it in the scope. Raises RequestTimeoutError and ClientDisconnectedError.
        """
        if request.method in SAFE_METHODS:
            # The body of such a request has no meaning (RFC 9110, 9.3.1).
            return
        try:
            async with asyncio.timeout(self._settings.request_body_timeout):
                await request.body()
        except TimeoutError:
            raise RequestTimeoutError from None
        except InternalServerException:
            # Litestar raises it if the client hangs up within the body.
            raise ClientDisconnectedError from None


async def _find_caller(request: Request[Any, Any, Any], sign_in: SignIn) -> Caller:
    """Sign in on the server that the request will read. Raises UnauthorizedError."""
    session, route = session_of(request.scope), read_route_of(request.scope)
    board_id = request.path_params.get("board_id")
    only_reads = request.method in SAFE_METHODS and not request.scope["route_handler"].opt.get(NEWEST)
    if only_reads and await route.use_replica():
        # A token that the replica does not know may be new.
        with suppress(UnknownTokenError):
            caller = await sign_in(session, board_id)
            if route.shows_changes_of(caller.id):
                return caller
        await route.use_primary()
    return await sign_in(session, board_id)


async def _give_organization(request: Request[Any, Any, Any], sign_in: SignIn, caller: Caller) -> Caller:
    """Sign in again with an organization, which is made where the user is in none.

    If the database is read-only, the caller stays without one: what needs none can be read all the same.
    """
    session = session_of(request.scope)
    # A replica may be behind, and cannot store it.
    await read_route_of(request.scope).use_primary()
    try:
        await ensure_organization(session, caller.person.id)
    except DBAPIError as exc:
        if sqlstate_of(exc) != READ_ONLY_SQL_TRANSACTION:
            raise
        await session.rollback()
        return caller
    return await sign_in(session, request.path_params.get("board_id"))


async def _record_token_use(session: AsyncSession, caller: Caller) -> None:
    """Note that the token was used. If the database is read-only, leave it out: reading is possible all the same."""
    try:
        await record_token_use(session, caller)
    except DBAPIError as exc:
        if sqlstate_of(exc) != READ_ONLY_SQL_TRANSACTION:
            raise
        await session.rollback()


def _issuer_of(settings: Settings) -> "Issuer | None":
    if settings.auth_mode is not AuthMode.OIDC:
        return None
    # Imported here because JWTs and an HTTP client take 12 MB of memory, and only an issuer needs them.
    from app.core.oidc import Issuer  # noqa: PLC0415

    return Issuer(settings)


async def _sign_in_by_issuer(issuer: "Issuer", token: str, scope: Scope) -> SignIn:
    """Return the sign-in for a token of the issuer. Raises UnknownTokenError and ServiceUnavailableError."""
    try:
        return partial(sign_in_by_identity, identity=await issuer.identify(token, partial(not_counted, scope)))
    except InvalidJWTError as exc:
        log.info("a token of the issuer is not good", reason=str(exc))
        raise UnknownTokenError from None
    except IssuerUnreachableError:
        raise ServiceUnavailableError("The issuer of the tokens cannot be reached; try again shortly.") from None


async def count_failed_sign_in(request: Request[Any, Any, Any]) -> None:
    """Count a failed sign-in. Raises TooManyRequestsError.

    Callers with a valid token are never refused for it: they may share the address with others.
    """
    await session_of(request.scope).close()
    async with separate_transaction(request.scope) as counting:
        await FAILED_SIGN_INS.take(counting, request.client.host if request.client else "")


def _token(scope: Scope) -> str:
    """Return the token of `X-Agent-Token` or `Authorization`. Raises UnauthorizedError unless there is exactly one."""
    agent = [value.decode("latin-1").strip() for name, value in scope["headers"] if name == b"x-agent-token"]
    bearer = [_bearer(value) for name, value in scope["headers"] if name == b"authorization"]
    tokens = agent + bearer
    if len(tokens) != 1 or not tokens[0]:
        raise UnauthorizedError
    return tokens[0]


def _bearer(value: bytes) -> str:
    scheme, _, token = value.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""

"""Who is calling: the token of a request, turned into a person in his active organization, or into an agent."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
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

from app.api.http.admission import standing_aside
from app.core.config import AuthMode, Settings
from app.core.errors import RequestTimeoutError, ServiceUnavailableError, UnauthorizedError
from app.core.identity import InvalidJWTError, IssuerUnreachableError
from app.core.security import AGENT_TOKEN_PREFIX, PERSONAL_TOKEN_PREFIX, tokens_equal
from app.db.request.client import ClientDisconnectedError
from app.db.request.session import SAFE_METHODS, read_route_of, separate_transaction, session_of
from app.postgres.errors import READ_ONLY, sqlstate_of
from app.services.identity import (
    FAILED_SIGN_INS,
    Caller,
    ReadOnlyTokenError,
    UnknownTokenError,
    note_use,
    sign_in_agent,
    sign_in_by_identity,
    sign_in_by_token,
    sign_in_local,
)

if TYPE_CHECKING:
    from app.core.oidc import Issuer

# In a handler's `opt`: nobody needs to sign in.
PUBLIC = "public"
# In a handler's `opt`: what it reads may not be older than what the primary has.
NEWEST = "newest"
_SIGN_IN = "sign_in"

log = structlog.stdlib.get_logger(__name__)


class SignIn(Protocol):
    """Finds the caller, and the board that the request is about."""

    def __call__(self, session: AsyncSession, board_id: UUID | None = None) -> Awaitable[Caller]: ...


def sign_in_of(scope: Scope) -> SignIn:
    """Signs the caller of a signed-in request in again, for a response that outlives its transaction."""
    sign_in: SignIn = scope["state"][_SIGN_IN]
    return sign_in


class AuthMiddleware(ASGIMiddleware):
    """Signs the request in, or answers 401 before its body is read."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._issuer = _issuer_of(settings)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if scope["route_handler"].opt.get(PUBLIC):
            await self._receive_body(Request(scope, receive, send))
        elif scope["type"] == ScopeType.HTTP and scope["method"] != "OPTIONS":
            request = Request[Any, Any, Any](scope, receive, send)
            try:
                scope["user"] = await self._sign_in(request)
            except UnknownTokenError:
                await _count_failure(request)
                raise
        await next_app(scope, receive, send)

    async def _sign_in(self, request: Request[Any, Any, Any]) -> Caller:
        """Raises UnauthorizedError and ReadOnlyTokenError."""
        sign_in = await self._way_in(_token(request.scope), request.scope)
        await self._receive_body(request)
        caller = await _find(request, sign_in)
        if request.method not in SAFE_METHODS and not caller.may_write:
            raise ReadOnlyTokenError
        read_route_of(request.scope).caller_id = caller.id
        await _note_use(session_of(request.scope), caller)
        request.scope["state"][_SIGN_IN] = sign_in
        return caller

    async def _way_in(self, token: str, scope: Scope) -> SignIn:
        """Raises UnknownTokenError where that needs no look at the database, and ServiceUnavailableError."""
        if token.startswith(AGENT_TOKEN_PREFIX):
            return partial(sign_in_agent, token=token)
        if token.startswith(PERSONAL_TOKEN_PREFIX):
            return partial(sign_in_by_token, token=token)
        if self._issuer is not None:
            return await _identified(self._issuer, token, scope)
        expected = self._settings.local_auth_token
        if expected is None or not tokens_equal(token, expected.reveal()):
            raise UnknownTokenError
        return sign_in_local

    async def _receive_body(self, request: Request[Any, Any, Any]) -> None:
        """Has the whole body before anything asks the database: a slow client must not hold a connection of it.

        The request that the handler gets finds it there. Raises RequestTimeoutError and ClientDisconnectedError.
        """
        if request.method in SAFE_METHODS:
            # A body means nothing there (RFC 9110, 9.3.1).
            return
        try:
            async with asyncio.timeout(self._settings.request_body_timeout):
                await request.body()
        except TimeoutError:
            raise RequestTimeoutError from None
        except InternalServerException:
            # Litestar's word for a client that hangs up within its body.
            raise ClientDisconnectedError from None


async def _find(request: Request[Any, Any, Any], sign_in: SignIn) -> Caller:
    """Signs in where the request will read. Raises UnauthorizedError."""
    session, route = session_of(request.scope), read_route_of(request.scope)
    board_id = request.path_params.get("board_id")
    only_reads = request.method in SAFE_METHODS and not request.scope["route_handler"].opt.get(NEWEST)
    if only_reads and await route.use_replica():
        # One that is not known there may be new.
        with suppress(UnknownTokenError):
            caller = await sign_in(session, board_id)
            if route.shows_changes_of(caller.id):
                return caller
        await route.use_primary()
    return await sign_in(session, board_id)


async def _note_use(session: AsyncSession, caller: Caller) -> None:
    """Note that the token is used, unless the database can only be read: that is no reason to refuse a reader."""
    try:
        await note_use(session, caller)
    except DBAPIError as exc:
        if sqlstate_of(exc) != READ_ONLY:
            raise
        await session.rollback()


def _issuer_of(settings: Settings) -> "Issuer | None":
    if settings.auth_mode is not AuthMode.OIDC:
        return None
    # Imported here because without an issuer nobody needs JWTs and an HTTP client: that is 12 MB of memory.
    from app.core.oidc import Issuer  # noqa: PLC0415

    return Issuer(settings)


async def _identified(issuer: "Issuer", token: str, scope: Scope) -> SignIn:
    """By the issuer's token."""
    try:
        return partial(sign_in_by_identity, identity=await issuer.identify(token, partial(standing_aside, scope)))
    except InvalidJWTError as exc:
        log.info("a token of the issuer is not good", reason=str(exc))
        raise UnknownTokenError from None
    except IssuerUnreachableError:
        raise ServiceUnavailableError("Whoever issues the tokens cannot be reached; try again shortly.") from None


async def _count_failure(request: Request[Any, Any, Any]) -> None:
    """Raises TooManyRequestsError. Who has a good token is let in all the same: others may share his address."""
    await session_of(request.scope).close()
    async with separate_transaction(request.scope) as counting:
        await FAILED_SIGN_INS.take(counting, request.client.host if request.client else "")


def _token(scope: Scope) -> str:
    """Of `X-Agent-Token`, or of the bearer form. Raises UnauthorizedError, also where there is more than one."""
    of_agent = [value.decode("latin-1").strip() for name, value in scope["headers"] if name == b"x-agent-token"]
    bearer = [_bearer(value) for name, value in scope["headers"] if name == b"authorization"]
    tokens = of_agent + bearer
    if len(tokens) != 1 or not tokens[0]:
        raise UnauthorizedError
    return tokens[0]


def _bearer(value: bytes) -> str:
    scheme, _, token = value.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""

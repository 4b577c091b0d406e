"""Who is calling: the token of a request, turned into a person in his active organization, or into an agent."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from litestar import Request
from litestar.enums import ScopeType
from litestar.exceptions import InternalServerException
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.config import Settings
from app.core.errors import RequestTimeoutError, UnauthorizedError
from app.core.security import AGENT_TOKEN_PREFIX, tokens_equal
from app.db.session import ClientDisconnectedError, session_of
from app.services.identity import Caller, sign_in_agent, sign_in_local

# In a handler's `opt`: nobody needs to sign in.
PUBLIC = "public"
_SIGN_IN = "sign_in"
SignIn = Callable[[AsyncSession], Awaitable[Caller]]


def sign_in_of(scope: Scope) -> SignIn:
    """Signs the caller of a signed-in request in again, for a response that outlives its transaction."""
    sign_in: SignIn = scope["state"][_SIGN_IN]
    return sign_in


class AuthMiddleware(ASGIMiddleware):
    """Signs the request in, or answers 401 before its body is read."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if scope["route_handler"].opt.get(PUBLIC):
            await self._receive_body(Request(scope, receive, send))
        elif scope["type"] == ScopeType.HTTP and scope["method"] != "OPTIONS":
            token = _token(scope)
            is_agent = token.startswith(AGENT_TOKEN_PREFIX)
            if not is_agent:
                self._check(token)
            await self._receive_body(Request(scope, receive, send))
            sign_in = partial(sign_in_agent, token=token) if is_agent else sign_in_local
            scope["state"][_SIGN_IN] = sign_in
            scope["user"] = await sign_in(session_of(scope))
        await next_app(scope, receive, send)

    async def _receive_body(self, request: Request[Any, Any, Any]) -> None:
        """Has the whole body before anything asks the database: a slow client must not hold a connection of it.

        The request that the handler gets finds it there. Raises RequestTimeoutError and ClientDisconnectedError.
        """
        try:
            async with asyncio.timeout(self._settings.request_body_timeout):
                await request.body()
        except TimeoutError:
            raise RequestTimeoutError from None
        except InternalServerException:
            # Litestar's word for a client that hangs up within its body.
            raise ClientDisconnectedError from None

    def _check(self, token: str) -> None:
        expected = self._settings.local_auth_token
        if expected is None or not tokens_equal(token, expected.reveal()):
            raise UnauthorizedError("This token is not known.")


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

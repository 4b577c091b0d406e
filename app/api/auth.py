"""Who is calling: the bearer token of a request, turned into a user and his place in his active organization."""

import asyncio
from typing import Any

from litestar import Request
from litestar.enums import ScopeType
from litestar.exceptions import InternalServerException
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from app.core.config import Settings
from app.core.errors import RequestTimeoutError, UnauthorizedError
from app.core.security import tokens_equal
from app.db.session import ClientDisconnectedError, session_of
from app.services.identity import sign_in_local


class AuthMiddleware(ASGIMiddleware):
    """Signs the request in, or answers 401 before its body is read."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if scope["type"] == ScopeType.HTTP and scope["method"] != "OPTIONS":
            self._check(_bearer(scope))
            await self._receive_body(Request(scope, receive, send))
            identity = await sign_in_local(session_of(scope))
            scope["user"] = identity
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


def _bearer(scope: Scope) -> str:
    values = [value for name, value in scope["headers"] if name == b"authorization"]
    if not values:
        raise UnauthorizedError
    scheme, _, token = values[0].decode("latin-1").partition(" ")
    if scheme.lower() != "bearer" or not token.strip() or len(values) > 1:
        raise UnauthorizedError
    return token.strip()

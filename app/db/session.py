"""The commit boundary: one request, one session, one transaction.

The session belongs to the middleware, which closes it whatever happens: Litestar drops a generator dependency
without closing it when another dependency of the same request fails. The commit belongs to the dependency, which runs
after the handler and before the response starts, so that a COMMIT that fails is an error response.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from http import HTTPMethod
from typing import Any

from litestar import Request
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

_SESSION = "db_session"
_SAFE_METHODS = frozenset({HTTPMethod.GET, HTTPMethod.HEAD, HTTPMethod.OPTIONS})


class ClientDisconnectedError(Exception):
    """The client hung up before its change was committed; nothing was stored, and nobody is there to be told."""


class SessionMiddleware(ASGIMiddleware):
    """Gives each HTTP request a session, and closes it; the session takes a connection at its first statement."""

    scopes = (ScopeType.HTTP,)

    def __init__(self, factory: async_sessionmaker[AsyncSession]) -> None:
        self._factory = factory

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        # Leaving the context closes the session in a task of its own, which a cancelled request cannot cancel.
        async with self._factory() as session:
            scope["state"][_SESSION] = session
            await next_app(scope, receive, send)


def session_of(scope: Scope) -> AsyncSession:
    """The session of this request."""
    session: AsyncSession = scope["state"][_SESSION]
    return session


async def provide_session(request: Request[Any, Any, Any]) -> AsyncGenerator[AsyncSession, None]:
    """The request's session; commits when the handler returned, rolls back when anything was raised."""
    session = session_of(request.scope)
    try:
        yield session
        if request.method not in _SAFE_METHODS:
            await _refuse_if_client_is_gone(request.receive)
        await session.commit()
    except BaseException:
        await asyncio.shield(session.rollback())
        raise


async def _refuse_if_client_is_gone(receive: Receive) -> None:
    """Raises ClientDisconnectedError if the server already knows that; never waits for a message."""
    message = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    if message.done():
        if message.result()["type"] == "http.disconnect":
            raise ClientDisconnectedError
        return
    message.cancel()
    with suppress(asyncio.CancelledError):
        await message

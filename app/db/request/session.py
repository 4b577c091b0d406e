"""The commit boundary: one request, one session, one transaction.

The session belongs to the middleware, which closes it whatever happens: Litestar drops a generator dependency
without closing it when another dependency of the same request fails. The commit belongs to the dependency, which runs
after the handler and before the response starts, so that a COMMIT that fails is an error response.

A transaction that the server has ended for no fault of the request, or whose connection was dead or cut before its
COMMIT, is run again from its start: nothing of it was stored, and its response has not started. So is a request that
reads, and that a replica could not answer: then the primary does.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPMethod
from typing import Any

import structlog
from litestar import Request
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.core.errors import AppError
from app.core.session_info import NOTIFY_ON_COMMIT
from app.db.replicas.selection import Replicas
from app.db.request.prepared import give_back, holds_connection
from app.db.request.read_route import Route
from app.postgres.client import Client, ClientDisconnectedError, serving
from app.postgres.errors import lost_connection, sqlstate_of, was_ended_between

_SESSION = "db_session"
_NOTIFY = "db_session_notify"
_FACTORY = "db_session_factory"
_ROUTE = "db_session_route"
_MAY_REPEAT = "db_session_may_repeat"
_COMMITTING = "db_session_committing"
_REHEARSED = "db_session_rehearsed"
_TRIES = 3
# serialization_failure and deadlock_detected: another transaction won, perhaps a schema change. feature_not_supported:
# the columns of a prepared statement have another type since; SQLAlchemy then prepares all of its statements anew.
_TO_REPEAT = frozenset({"40001", "40P01", "0A000"})
# Class 57, operator intervention.
_ENDED_BY_OPERATOR = "57"
SAFE_METHODS = frozenset({HTTPMethod.GET, HTTPMethod.HEAD, HTTPMethod.OPTIONS})

log = structlog.stdlib.get_logger(__name__)


class SessionMiddleware(ASGIMiddleware):
    """Gives each HTTP request a session, and closes it; the session takes a connection at its first statement."""

    scopes = (ScopeType.HTTP,)

    def __init__(
        self,
        factory: async_sessionmaker[AsyncSession],
        notify: Callable[[], None],
        replicas: Callable[[], Replicas | None],
    ) -> None:
        self._factory = factory
        self._notify = notify
        self._replicas = replicas

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        client = Client(receive)
        before = serving.set(client)
        try:
            await self._try_often(scope, client.receive, send, next_app)
        finally:
            serving.reset(before)

    async def _try_often(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        for left in reversed(range(_TRIES)):
            scope["state"] |= {_MAY_REPEAT: left > 0, _COMMITTING: False, _REHEARSED: False}
            try:
                await self._try(scope, receive, send, next_app)
            except Exception as exc:
                if not will_be_repeated(scope, exc):
                    raise
                log.info("the transaction is repeated", sqlstate=sqlstate_of(exc), path=scope["path"])
            else:
                return

    async def _try(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        session = self._factory()
        route = Route(session, self._replicas(), is_repeated=_ROUTE in scope["state"])
        scope["state"] |= {_SESSION: session, _NOTIFY: self._notify, _FACTORY: self._factory, _ROUTE: route}
        try:
            await next_app(scope, receive, send)
        finally:
            if holds_connection(session):
                # In a task of its own, which a cancelled request cannot cancel.
                await asyncio.shield(asyncio.create_task(session.close()))


def will_be_repeated(scope: Scope, exc: BaseException) -> bool:
    """Whether the request's transaction failed in such a way that it is run again, once this error is raised."""
    state = scope["state"]
    if not state.get(_MAY_REPEAT):
        return False
    if route_of(scope).is_refused(exc):
        return True
    sqlstate = sqlstate_of(exc) or ""
    # Who ends a session means what it does, unless it did nothing.
    was_ended = sqlstate.startswith(_ENDED_BY_OPERATOR) and not was_ended_between(exc)
    # Whether a COMMIT whose answer was lost was carried out nobody knows.
    was_cut = lost_connection(exc) and not was_ended and not state.get(_COMMITTING)
    return sqlstate in _TO_REPEAT or was_cut


def rehearse(scope: Scope) -> None:
    """Have nothing of this request stored, whatever its handler does and answers."""
    scope["state"][_REHEARSED] = True


def session_of(scope: Scope) -> AsyncSession:
    """The session of this request."""
    session: AsyncSession = scope["state"][_SESSION]
    return session


def route_of(scope: Scope) -> Route:
    """That of this request's session."""
    route: Route = scope["state"][_ROUTE]
    return route


@asynccontextmanager
async def own_transaction(scope: Scope) -> AsyncIterator[AsyncSession]:
    """A transaction beside the request's, for what is to stay whatever becomes of that, an AppError in it included.

    It is for before the request's first statement: who holds one connection must not wait for another.
    """
    factory: async_sessionmaker[AsyncSession] = scope["state"][_FACTORY]
    async with factory() as session:
        try:
            yield session
        except AppError:
            await session.commit()
            raise
        await session.commit()


async def provide_session(request: Request[Any, Any, Any]) -> AsyncGenerator[AsyncSession, None]:
    """The request's session; commits when the handler returned, rolls back when anything was raised.

    Its connection is free again before the response starts: a slow client, or a stream, holds none.
    """
    session, route = session_of(request.scope), route_of(request.scope)
    may_write = request.method not in SAFE_METHODS
    try:
        yield session
        if request.scope["state"].get(_REHEARSED):
            session.info.pop(NOTIFY_ON_COMMIT, None)
            await session.rollback()
            give_back(session)
            return
        if may_write:
            await _refuse_if_client_is_gone(request.receive)
        else:
            route.count()
        if session.in_transaction():
            request.scope["state"][_COMMITTING] = True
            has_written = route.has_written(may_write=may_write)
            await session.commit()
            if has_written:
                await route.tell()
                await session.commit()
        if session.info.pop(NOTIFY_ON_COMMIT, False):
            request.scope["state"][_NOTIFY]()
        give_back(session)
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

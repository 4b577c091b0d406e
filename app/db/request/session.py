"""The commit boundary: one request, one session, one transaction.

The middleware opens and closes the session: Litestar would drop a generator dependency without closing it when another
dependency of the same request fails. The dependency commits, after the handler and before the response starts, so that
a failing COMMIT becomes an error response.

A request is run again from its start if the server ended its transaction for no fault of the request, or if its
connection was lost before the COMMIT: nothing was stored, and the response has not started. A reading request that a
replica could not answer is run again, too, on the primary.
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
from app.db.replicas.selection import Replicas
from app.db.request.client import Client, ClientDisconnectedError
from app.db.request.prepared import holds_connection, release_connection
from app.db.request.read_route import ReadRoute
from app.db.request.session_info import NOTIFY_ON_COMMIT
from app.postgres.errors import has_lost_connection, sqlstate_of, was_ended_while_idle
from app.postgres.pool import abandonment_by_task
from app.postgres.sqlstate import DEADLOCK_DETECTED, FEATURE_NOT_SUPPORTED, SERIALIZATION_FAILURE

_SESSION = "db_session"
_NOTIFY = "db_session_notify"
_FACTORY = "db_session_factory"
_ROUTE = "db_session_route"
_MAY_RETRY = "db_session_may_retry"
_COMMITTING = "db_session_committing"
_DRY_RUN = "db_session_dry_run"
_MAX_ATTEMPTS = 3
# serialization_failure and deadlock_detected: another transaction won, perhaps a schema change. feature_not_supported:
# a column of a prepared statement has changed its type; SQLAlchemy then prepares all of its statements anew.
_RETRYABLE = frozenset({SERIALIZATION_FAILURE, DEADLOCK_DETECTED, FEATURE_NOT_SUPPORTED})
# Class 57, operator intervention.
_ENDED_BY_OPERATOR = "57"
SAFE_METHODS = frozenset({HTTPMethod.GET, HTTPMethod.HEAD, HTTPMethod.OPTIONS})

log = structlog.stdlib.get_logger(__name__)


class SessionMiddleware(ASGIMiddleware):
    """Gives each HTTP request a session, and closes it. The session takes a connection at its first statement."""

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
        task = asyncio.current_task()
        assert task is not None, "a coroutine runs in a task"
        abandonment_by_task[task] = client.raise_when_gone
        try:
            await self._run_with_retries(scope, client.receive, send, next_app)
        finally:
            del abandonment_by_task[task]

    async def _run_with_retries(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        for left in reversed(range(_MAX_ATTEMPTS)):
            scope["state"] |= {_MAY_RETRY: left > 0, _COMMITTING: False, _DRY_RUN: False}
            try:
                await self._run_once(scope, receive, send, next_app)
            except Exception as exc:
                if not will_be_retried(scope, exc):
                    raise
                log.info("the transaction is repeated", sqlstate=sqlstate_of(exc), path=scope["path"])
            else:
                return

    async def _run_once(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        session = self._factory()
        route = ReadRoute(session, self._replicas(), is_retry=_ROUTE in scope["state"])
        scope["state"] |= {_SESSION: session, _NOTIFY: self._notify, _FACTORY: self._factory, _ROUTE: route}
        try:
            await next_app(scope, receive, send)
        finally:
            if holds_connection(session):
                # In a task of its own: cancelling the request must not cancel this.
                await asyncio.shield(asyncio.create_task(session.close()))


def will_be_retried(scope: Scope, exc: BaseException) -> bool:
    """Return whether the middleware will run the request again when this error reaches it."""
    state = scope["state"]
    if not state.get(_MAY_RETRY):
        return False
    if read_route_of(scope).failed_on_replica(exc):
        return True
    sqlstate = sqlstate_of(exc) or ""
    # An operator who ends a session at work means to end that work. Between two statements there is none.
    was_ended = sqlstate.startswith(_ENDED_BY_OPERATOR) and not was_ended_while_idle(exc)
    # If the answer to a COMMIT is lost, nobody knows whether it was carried out.
    was_cut = has_lost_connection(exc) and not was_ended and not state.get(_COMMITTING)
    return sqlstate in _RETRYABLE or was_cut


def start_dry_run(scope: Scope) -> None:
    """Have this request rolled back, whatever its handler does and answers."""
    scope["state"][_DRY_RUN] = True


def session_of(scope: Scope) -> AsyncSession:
    """Return the session of this request."""
    session: AsyncSession = scope["state"][_SESSION]
    return session


def read_route_of(scope: Scope) -> ReadRoute:
    """Return the read route of this request's session."""
    route: ReadRoute = scope["state"][_ROUTE]
    return route


@asynccontextmanager
async def separate_transaction(scope: Scope) -> AsyncIterator[AsyncSession]:
    """Run a transaction apart from the request's. It is committed whatever the request does, and on an AppError too.

    Use it before the request's first statement: a request that holds one connection must not wait for another.
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
    """Yield the request's session; commit when the handler has returned, roll back when anything is raised.

    The connection is released before the response starts, so that a slow client or a stream holds none.
    """
    session, route = session_of(request.scope), read_route_of(request.scope)
    may_write = request.method not in SAFE_METHODS
    try:
        yield session
        if request.scope["state"].get(_DRY_RUN):
            session.info.pop(NOTIFY_ON_COMMIT, None)
            await session.rollback()
            release_connection(session)
            return
        if may_write:
            await _refuse_if_client_is_gone(request.receive)
        else:
            route.count()
        if session.in_transaction():
            request.scope["state"][_COMMITTING] = True
            must_announce = route.must_announce(may_write=may_write)
            await session.commit()
            if must_announce:
                await route.announce()
                await session.commit()
        if session.info.pop(NOTIFY_ON_COMMIT, False):
            request.scope["state"][_NOTIFY]()
        release_connection(session)
    except BaseException:
        await asyncio.shield(session.rollback())
        raise


async def _refuse_if_client_is_gone(receive: Receive) -> None:
    """Raise ClientDisconnectedError if a disconnect has arrived; never wait for a message."""
    message = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    if message.done():
        if message.result()["type"] == "http.disconnect":
            raise ClientDisconnectedError
        return
    message.cancel()
    with suppress(asyncio.CancelledError):
        await message

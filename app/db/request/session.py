"""The commit boundary: each attempt of a request has one session, and one COMMIT has all that it changes.

The transaction begins with the first statement that writes, locks rows or passes through SQLAlchemy; what is read
before that is outside of it (`prepared.py`). With read replicas a NOTIFY follows the COMMIT, to tell other processes of
it.

The middleware opens and closes the session: Litestar would drop a generator dependency without closing it when another
dependency of the same request fails. The dependency commits, after the handler and before the response starts, so that
a failing COMMIT becomes an error response, or the request is run again (`retry.py`).
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any

from litestar import Request
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.db.replicas.selection import Replicas
from app.db.request.client import Client, raise_if_gone
from app.db.request.read_route import SAFE_METHODS, read_route_of, set_read_route
from app.db.request.retry import note_commit, run_with_retries
from app.db.request.separate_transaction import FACTORY
from app.db.request.session_info import NOTIFY_ON_COMMIT
from app.db.request.single_connection import holds_connection, release_connection
from app.postgres.pool import abandonment_by_task

_SESSION = "db_session"
_NOTIFY = "db_session_notify"
_DRY_RUN = "db_session_dry_run"


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
            await run_with_retries(scope, partial(self._run_once, scope, client.receive, send, next_app))
        finally:
            del abandonment_by_task[task]

    async def _run_once(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        session = self._factory()
        set_read_route(scope, session, self._replicas())
        scope["state"] |= {_SESSION: session, _NOTIFY: self._notify, FACTORY: self._factory, _DRY_RUN: False}
        try:
            await next_app(scope, receive, send)
        finally:
            if holds_connection(session):
                # In a task of its own: cancelling the request must not cancel this.
                await asyncio.shield(asyncio.create_task(session.close()))


def start_dry_run(scope: Scope) -> None:
    """Have this request rolled back, whatever its handler does and answers."""
    scope["state"][_DRY_RUN] = True


def session_of(scope: Scope) -> AsyncSession:
    session: AsyncSession = scope["state"][_SESSION]
    return session


async def provide_session(request: Request[Any, Any, Any]) -> AsyncGenerator[AsyncSession, None]:
    """Yield the request's session; commit when the handler has returned, roll back when anything is raised.

    The connection is released before the response starts, so that a slow client or a stream holds none.
    """
    session, route = session_of(request.scope), read_route_of(request.scope)
    may_write = request.method not in SAFE_METHODS
    try:
        yield session
        if request.scope["state"].get(_DRY_RUN):
            await session.rollback()
            release_connection(session)
            return
        if may_write:
            await raise_if_gone(request.receive)
        else:
            route.count()
        if session.in_transaction():
            note_commit(request.scope)
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

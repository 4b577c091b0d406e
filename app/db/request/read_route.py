"""Which server a request reads: the primary or one replica.

A request that may write uses the primary alone. A request that only reads has one replica's connection for all of its
queries: two replicas may show different states, and prepared statements do not pass through SQLAlchemy's `get_bind`.
Which replica it is is decided here, once. Advanced Alchemy's routing session then sends to the primary what a reading
request writes (that its token was used, or a user's first sign-in).
"""

import asyncio
from http import HTTPMethod
from uuid import UUID

import structlog
from advanced_alchemy.routing import reset_routing_context, stick_to_primary_var
from litestar.types import Scope
from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import greenlet_spawn

from app.db.replicas.replica import Replica
from app.db.replicas.selection import Replicas
from app.db.request.single_connection import SingleConnectionSession
from app.postgres.connect_failure import classify_connect_error
from app.postgres.errors import has_lost_connection, sqlstate_of
from app.postgres.monitor import POLL_ERRORS, poll_failure

_READ = Counter("plimsoll_requests_read", "Reading requests, by the server that was read.", ["server"])
_PRIMARY = "primary"
_ROUTE = "db_read_route"
# Methods that only read (RFC 9110, 9.2.1).
SAFE_METHODS = frozenset({HTTPMethod.GET, HTTPMethod.HEAD, HTTPMethod.OPTIONS})

log = structlog.stdlib.get_logger(__name__)


class ReadRoute:
    """The route of one attempt of a request. If `replicas` is None, everything is read from the primary."""

    def __init__(self, session: AsyncSession, replicas: Replicas | None, *, is_retry: bool) -> None:
        self._session = session
        self._replicas = replicas
        self._is_retry = is_retry
        self._replica: Replica | None = None
        self._position = 0
        self.caller_id: UUID | None = None
        """The user or agent who calls, once they are known."""
        if replicas is not None:
            reset_routing_context()

    async def use_replica(self) -> bool:
        """Have the session read from a replica; return False if there is none that may be read.

        Call it before the session's first statement.
        """
        if self._replicas is None or self._is_retry or (replica := await self._replicas.choose()) is None:
            return False
        # The position before the first statement: what the statements show is this or newer.
        self._position = replica.position
        session = self._sync_session
        session.read_from(replica.selector)
        try:
            await greenlet_spawn(session.acquire_connection)
        except POLL_ERRORS as exc:
            if not isinstance(exc, PoolTimeoutError):
                replica.exclude(poll_failure(exc))
            session.read_from(None)
            return False
        self._replica = replica
        return True

    async def use_primary(self) -> None:
        """Have the session read from the primary from now on; what it has read so far is given up."""
        if self._replica is not None:
            self._replica = None
            await self._session.rollback()
            self._sync_session.read_from(None)

    def shows_changes_of(self, caller_id: UUID) -> bool:
        """Return whether what was read shows every change that this caller has made before."""
        if self._replica is None or self._replicas is None:
            return True
        return self._replicas.wal_tracker.position_of(caller_id) <= self._position

    def failed_on_replica(self, exc: BaseException) -> bool:
        """Return whether a replica is to blame, so that the primary may well answer. A timeout is not its fault.

        Repeating the request is then safe even if it wrote something: for its client it only reads.
        """
        if self._replica is None:
            return False
        is_lost = has_lost_connection(exc) or (isinstance(exc, OSError) and not isinstance(exc, TimeoutError))
        if is_lost:
            self._replica.exclude("it has cut a request off")
        return is_lost or sqlstate_of(exc) is not None

    def must_announce(self, *, may_write: bool) -> bool:
        """Return whether other processes are to be told of this commit. Call it before the commit."""
        return self._replicas is not None and self.caller_id is not None and (may_write or stick_to_primary_var.get())

    async def announce(self) -> None:
        """Tell all processes of the commit, or wait until none of them reads an older state.

        It never fails: the change is stored, and after an error the client would make it again.
        """
        assert self._replicas is not None, "must_announce"
        assert self.caller_id is not None, "must_announce"
        try:
            await self.use_primary()
            await self._replicas.wal_tracker.announce(self._session, self.caller_id)
        except (OSError, SQLAlchemyError) as exc:
            log.warning("nobody could be told of a change", reason=classify_connect_error(exc).reason)
            await self._session.rollback()
            await asyncio.sleep(self._replicas.max_lag)

    def count(self) -> None:
        if self._replicas is not None:
            _READ.labels(self._replica.name if self._replica else _PRIMARY).inc()

    @property
    def _sync_session(self) -> SingleConnectionSession:
        session = self._session.sync_session
        assert isinstance(session, SingleConnectionSession), "a request's session"
        return session


def set_read_route(scope: Scope, session: AsyncSession, replicas: Replicas | None) -> None:
    """Give an attempt of this request a route; only the first attempt may read from a replica."""
    scope["state"][_ROUTE] = ReadRoute(session, replicas, is_retry=_ROUTE in scope["state"])


def read_route_of(scope: Scope) -> ReadRoute:
    """Return the read route of this request's session."""
    route: ReadRoute = scope["state"][_ROUTE]
    return route

"""Which server a request reads.

A request that may write has the primary alone. One that only reads has one replica's connection for all that it asks,
by the driver as by the session: statements that are fetched by the driver pass no `get_bind`, and two replicas need
not show the same. So of Advanced Alchemy's routing it takes the session, which keeps apart what a reading request
writes (that its token is used, who comes for the first time); which replica it is is decided here, once.
"""

import asyncio
from uuid import UUID

import structlog
from advanced_alchemy.routing import reset_routing_context, stick_to_primary_var
from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.util import greenlet_spawn

from app.db.replicas.replica import Replica
from app.db.replicas.selection import Replicas
from app.db.request.prepared import OneConnection
from app.postgres.connect import classify_connect_error
from app.postgres.errors import lost_connection, sqlstate_of
from app.postgres.monitor import CANNOT_BE_ASKED, reason_of

_READ = Counter("plimsoll_requests_read", "Reading requests, by the server that was read.", ["server"])
_PRIMARY = "primary"

log = structlog.stdlib.get_logger(__name__)


class Route:
    """Of one try of a request. `replicas` None is the primary alone, without further words about it."""

    def __init__(self, session: AsyncSession, replicas: Replicas | None, *, is_repeated: bool) -> None:
        self._session = session
        self._replicas = replicas
        self._is_repeated = is_repeated
        self._replica: Replica | None = None
        self._position = 0
        self.caller_id: UUID | None = None
        """Whose request it is, once that is known."""
        if replicas is not None:
            reset_routing_context()

    async def to_replica(self) -> bool:
        """Has the session read from a replica, from its first statement on; False where there is none to be read."""
        if self._replicas is None or self._is_repeated or (replica := await self._replicas.choose()) is None:
            return False
        # What is found out later shows more than the first statement did.
        self._position = replica.position
        own = self._own
        own.read_from(replica.selector)
        try:
            await greenlet_spawn(own.current)
        except CANNOT_BE_ASKED as exc:
            if not isinstance(exc, PoolTimeoutError):
                replica.leave_out(reason_of(exc))
            own.read_from(None)
            return False
        self._replica = replica
        return True

    async def to_primary(self) -> None:
        if self._replica is not None:
            self._replica = None
            await self._session.rollback()
            self._own.read_from(None)

    def shows_all_to(self, caller_id: UUID) -> bool:
        """Whether what was read shows all that this caller has written before."""
        if self._replica is None or self._replicas is None:
            return True
        return self._replicas.written.by(caller_id) <= self._position

    def is_refused(self, exc: BaseException) -> bool:
        """Whether a replica is to blame, so that the primary may well answer; not for a statement that took too long.

        Then it is safe to ask again even where the request wrote something: it only reads, as far as a client can tell.
        """
        if self._replica is None:
            return False
        is_lost = lost_connection(exc) or (isinstance(exc, OSError) and not isinstance(exc, TimeoutError))
        if is_lost:
            self._replica.leave_out("it has cut a request off")
        return is_lost or sqlstate_of(exc) is not None

    def has_written(self, *, may_write: bool) -> bool:
        """Whether others are to be told; asked before the commit."""
        return self._replicas is not None and self.caller_id is not None and (may_write or stick_to_primary_var.get())

    async def tell(self) -> None:
        """All processes, once it is committed; or waits until none of them reads what was before.

        What is stored is answered as stored: after an error a client would do it again.
        """
        assert self._replicas is not None, "has_written"
        assert self.caller_id is not None, "has_written"
        try:
            await self.to_primary()
            await self._replicas.written.tell(self._session, self.caller_id)
        except (OSError, SQLAlchemyError) as exc:
            log.warning("nobody could be told of a change", reason=classify_connect_error(exc).reason)
            await self._session.rollback()
            await asyncio.sleep(self._replicas.max_lag)

    def count(self) -> None:
        """A reading request that was answered."""
        if self._replicas is not None:
            _READ.labels(self._replica.name if self._replica else _PRIMARY).inc()

    @property
    def _own(self) -> OneConnection:
        own = self._session.sync_session
        assert isinstance(own, OneConnection), "a request's session"
        return own

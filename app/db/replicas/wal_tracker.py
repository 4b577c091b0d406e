"""How far the primary has written its log (WAL), and each caller, as far as this process must know.

Whoever has committed for a caller says so with the position that the log had by then (NOTIFY), and answers only after
that. Notifications that were sent come before the answer to what is asked on the listening connection afterwards: so
who waits for a look that begins after a request has come knows of all that its caller was answered, by any process.
"""

import asyncio
import time
from collections import deque
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.migrator.session.lock import is_pooled
from app.postgres.monitor import PATIENCE, Connecting, UnfitError, Watch

_CHANNEL = "plimsoll_written"
_TELL = text(f"SELECT pg_notify('{_CHANNEL}', :caller || ' ' || (pg_current_wal_insert_lsn() - '0/0')::bigint)")
_FLUSH = f"SELECT pg_notify('{_CHANNEL}', '')"
_TIMELINE = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"
_WRITTEN = "SELECT (pg_current_wal_lsn() - '0/0')::bigint"
# Seconds between two looks that are kept: requests may want thousands a second.
_APART = 0.02
# Seconds between two times that the log is written out for a replica that waits.
_FLUSH_EVERY = 1.0

log = structlog.stdlib.get_logger(__name__)


class _Look(NamedTuple):
    """What was committed by this time is before this position."""

    at: float
    position: int


class Written(Watch):
    """Of one primary. `remembers` in seconds: a replica that lags by more than that is not asked."""

    def __init__(self, connecting: Connecting, remembers: float) -> None:
        super().__init__(connecting)
        self._remembers = remembers
        # Oldest first.
        self._looks: deque[_Look] = deque()
        self._by_caller: dict[str, int] = {}
        # Done with the next look that begins; None while nothing is heard.
        self._next: asyncio.Future[bool] | None = None
        self.timeline = ""
        self._is_said_lost = False
        self._is_awaited, self._flushed_at = False, 0.0

    async def tell(self, session: AsyncSession, caller_id: UUID) -> None:
        """All processes, of what the session has committed; which leaves it in a transaction, with nothing in it."""
        connection = await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        await connection.execute(_TELL, {"caller": str(caller_id)})

    async def know(self) -> bool:
        """Returns once all is known that was told before this call; False where nothing is heard."""
        if self._next is None:
            return False
        self._wanted.set()
        return await asyncio.shield(self._next)

    def by(self, caller_id: UUID) -> int:
        """The position that a replica must have come to before this caller reads there."""
        return self._by_caller.get(str(caller_id), 0)

    def as_of(self, position: int) -> float | None:
        """A time (of `time.monotonic`) at which a replica at this position was not behind; None where none is known."""
        return next((look.at for look in reversed(self._looks) if look.position <= position), None)

    def note_standing(self, position: int) -> None:
        """A replica stays at this position.

        Perhaps it has all there is: what no transaction waits for (hint bits, vacuum) is written out by whole pages, up
        to the middle of a record, and the rest of that with the next commit or after 15 s.
        """
        if self._looks and self._looks[-1].position > position:
            self._is_awaited = True

    def end(self) -> None:
        super().end()
        self._hear_nothing()

    async def _begin(self, connection: AsyncConnection, driver: Any) -> None:  # noqa: ANN401 - asyncpg has no types
        if await is_pooled(connection):
            raise UnfitError("a pooler in transaction mode lets no notification through: set MIGRATION_DATABASE_URL")
        self.timeline = await driver.fetchval(_TIMELINE)
        await driver.add_listener(_CHANNEL, self._hear)
        self._next = asyncio.get_running_loop().create_future()
        self._is_said_lost = False

    async def _look(self, driver: Any) -> None:  # noqa: ANN401 - asyncpg has no types
        wanted, self._next = self._next, asyncio.get_running_loop().create_future()
        assert wanted is not None, "it has begun"
        self._wanted.clear()
        is_good = False
        try:
            at = time.monotonic()
            if self._is_awaited and at - self._flushed_at > _FLUSH_EVERY:
                self._is_awaited, self._flushed_at = False, at
                await driver.execute(_FLUSH, timeout=PATIENCE)
            self._note(_Look(at, await driver.fetchval(_WRITTEN, timeout=PATIENCE)))
            is_good = True
        finally:
            wanted.set_result(is_good)

    def _note(self, look: _Look) -> None:
        if self._looks and look.at - self._looks[-1].at < _APART:
            return
        self._looks.append(look)
        # One look more than that, for a replica that lags by just so much.
        while len(self._looks) > 1 and self._looks[1].at < look.at - self._remembers:
            self._looks.popleft()
        had = self._looks[0].position
        self._by_caller = {caller: position for caller, position in self._by_caller.items() if position > had}

    def _hear(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        caller, _, position = str(payload).partition(" ")
        if caller:
            self._by_caller[caller] = max(int(position), self._by_caller.get(caller, 0))

    def _hear_nothing(self) -> None:
        if self._next is not None:
            self._next.set_result(False)
        self._next = self.identity = None
        # A replica must first have come to the first look after this, and so to all that was written before.
        self._looks.clear()
        self._by_caller.clear()

    def _lose(self, reason: str) -> None:
        self._hear_nothing()
        if not self._is_said_lost:
            log.warning("the primary is not watched: no replica is read", reason=reason)
        self._is_said_lost = True

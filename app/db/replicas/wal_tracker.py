"""How far the primary has written its log (WAL), and up to which position of it each caller has written.

After a commit for a caller, the process that committed announces the position of the primary's log by NOTIFY, and only
then answers the caller. PostgreSQL delivers notifications on a connection before the answer to a query that was sent
later on that connection. So a process that waits for a poll which began after a request came in knows of every change
that any process has confirmed to this request's caller.
"""

import asyncio
import time
from collections import deque
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.postgres.monitor import POLL_TIMEOUT, EngineOpener, ServerMonitor, UnusableServerError
from app.postgres.pooler import is_pooled

_CHANNEL = "plimsoll_written"
_ANNOUNCE = text(f"SELECT pg_notify('{_CHANNEL}', :caller || ' ' || (pg_current_wal_insert_lsn() - '0/0')::bigint)")
_FLUSH = f"SELECT pg_notify('{_CHANNEL}', '')"
_SELECT_TIMELINE = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"
_SELECT_POSITION = "SELECT (pg_current_wal_lsn() - '0/0')::bigint"
# Seconds between two samples that are kept: requests may cause thousands of polls a second.
_SAMPLE_INTERVAL = 0.02
# Seconds between two flushes of the log for a replica that waits for its end.
_FLUSH_INTERVAL = 1.0

log = structlog.stdlib.get_logger(__name__)


class _Sample(NamedTuple):
    """Everything committed before the time `at` (of `time.monotonic`) lies before `position` in the log."""

    at: float
    position: int


class PrimaryWalTracker(ServerMonitor):
    """Tracks the primary's log. `retention` is in seconds: a replica that lags by more than that is not read."""

    def __init__(self, open_engine: EngineOpener, retention: float) -> None:
        super().__init__(open_engine)
        self._retention = retention
        # Oldest first.
        self._samples: deque[_Sample] = deque()
        self._position_by_caller: dict[str, int] = {}
        # Done with the next poll that begins; None while there is no connection.
        self._next_poll: asyncio.Future[bool] | None = None
        self.timeline = ""
        self._is_loss_logged = False
        self._needs_flush, self._flushed_at = False, 0.0

    async def announce(self, session: AsyncSession, caller_id: UUID) -> None:
        """Tell all processes that `session` has committed for this caller.

        It leaves the session in a transaction that holds nothing.
        """
        connection = await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
        await connection.execute(_ANNOUNCE, {"caller": str(caller_id)})

    async def catch_up(self) -> bool:
        """Wait until every announcement made before this call is known; return False if there is no connection."""
        if self._next_poll is None:
            return False
        self._poll_requested.set()
        return await asyncio.shield(self._next_poll)

    def position_of(self, caller_id: UUID) -> int:
        """Return the position that a replica must have replayed before this caller may read from it."""
        return self._position_by_caller.get(str(caller_id), 0)

    def current_until(self, position: int) -> float | None:
        """Return the latest known time at which a replica at this position was not behind; None if none is known.

        The time is that of `time.monotonic`.
        """
        return next((sample.at for sample in reversed(self._samples) if sample.position <= position), None)

    def note_unchanged_replica(self, position: int) -> None:
        """Have the log flushed with the next poll, if a replica that stays at this position waits for its end.

        Without a flush it might wait for long: records that no transaction waits for (hint bits, vacuum) are written
        in whole pages, up to the middle of a record. The rest follows with the next commit, or after 15 s.
        """
        if self._samples and self._samples[-1].position > position:
            self._needs_flush = True

    def stop(self) -> None:
        super().stop()
        self._forget()

    async def _prepare(self, connection: AsyncConnection, driver: Any) -> None:  # noqa: ANN401 - asyncpg has no types
        if await is_pooled(connection):
            raise UnusableServerError(
                "a pooler in transaction mode lets no notification through: set MIGRATION_DATABASE_URL"
            )
        self.timeline = await driver.fetchval(_SELECT_TIMELINE)
        await driver.add_listener(_CHANNEL, self._on_notification)
        self._next_poll = asyncio.get_running_loop().create_future()
        self._is_loss_logged = False

    async def _poll(self, driver: Any) -> None:  # noqa: ANN401 - asyncpg has no types
        this_poll, self._next_poll = self._next_poll, asyncio.get_running_loop().create_future()
        assert this_poll is not None, "it is prepared"
        self._poll_requested.clear()
        succeeded = False
        try:
            at = time.monotonic()
            if self._needs_flush and at - self._flushed_at > _FLUSH_INTERVAL:
                self._needs_flush, self._flushed_at = False, at
                await driver.execute(_FLUSH, timeout=POLL_TIMEOUT)
            self._keep(_Sample(at, await driver.fetchval(_SELECT_POSITION, timeout=POLL_TIMEOUT)))
            succeeded = True
        finally:
            this_poll.set_result(succeeded)

    def _keep(self, sample: _Sample) -> None:
        if self._samples and sample.at - self._samples[-1].at < _SAMPLE_INTERVAL:
            return
        self._samples.append(sample)
        # One sample older than the retention stays, for a replica that lags by exactly that.
        while len(self._samples) > 1 and self._samples[1].at < sample.at - self._retention:
            self._samples.popleft()
        oldest = self._samples[0].position
        self._position_by_caller = {
            caller: position for caller, position in self._position_by_caller.items() if position > oldest
        }

    def _on_notification(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        caller, _, position = str(payload).partition(" ")
        if caller:
            self._position_by_caller[caller] = max(int(position), self._position_by_caller.get(caller, 0))

    def _forget(self) -> None:
        """Forget everything, since announcements are lost while there is no connection."""
        if self._next_poll is not None:
            self._next_poll.set_result(False)
        self._next_poll = self.identity = None
        # Without samples a replica is read only once it has replayed the first position polled after this, and so
        # everything that was written before.
        self._samples.clear()
        self._position_by_caller.clear()

    def _on_connection_lost(self, reason: str) -> None:
        self._forget()
        if not self._is_loss_logged:
            log.warning("the primary is not watched: no replica is read", reason=reason)
        self._is_loss_logged = True

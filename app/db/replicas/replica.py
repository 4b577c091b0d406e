"""A read replica: its pool, how far it has replayed the log, and whether it may be read."""

import time
from datetime import datetime
from math import inf
from typing import Any

import msgspec
import structlog
from advanced_alchemy.routing import RoundRobinSelector
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.util import await_only

from app.core.settings import Settings
from app.db.database import create_engine
from app.db.replicas.wal_tracker import PrimaryWalTracker
from app.postgres.engine import create_unpooled_engine
from app.postgres.monitor import POLL_TIMEOUT, ServerMonitor, UnusableServerError, disposing
from app.postgres.url.database_url import DatabaseURL

_SELECT_START_TIME = "SELECT pg_postmaster_start_time()"
_SELECT_STATE = """
    SELECT pg_is_in_recovery(), (pg_last_wal_replay_lsn() - '0/0')::bigint,
           upper(lpad(to_hex(greatest(timeline_id, min_recovery_end_timeline, received_tli)), 8, '0'))
    FROM pg_control_checkpoint(), pg_control_recovery() LEFT JOIN pg_stat_wal_receiver ON true
"""
# Seconds: for the answer to a poll, for a free connection of the pool, and how long a replica is left out at least.
_REPLICA_POLL_TIMEOUT = 0.5
_POOL_TIMEOUT = 0.1
_EXCLUSION_TIME = 1.0
_LAGGING = "it is behind the primary"
_PRIMARY_UNKNOWN = "the primary is not watched"
# These are logged only if they last.
_TRANSIENT_FAULTS = frozenset({_LAGGING, _PRIMARY_UNKNOWN})

log = structlog.stdlib.get_logger(__name__)


class Replica(ServerMonitor):
    """A replica of the primary that `wal_tracker` polls."""

    def __init__(self, settings: Settings, url: DatabaseURL, wal_tracker: PrimaryWalTracker) -> None:
        super().__init__(lambda: disposing(create_unpooled_engine(url, POLL_TIMEOUT, "plimsoll watching")))
        self.name = url.location
        self._wal_tracker = wal_tracker
        self._max_lag = settings.db_replica_max_lag
        # A request that would have to wait for a replica reads the primary instead.
        impatient = msgspec.structs.replace(settings, db_pool_timeout=min(settings.db_pool_timeout, POLL_TIMEOUT))
        self.engine = create_engine(impatient, url, _POOL_TIMEOUT)
        self.selector = RoundRobinSelector([self.engine.sync_engine])
        self._connections_in_use: dict[object, Any] = {}
        event.listen(self.engine.sync_engine, "connect", self._check_server)
        event.listen(self.engine.sync_engine, "checkout", self._on_checkout)
        event.listen(self.engine.sync_engine, "checkin", self._on_checkin)
        self._start_time: datetime | None = None
        self._own_fault: str | None = "it has not been seen yet"
        self._logged_fault: str | None = self._own_fault
        self._last_fault: str | None = None
        self._excluded_until = 0.0
        self.position = 0
        self._timeline = ""

    @property
    def lag(self) -> float:
        """Return how many seconds it is behind the primary, at most; infinity if that is unknown."""
        return self._seconds_behind if self.fault in {None, _LAGGING} else inf

    @property
    def _seconds_behind(self) -> float:
        current_until = self._wal_tracker.current_until(self.position)
        return inf if current_until is None else time.monotonic() - current_until

    @property
    def fault(self) -> str | None:
        """Return why it is left out; None if it is read."""
        if self._own_fault is not None:
            return self._own_fault
        if self._wal_tracker.identity is None:
            return _PRIMARY_UNKNOWN
        if self.identity != self._wal_tracker.identity:
            return "it is no copy of the primary: another cluster, or another database of it"
        if self._timeline != self._wal_tracker.timeline:
            # Positions of another timeline cannot be compared. A user with pg_monitor sees at once that a replica
            # follows a new primary; any other user sees it after the replica's next restartpoint.
            return "it is not seen to be on the primary's timeline"
        return None if self._seconds_behind <= self._max_lag else _LAGGING

    def exclude(self, reason: str) -> None:
        """Leave it out until a poll finds it well, and for a second at least: polls do not see every fault."""
        self._own_fault = reason
        self._excluded_until = time.monotonic() + _EXCLUSION_TIME
        self._log_fault(reason)

    async def _prepare(self, connection: AsyncConnection, driver: Any) -> None:  # noqa: ANN401, ARG002 - no types
        self._start_time = await driver.fetchval(_SELECT_START_TIME)

    async def _poll(self, driver: Any) -> None:  # noqa: ANN401 - asyncpg has no types
        row = await driver.fetchrow(_SELECT_STATE, timeout=_REPLICA_POLL_TIMEOUT)
        is_in_recovery, position, self._timeline = row
        if position == self.position:
            self._wal_tracker.note_unchanged_replica(position)
        self.position = position or 0
        if not is_in_recovery:
            self._own_fault = "it is not in recovery: a primary itself"
        elif time.monotonic() >= self._excluded_until:
            self._own_fault = None
        fault = self.fault
        if fault not in _TRANSIENT_FAULTS or fault == self._last_fault:
            self._log_fault(fault)
        self._last_fault = fault

    def _on_connection_lost(self, reason: str) -> None:
        self._own_fault = reason
        self._start_time = None
        self._log_fault(reason)
        # Requests that wait for a silent server fail now, and are repeated on the primary.
        for driver in list(self._connections_in_use.values()):
            driver.terminate()

    def _log_fault(self, fault: str | None) -> None:
        if fault == self._logged_fault:
            return
        self._logged_fault = fault
        if fault is None:
            log.info("a replica is read", replica=self.name)
        else:
            log.warning("a replica is left out", replica=self.name, reason=fault)

    def _check_server(self, connection: Any, _: object) -> None:  # noqa: ANN401 - SQLAlchemy's adapter
        """Refuse a new connection unless it leads to the server process that is polled.

        A name may lead to several servers, and a server that was restarted may have gone back a little.
        """
        driver = connection.driver_connection
        is_same = False
        try:
            is_same = await_only(driver.fetchval(_SELECT_START_TIME, timeout=POLL_TIMEOUT)) == self._start_time
        finally:
            if not is_same:
                driver.terminate()
        if not is_same:
            raise UnusableServerError("its name leads to another server than the one that is watched")

    def _on_checkout(self, connection: Any, record: object, _: object) -> None:  # noqa: ANN401 - SQLAlchemy's adapter
        self._connections_in_use[record] = connection.driver_connection

    def _on_checkin(self, _: object, record: object) -> None:
        self._connections_in_use.pop(record, None)

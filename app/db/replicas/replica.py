"""A read replica: its pool, how far it has come, and whether it may be asked."""

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

from app.core.config import Settings
from app.db.database import create_engine
from app.db.replicas.wal_tracker import Written
from app.postgres.engine import create_unpooled_engine
from app.postgres.monitor import PATIENCE, UnfitError, Watch, disposed
from app.postgres.url.database_url import DatabaseURL

_STARTED = "SELECT pg_postmaster_start_time()"
_REPLAYED = """
    SELECT pg_is_in_recovery(), (pg_last_wal_replay_lsn() - '0/0')::bigint,
           upper(lpad(to_hex(greatest(timeline_id, min_recovery_end_timeline, received_tli)), 8, '0'))
    FROM pg_control_checkpoint(), pg_control_recovery() LEFT JOIN pg_stat_wal_receiver ON true
"""
# Seconds: for each look, for a connection that other requests have, and after a request had an answer of the primary.
_LOOK_WITHIN = 0.5
_WAIT = 0.1
_REST = 1.0
_BEHIND = "it is behind the primary"
_NOTHING_TO_COMPARE = "the primary is not watched"
# Nothing to be told of unless it lasts.
_FOR_A_MOMENT = frozenset({_BEHIND, _NOTHING_TO_COMPARE})

log = structlog.stdlib.get_logger(__name__)


class Replica(Watch):
    """Of the primary that `written` is of."""

    def __init__(self, settings: Settings, url: DatabaseURL, written: Written) -> None:
        super().__init__(lambda: disposed(create_unpooled_engine(url, PATIENCE, "plimsoll watching")))
        self.name = url.location
        self._written = written
        self._max_lag = settings.db_replica_max_lag
        # The primary is there for whoever would have to wait.
        hurried = msgspec.structs.replace(settings, db_pool_timeout=min(settings.db_pool_timeout, PATIENCE))
        self.engine = create_engine(hurried, url, _WAIT)
        self.selector = RoundRobinSelector([self.engine.sync_engine])
        self._in_use: dict[object, Any] = {}
        event.listen(self.engine.sync_engine, "connect", self._recognise)
        event.listen(self.engine.sync_engine, "checkout", self._lend)
        event.listen(self.engine.sync_engine, "checkin", self._take_back)
        self._started: datetime | None = None
        self._fault: str | None = "it has not been seen yet"
        self._said: str | None = self._fault
        self._last_fault: str | None = None
        self._well_from = 0.0
        self.position = 0
        self._timeline = ""

    @property
    def lag(self) -> float:
        """Seconds that it is behind the primary, at most; infinite where that is not known, or it is no replica now."""
        return self._behind if self.fault in {None, _BEHIND} else inf

    @property
    def _behind(self) -> float:
        as_of = self._written.as_of(self.position)
        return inf if as_of is None else time.monotonic() - as_of

    @property
    def fault(self) -> str | None:
        """Why it is left out; None where it is used."""
        if self._fault is not None:
            return self._fault
        if self._written.identity is None:
            return _NOTHING_TO_COMPARE
        if self.identity != self._written.identity:
            return "it is no copy of the primary: another cluster, or another database of it"
        if self._timeline != self._written.timeline:
            # Its positions say nothing of the primary's log. That it follows a new primary shows at once to whoever may
            # see what it receives (pg_monitor), and to others after its next restartpoint.
            return "it is not seen to be on the primary's timeline"
        return None if self._behind <= self._max_lag else _BEHIND

    def leave_out(self, reason: str) -> None:
        """Until it is seen well again, and for a moment at least: not all that requests meet can be seen."""
        self._fault = reason
        self._well_from = time.monotonic() + _REST
        self._say(reason)

    async def _begin(self, connection: AsyncConnection, driver: Any) -> None:  # noqa: ANN401, ARG002 - no types
        self._started = await driver.fetchval(_STARTED)

    async def _look(self, driver: Any) -> None:  # noqa: ANN401 - asyncpg has no types
        is_in_recovery, position, self._timeline = await driver.fetchrow(_REPLAYED, timeout=_LOOK_WITHIN)
        if position == self.position:
            self._written.note_standing(position)
        self.position = position or 0
        if not is_in_recovery:
            self._fault = "it is not in recovery: a primary itself"
        elif time.monotonic() >= self._well_from:
            self._fault = None
        fault = self.fault
        if fault not in _FOR_A_MOMENT or fault == self._last_fault:
            self._say(fault)
        self._last_fault = fault

    def _lose(self, reason: str) -> None:
        self._fault = reason
        self._started = None
        self._say(reason)
        # Nobody waits for a server that is silent.
        for driver in list(self._in_use.values()):
            driver.terminate()

    def _say(self, fault: str | None) -> None:
        if fault == self._said:
            return
        self._said = fault
        if fault is None:
            log.info("a replica is read", replica=self.name)
        else:
            log.warning("a replica is left out", replica=self.name, reason=fault)

    def _recognise(self, connection: Any, _: object) -> None:  # noqa: ANN401 - SQLAlchemy's adapter
        """A name may lead to several servers, and one that was started anew may have gone back a little."""
        driver = connection.driver_connection
        is_it = False
        try:
            is_it = await_only(driver.fetchval(_STARTED, timeout=PATIENCE)) == self._started
        finally:
            if not is_it:
                driver.terminate()
        if not is_it:
            raise UnfitError("its name leads to another server than the one that is watched")

    def _lend(self, connection: Any, record: object, _: object) -> None:  # noqa: ANN401 - SQLAlchemy's adapter
        self._in_use[record] = connection.driver_connection

    def _take_back(self, _: object, record: object) -> None:
        self._in_use.pop(record, None)

"""Ping connections as `pool_pre_ping` does, but not those just used, and without a long wait for a silent server."""

import time
from typing import Any

import asyncpg
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.util import await_only

from .errors import ASYNCPG_ERRORS

_ALIVE_AT = "proved_at"
# Seconds for which a connection that was in use is taken to be alive; HikariCP's aliveBypassWindowMs is as long.
_ALIVE_FOR = 0.5


class _IdlePing:
    """Pings idle connections; a lost one makes all others suspicious, since a restart ends them together."""

    def __init__(self, engine: Engine, seconds: float) -> None:
        self._dialect = engine.dialect
        self._seconds = seconds
        self._suspicious_until = 0.0
        event.listen(engine, "connect", self._mark_alive)
        event.listen(engine, "checkin", self._mark_alive)
        event.listen(engine, "invalidate", self._mark_suspicious)
        event.listen(engine, "checkout", self._ping)

    def _mark_alive(self, _: object, record: Any) -> None:  # noqa: ANN401 - a record of the pool
        record.info[_ALIVE_AT] = time.monotonic()

    def _mark_suspicious(self, *_: object) -> None:
        self._suspicious_until = time.monotonic()

    def _ping(self, connection: Any, record: Any, _: object) -> None:  # noqa: ANN401 - whichever driver's
        alive_at = record.info[_ALIVE_AT]
        if alive_at > self._suspicious_until and time.monotonic() - alive_at < _ALIVE_FOR:
            return
        if not self._is_alive(connection):
            raise InvalidatePoolError

    def _is_alive(self, connection: Any) -> bool:  # noqa: ANN401 - whichever driver's
        if isinstance(driver := connection.driver_connection, asyncpg.Connection):
            return await_only(self._answers_query(driver))
        try:
            return self._dialect.do_ping(connection)
        except self._dialect.loaded_dbapi.Error as exc:
            if not self._dialect.is_disconnect(exc, connection, None):
                raise
            return False

    async def _answers_query(self, driver: Any) -> bool:  # noqa: ANN401 - asyncpg has no types
        """Return whether the server answers, in one round trip: the dialect's ping needs three. It works through a
        pooler.
        """
        try:
            await driver.execute("SELECT 1", timeout=self._seconds)
        # TimeoutError is an OSError.
        except (*ASYNCPG_ERRORS, OSError):
            # Without a message to the server, for which close() would wait again.
            driver.terminate()
            return False
        return True


def ping_when_idle(engine: Engine, seconds: float) -> None:
    """Have each connection pinged before it is handed out, unless it was in use within the last half second.

    A connection that is dead, or does not answer within `seconds` (with asyncpg only), is replaced, and with it all
    that were made before, as by `pool_pre_ping`.
    """
    _IdlePing(engine, seconds)

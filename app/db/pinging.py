"""`pool_pre_ping` that does not ask again what was just heard: a ping is a round trip, and in a transaction three."""

import time
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError

_PROVED_AT = "proved_at"
# Seconds for which a connection that was in use is taken to be alive; HikariCP's aliveBypassWindowMs is as long.
_ALIVE_FOR = 0.5


class _Pinging:
    """Whoever loses a connection makes all the others suspicious: a server that restarts ends them together."""

    def __init__(self, engine: Engine) -> None:
        self._dialect = engine.dialect
        self._suspicious_until = 0.0
        event.listen(engine, "connect", self._prove)
        event.listen(engine, "checkin", self._prove)
        event.listen(engine, "invalidate", self._suspect)
        event.listen(engine, "checkout", self._ping)

    def _prove(self, _: object, record: Any) -> None:  # noqa: ANN401 - a record of the pool
        record.info[_PROVED_AT] = time.monotonic()

    def _suspect(self, *_: object) -> None:
        self._suspicious_until = time.monotonic()

    def _ping(self, connection: Any, record: Any, _: object) -> None:  # noqa: ANN401 - whichever driver's
        proved_at = record.info[_PROVED_AT]
        if proved_at > self._suspicious_until and time.monotonic() - proved_at < _ALIVE_FOR:
            return
        try:
            is_alive = self._dialect.do_ping(connection)
        except self._dialect.loaded_dbapi.Error as exc:
            if not self._dialect.is_disconnect(exc, connection, None):
                raise
            is_alive = False
        if not is_alive:
            raise InvalidatePoolError


def ping_when_idle(engine: Engine) -> None:
    """Has each connection pinged before it is handed out, unless it was in use within the last half second.

    One that is dead is replaced, and with it all that were made before, as by `pool_pre_ping`.
    """
    _Pinging(engine)

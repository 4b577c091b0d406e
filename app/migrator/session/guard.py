"""Ends the session of a process that falls silent in a transaction: frozen, cut off, or stopped on its terminal.

PostgreSQL's own limits leave a gap. While a session waits for the rest of a statement (between Parse and Bind), for
the rows of a COPY, or for its client to take rows, neither `statement_timeout` nor
`idle_in_transaction_session_timeout` counts; `transaction_timeout` is of version 17 and later, and would end
what works, too.
So a second session runs a loop in the server: it goes on whatever becomes of the process, and ends with the first one.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, Self

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from ...postgres.connect import is_lost
from ...postgres.errors import BackupError, cause_of, sqlstate_of
from ...postgres.sqlstate import IDLE_IN_TRANSACTION_SESSION_TIMEOUT
from ..config import MigratorConfig
from ..execution.statement_guard import limit_session, silence
from .lock import HOLDERS, migration_lock
from .read_only import require_writable

# By which the server shows these sessions.
GUARD = "plimsoll guard"
# It stands in for idle_in_transaction_session_timeout.
_SILENT = IDLE_IN_TRANSACTION_SESSION_TIMEOUT
_LOOKS_PER_SECOND = 5
_NAPS_PER_LOOK = 10
# Seconds after which it is looked whether the loop runs.
_FIRST_LOOK = 0.005
_FIRST_LOOKS = 1000
# Seconds that the guard's own answer may take, after the end of the session or its own.
_ANSWER = 2.0
_UNGUARDED = "nobody ends the session should this process fall silent"
_PREPARE = text(
    f"""
    SELECT pg_backend_pid(), set_config('application_name', '{GUARD}', false),
           set_config('statement_timeout', '0', false)
    """
)
_SLEEPS = text("SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = :session")
_SESSION = text("SELECT pg_backend_pid()")
# Looks are counted, so that neither a clock that is set nor a server that stood still is taken for silence. COMMIT
# gives up the snapshot, which CREATE INDEX CONCURRENTLY would wait for. `state_change` moves with every message but
# those of a COPY.
_LOOP = """
DO $$
DECLARE
    sessions integer;
    are_waiting boolean;
    latest text;
    before text;
    looks integer := 0;
BEGIN
    LOOP
        FOR nap IN 1..{naps} LOOP
            COMMIT;
            PERFORM pg_sleep({seconds});
        END LOOP;
        SELECT count(*), bool_and(coalesce(wait_event_type = 'Client' AND {silent_if}, false)),
               string_agg(concat_ws(' ', pid, backend_start, state_change, bytes_processed), ', ' ORDER BY pid)
        INTO sessions, are_waiting, latest
        FROM pg_stat_activity LEFT JOIN pg_stat_progress_copy USING (pid) WHERE pid IN ({pids});
        EXIT WHEN sessions = 0;
        looks := CASE WHEN are_waiting AND latest = before THEN looks + 1 ELSE 0 END;
        before := latest;
        IF looks > {looks} THEN
            PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid IN ({pids});
            RAISE EXCEPTION 'nothing was heard of the process for too long' USING ERRCODE = '{sqlstate}';
        END IF;
    END LOOP;
END $$
"""

log = structlog.stdlib.get_logger(__name__)


@asynccontextmanager
async def guarded_lock(connection: AsyncConnection, config: MigratorConfig) -> AsyncIterator[None]:
    """Holds the lock for schema changes in a session that ends where its process falls silent.

    Raises as the lock, and ReadOnlyDatabaseError.
    """
    await connection.run_sync(require_writable)
    wait, seconds = config.lock_wait, silence(config)
    # Limited first, so that no moment is left in which a process that is frozen would keep the lock.
    limit = partial(limit_session, config=config)
    async with migration_lock(connection, wait, prepare=limit), guarded(connection, seconds):
        yield


@asynccontextmanager
async def guarded(connection: AsyncConnection, seconds: float, *, with_programs: bool = False) -> AsyncIterator[None]:
    """Has the connection's session ended after so many seconds of silence in a transaction, while this lasts.

    The connection must be of a session of its own, no pooler's. Raises what says so where it was ended for that.
    With programs, which hold the lock for schema changes as well, it is all holders that must have fallen silent.
    """
    guard = await Guard.begun(connection, seconds, with_programs=with_programs)
    try:
        yield
    except (DBAPIError, OSError, BackupError) as exc:
        if (reason := await guard.reason(exc)) is not None:
            raise reason from exc
        raise
    finally:
        await guard.end()


class Guard:
    """A second session, which ends the first after so many seconds of silence in a transaction, until `end`."""

    def __init__(self, own: AsyncConnection, statement: str) -> None:
        self._own = own
        self._watching = asyncio.create_task(own.run_sync(_run, statement))
        self._watching.add_done_callback(_tell)

    @classmethod
    async def begun(cls, connection: AsyncConnection, seconds: float, *, with_programs: bool = False) -> Self:
        """Return one that watches over the session that the connection has now."""
        session = int(await connection.scalar(_SESSION))
        await connection.rollback()
        # While its program works, the process itself has nothing to say.
        pids, silent_if = (HOLDERS, "true") if with_programs else (str(session), "xact_start IS NOT NULL")
        own = await connection.engine.connect()
        await own.execution_options(isolation_level="AUTOCOMMIT")
        itself = await own.scalar(_PREPARE)
        guard = cls(own, _loop(pids, silent_if, seconds))
        try:
            await guard._wait_for(itself, connection)
        except BaseException:
            await guard.end()
            raise
        return guard

    async def reason(self, exc: DBAPIError | OSError | BackupError) -> BaseException | None:
        """Return what says that the session was ended for its silence, where that is why the error came."""
        if not (isinstance(exc, BackupError) or is_lost(exc)):
            return None
        await asyncio.wait({self._watching}, timeout=_ANSWER)
        ended = _failure(self._watching)
        return ended if sqlstate_of(ended) == _SILENT else None

    async def end(self) -> None:
        self._watching.cancel()
        # Not longer: the server may not answer, and where the first session ends, the second does by itself.
        await asyncio.wait({self._watching}, timeout=_ANSWER)
        with suppress(TimeoutError, DBAPIError, OSError):
            async with asyncio.timeout(_ANSWER):
                await self._own.invalidate()
                await self._own.close()

    async def _wait_for(self, itself: int, connection: AsyncConnection) -> None:
        """Return once the loop runs: what was only sent may never get there."""
        for _ in range(_FIRST_LOOKS):
            runs = self._watching.done() or await connection.scalar(_SLEEPS, {"session": itself})
            await connection.rollback()
            if runs:
                return
            await asyncio.sleep(_FIRST_LOOK)
        log.warning(_UNGUARDED, reason="the session that would do so has not begun")


def _loop(pids: str, silent_if: str, seconds: float) -> str:
    # One look more than fits: the server's own limit, which says what it is, comes first where it counts.
    looks = round(seconds * _LOOKS_PER_SECOND) + 1
    nap = 1 / (_LOOKS_PER_SECOND * _NAPS_PER_LOOK)
    return _LOOP.format(pids=pids, silent_if=silent_if, looks=looks, naps=_NAPS_PER_LOOK, seconds=nap, sqlstate=_SILENT)


def _run(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement)


def _failure(watching: asyncio.Task[Any]) -> BaseException | None:
    return None if not watching.done() or watching.cancelled() else watching.exception()


def _tell(watching: asyncio.Task[Any]) -> None:
    failure = _failure(watching)
    if failure is not None and sqlstate_of(failure) != _SILENT:
        log.warning(_UNGUARDED, reason=cause_of(failure))

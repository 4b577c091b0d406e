"""End the session of a process that falls silent in a transaction: frozen, cut off, or stopped on its terminal.

PostgreSQL's own limits leave a gap. While a session waits for the rest of a statement (between Parse and Bind), for the
rows of a COPY, or for its client to take rows, neither `statement_timeout` nor `idle_in_transaction_session_timeout`
counts. `transaction_timeout` exists since version 17, and would also end a transaction that works. So a second session
runs a loop in the server: it goes on whatever happens to the process, and ends with the first session.
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
from ...postgres.errors import BackupError, error_summary, sqlstate_of
from ...postgres.sqlstate import IDLE_IN_TRANSACTION_SESSION_TIMEOUT
from ..config import MigratorConfig
from ..execution.session_limits import limit_session, longest_silence
from ..read_only_database import require_writable
from .deadline import Deadline
from .migration_lock import HOLDERS, migration_lock

# The application name that the server shows for these sessions.
GUARD_NAME = "plimsoll guard"
# The guard stands in for idle_in_transaction_session_timeout.
_SILENT = IDLE_IN_TRANSACTION_SESSION_TIMEOUT
_POLLS_PER_SECOND = 5
_NAPS_PER_POLL = 10
# Seconds between two checks whether the loop runs.
_START_DELAY = 0.005
_START_ATTEMPTS = 1000
# Seconds to wait for the guard's answer, after the end of the session or its own.
_ANSWER_TIMEOUT = 2.0
_UNGUARDED = "nobody ends the session should this process fall silent"
_PREPARE = text(
    f"""
    SELECT pg_backend_pid(), set_config('application_name', '{GUARD_NAME}', false),
           set_config('statement_timeout', '0', false)
    """
)
_IS_SLEEPING = text("SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = :session")
_SESSION = text("SELECT pg_backend_pid()")
# It counts polls, so that a clock that is set, or a server that stood still, is not taken for silence. COMMIT releases
# the snapshot, for which CREATE INDEX CONCURRENTLY would wait. `state_change` moves with every message except in COPY.
_LOOP = """
DO $$
DECLARE
    sessions integer;
    are_waiting boolean;
    latest text;
    before text;
    polls integer := 0;
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
        polls := CASE WHEN are_waiting AND latest = before THEN polls + 1 ELSE 0 END;
        before := latest;
        IF polls > {polls} THEN
            PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid IN ({pids});
            RAISE EXCEPTION 'nothing was heard of the process for too long' USING ERRCODE = '{sqlstate}';
        END IF;
    END LOOP;
END $$
"""

log = structlog.stdlib.get_logger(__name__)


@asynccontextmanager
async def guarded_lock(connection: AsyncConnection, config: MigratorConfig, deadline: Deadline) -> AsyncIterator[None]:
    """Hold the lock for schema changes in a session that ends where its process falls silent.

    Raises what `migration_lock` raises, and ReadOnlyDatabaseError.
    """
    await connection.run_sync(require_writable)
    seconds = longest_silence(config)
    # Limited before it has the lock, so that a frozen process cannot keep it.
    limit = partial(limit_session, config=config)
    async with migration_lock(connection, deadline, prepare=limit), end_when_silent(connection, seconds):
        yield


@asynccontextmanager
async def end_when_silent(
    connection: AsyncConnection, seconds: float, *, with_programs: bool = False
) -> AsyncIterator[None]:
    """Have the server end the connection's session after so many seconds of silence in a transaction.

    It does so until the context ends. The session must not be a pooler's. Raises an error that names the silence if
    that ended the session. With `with_programs`, whose programs hold the lock for schema changes as well, all holders
    must have fallen silent.
    """
    guard = await SilenceGuard.start(connection, seconds, with_programs=with_programs)
    try:
        yield
    except (DBAPIError, OSError, BackupError) as exc:
        if (silence_error := await guard.silence_error(exc)) is not None:
            raise silence_error from exc
        raise
    finally:
        await guard.stop()


class SilenceGuard:
    """A second session, which ends the first one after so many seconds of silence in a transaction, until `stop`."""

    def __init__(self, own: AsyncConnection, statement: str) -> None:
        self._own = own
        self._task = asyncio.create_task(own.run_sync(_run_loop, statement))
        self._task.add_done_callback(_log_failure)

    @classmethod
    async def start(cls, connection: AsyncConnection, seconds: float, *, with_programs: bool = False) -> Self:
        """Return a guard of the session that the connection has now."""
        session = int(await connection.scalar(_SESSION))
        await connection.rollback()
        # The process itself is silent while its program works.
        pids, silent_if = (HOLDERS, "true") if with_programs else (str(session), "xact_start IS NOT NULL")
        own = await connection.engine.connect()
        await own.execution_options(isolation_level="AUTOCOMMIT")
        own_pid = await own.scalar(_PREPARE)
        guard = cls(own, _loop(pids, silent_if, seconds))
        try:
            await guard._wait_until_running(own_pid, connection)
        except BaseException:
            await guard.stop()
            raise
        return guard

    async def silence_error(self, exc: DBAPIError | OSError | BackupError) -> BaseException | None:
        """Return the error that says that the session was ended for its silence; None where `exc` has another cause."""
        if not (isinstance(exc, BackupError) or is_lost(exc)):
            return None
        await asyncio.wait({self._task}, timeout=_ANSWER_TIMEOUT)
        ended = _failure(self._task)
        return ended if sqlstate_of(ended) == _SILENT else None

    async def stop(self) -> None:
        self._task.cancel()
        # No longer wait: the server may not answer, and the second session ends by itself with the first.
        await asyncio.wait({self._task}, timeout=_ANSWER_TIMEOUT)
        with suppress(TimeoutError, DBAPIError, OSError):
            async with asyncio.timeout(_ANSWER_TIMEOUT):
                await self._own.invalidate()
                await self._own.close()

    async def _wait_until_running(self, own_pid: int, connection: AsyncConnection) -> None:
        """Return once the loop runs: a statement that was only sent may never reach the server."""
        for _ in range(_START_ATTEMPTS):
            runs = self._task.done() or await connection.scalar(_IS_SLEEPING, {"session": own_pid})
            await connection.rollback()
            if runs:
                return
            await asyncio.sleep(_START_DELAY)
        log.warning(_UNGUARDED, reason="the session that would do so has not begun")


def _loop(pids: str, silent_if: str, seconds: float) -> str:
    # One poll more than fits, so that the server's own limit, whose message names it, comes first where it counts.
    polls = round(seconds * _POLLS_PER_SECOND) + 1
    nap = 1 / (_POLLS_PER_SECOND * _NAPS_PER_POLL)
    return _LOOP.format(pids=pids, silent_if=silent_if, polls=polls, naps=_NAPS_PER_POLL, seconds=nap, sqlstate=_SILENT)


def _run_loop(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement)


def _failure(task: asyncio.Task[Any]) -> BaseException | None:
    return None if not task.done() or task.cancelled() else task.exception()


def _log_failure(task: asyncio.Task[Any]) -> None:
    failure = _failure(task)
    if failure is not None and sqlstate_of(failure) != _SILENT:
        log.warning(_UNGUARDED, reason=error_summary(failure))

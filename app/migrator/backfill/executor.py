"""Running backfills: rows are changed in small batches, each of which is a transaction.

A run can be stopped at any moment, killed, or started twice: every row is done once, as `records.py` explains. It holds
no lock between batches, so that it does not block migrations, and keeps nothing in the session, so that a pooler does
no harm.
"""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from ...postgres.connect import is_lost
from ...postgres.errors import MigrationFailedError, error_summary, sqlstate_of
from ...postgres.pooler import is_pooled
from ...postgres.sqlstate import DEADLOCK_DETECTED, LOCK_NOT_AVAILABLE, QUERY_CANCELED, SERIALIZATION_FAILURE
from ..config import MigratorConfig
from ..execution.session_limits import longest_silence
from ..locking.retries import run_with_retries
from ..locking.silence_guard import SilenceGuard
from ..locking.table_locks import limit_lock_waits
from ..read_only_database import require_writable
from ..revisions.history import Outcome
from ..revisions.requirements import require
from . import records as stored
from .batch import LONGEST_ROW_WAIT, Batches, BatchResult, has_rows_left, limit
from .definition import Backfill
from .failures import batch_failure, concerns_a_row
from .progress import Progress
from .records import Record
from .throttle import Throttle

# How often it goes over the table again for rows that came behind the cursor.
_PASSES = 3
_FIRST_PAUSE = 0.2
# A statement that statement_timeout ends is canceled.
_MAY_PASS = frozenset({LOCK_NOT_AVAILABLE, DEADLOCK_DETECTED, SERIALIZATION_FAILURE, QUERY_CANCELED})
T = TypeVar("T")
Report = Callable[[Progress], None]
log = structlog.stdlib.get_logger(__name__)


async def run_one(
    connection: AsyncConnection,
    config: MigratorConfig,
    backfill: Backfill,
    throttle: Throttle,
    report: Report,
    *,
    retries_failed: bool = True,
) -> None:
    """Run the backfill to its end; one that has failed as well, unless `retries_failed` is False.

    Call `report` after each batch. Raises MigrationFailedError, and BackfillHeldError where it is not to be run.
    """
    await connection.run_sync(require_writable)
    # Behind a pooler each transaction has another session, so there is none for the guard to end.
    is_guarded = not await is_pooled(connection)
    with config.open_span("backfill", {"backfill": backfill.name}):
        await _BackfillRun(connection, config, backfill, throttle, report, is_guarded, retries_failed)()


class _BackfillRun:
    def __init__(
        self,
        connection: AsyncConnection,
        config: MigratorConfig,
        backfill: Backfill,
        throttle: Throttle,
        report: Report,
        is_guarded: bool,
        retries_failed: bool,
    ) -> None:
        self._connection = connection
        self._config = config
        self._backfill = backfill
        self._throttle = throttle
        self._report = report
        self._is_guarded = is_guarded
        self._retries_failed = retries_failed
        self._guard: SilenceGuard | None = None
        self._size = self._largest = throttle.largest_batch(backfill.batch_size)
        self._retries = 0
        self._started = time.monotonic()

    async def __call__(self) -> None:
        try:
            await self._run()
        finally:
            await self._end_guard()

    async def _run(self) -> None:
        async with limit_lock_waits(self._connection, self._config.lock_timeout):
            self._batches, self._first = await self._try(self._begin)
        self._last = self._first
        try:
            await self._pass_until_done()
        except (DBAPIError, OSError) as exc:
            if is_lost(exc):
                self._report_end(Outcome.FAILED, error_summary(exc))
                raise
            await self._fail(error_summary(exc))
            raise batch_failure(self._backfill, self._batches.rows, exc) from exc
        except MigrationFailedError as exc:
            await self._fail(str(exc))
            raise
        except (asyncio.CancelledError, stored.BackfillHeldError):
            self._report_end(Outcome.INTERRUPTED)
            raise
        self._report_end(Outcome.DONE)

    def _begin(self, connection: Connection, _: int, lock_wait: float) -> tuple[Batches, Record]:
        name = self._backfill.name
        with connection.begin():
            batches = Batches(connection, self._config, self._backfill, retries_failed=self._retries_failed)
            total = batches.estimate(connection)
            before = stored.read_records(connection).get(name)
            stored.require_not_held(before, retries_failed=self._retries_failed)
            if before is None or before.rows_seen == 0:
                limit(connection, self._config, lock=lock_wait)
                require(connection, self._backfill.requirements, f"Backfill {name}")
        with connection.begin():
            limit(connection, self._config)
            record = stored.begin(
                connection, self._backfill, total, self._config.release, retries_failed=self._retries_failed
            )
        if before and before.checksum != record.checksum and record.outcome is not Outcome.DONE:
            log.warning("the backfill was begun with another content of its file; it goes on from there", backfill=name)
        return batches, record

    async def _pass_until_done(self) -> None:
        for _ in range(_PASSES):
            while self._last.outcome is not Outcome.DONE and not await self._batch():
                pass
            self._last = await self._try(self._close)
            if self._last.outcome is Outcome.DONE:
                return
            log.warning("rows have come behind the cursor: going over the table again", backfill=self._backfill.name)
        raise MigrationFailedError(
            f"Backfill {self._backfill.name} has gone over the table {_PASSES} times, and there are rows left for which"
            " its `where` holds: either its statement does not change them, or an older release still writes such rows."
        )

    async def _batch(self) -> bool:
        """Run one batch, and rest. Returns whether it was the last."""
        began = time.monotonic()
        try:
            done = await self._change_rows()
        except DBAPIError as exc:
            if self._size == 1 or not concerns_a_row(exc):
                raise
            # Smaller batches get to the row, which the error names.
            self._size = self._largest = max(1, self._size // 2)
            return False
        took = time.monotonic() - began
        self._last = done.record
        self._size = self._throttle.next_size(self._size, took, self._largest)
        self._report(self._progress(Outcome.RUNNING))
        if not done.at_end:
            await asyncio.sleep(self._throttle.rest(done.seen, took, done.lag))
        return done.at_end

    async def _change_rows(self) -> BatchResult:
        row_wait = min(LONGEST_ROW_WAIT, self._config.lock_timeout)
        with self._config.open_span("backfill batch", {"backfill": self._backfill.name}) as span:
            done = await self._try(
                lambda connection, attempt, wait: self._batches.run(connection, self._size, attempt, wait), row_wait
            )
            span["rows"] = done.seen
        return done

    def _close(self, connection: Connection, _: int, lock_wait: float) -> Record:
        """Record that the backfill is done; if rows are left, let it start over instead. Returns the record."""
        with connection.begin():
            limit(connection, self._config, lock=lock_wait)
            left = self._backfill.where is not None and has_rows_left(connection, self._backfill)
            total = self._batches.estimate(connection) if left else 0
        with connection.begin():
            limit(connection, self._config)
            if left:
                stored.start_over(connection, self._last, total)
            else:
                stored.finish(connection, self._last)
            return stored.lock(connection, self._backfill.name)

    async def _try(self, work: Callable[[Connection, int, float], T], longest_wait: float | None = None) -> T:
        """Call `work`, and again after a growing delay and with smaller batches while what stops it may pass.

        `work` is given the number of attempts before it, and for how many seconds it may wait for a lock.
        """

        async def run(attempt: int, lock_wait: float) -> T:
            if self._is_guarded and self._guard is None:
                self._guard = await SilenceGuard.start(self._connection, longest_silence(self._config))
            return await self._connection.run_sync(work, attempt, lock_wait)

        longest = self._config.lock_timeout if longest_wait is None else longest_wait
        return await run_with_retries(run, self._recover, self._config.lock_retries, longest, _FIRST_PAUSE)

    async def _recover(self, error: Exception, delay: float | None) -> bool:
        if not isinstance(error, DBAPIError | OSError):
            return False
        exc = (self._guard and await self._guard.silence_error(error)) or error
        await self._connection.rollback()
        if is_lost(exc):
            # The next attempt has another session.
            await self._end_guard()
        if delay is None or not (sqlstate_of(exc) in _MAY_PASS or is_lost(exc)):
            raise exc from error.__cause__
        log.warning("a batch is tried again", backfill=self._backfill.name, reason=error_summary(exc))
        self._retries += 1
        self._size = max(1, self._size // 2)
        return True

    async def _end_guard(self) -> None:
        if self._guard is not None:
            await self._guard.stop()
            self._guard = None

    async def _fail(self, error: str) -> None:
        def record(connection: Connection) -> None:
            with connection.begin():
                stored.fail(connection, self._backfill.name, error)

        self._report_end(Outcome.FAILED, error)
        try:
            await self._connection.run_sync(record)
        except (SQLAlchemyError, OSError):
            log.warning("the failure could not be recorded in the database", backfill=self._backfill.name)

    def _report_end(self, outcome: Outcome, error: str | None = None) -> None:
        progress = self._progress(outcome, error)
        self._report(progress)
        log.info(
            "ran a backfill",
            backfill=self._backfill.name,
            outcome=outcome.value,
            rows_seen=self._last.rows_seen - self._first.rows_seen,
            rows_changed=self._last.rows_changed - self._first.rows_changed,
            duration_seconds=progress.seconds,
            retries=self._retries,
        )

    def _progress(self, outcome: Outcome, error: str | None = None) -> Progress:
        seconds = time.monotonic() - self._started
        return Progress.between(self._first, self._last, outcome, seconds=seconds, retries=self._retries, error=error)

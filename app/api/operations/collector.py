"""Collect what the operations page shows: each source as often as it is worth, once for all who look."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.core.asyncio_tasks import finish_or_cancel
from app.core.errors import AppError
from app.postgres.connect import is_refusal
from app.postgres.connect_failure import classify_connect_error
from app.postgres.errors import DatabaseError, error_summary
from app.postgres.settings_error import SettingsError

# Seconds: how old what is shown may be, and how long a request waits for what is read often, and then for the rest.
FRESH_FOR = 1.0
_FAST_WITHIN = 2.5
_SLOW_WITHIN = 2.0
# Seconds after which a source that has not answered is said to be late.
_LATE_AFTER = 4.0
# Seconds after which a source that failed is read again: why it failed may be over.
_RETRY_AFTER = 10.0

T = TypeVar("T")
log = structlog.stdlib.get_logger(__name__)


class Source(NamedTuple):
    """A source, which is read every so many seconds; after the schema has changed already once `pause` has passed."""

    name: str
    read: Callable[[], Awaitable[object]]
    every: float
    pause: float = 0.0


@dataclass(frozen=True)
class Reading:
    """The last value of a source and when it was read, and why a newer one could not be."""

    value: Any = None
    read_at: datetime | None = None
    error: str | None = None


@dataclass
class _Progress:
    """How far the reading of one source is."""

    reading: Reading = field(default_factory=Reading)
    task: "asyncio.Task[None] | None" = None
    begun: float = float("-inf")

    @property
    def is_running(self) -> bool:
        return self.task is not None and not self.task.done()


class Collector:
    """Reads its sources when somebody asks. `change_key` says whether the schema has changed since the last time."""

    def __init__(
        self, fast: Sequence[Source], slow: Sequence[Source], change_key: Callable[["Collector"], object]
    ) -> None:
        self._fast = fast
        self._slow = slow
        self._change_key = change_key
        self._progress = {source.name: _Progress() for source in (*fast, *slow)}
        self._key: object = None
        self._changed_at = float("-inf")
        self._shared: asyncio.Task[None] | None = None
        self._collected_at = float("-inf")

    def __getitem__(self, name: str) -> Reading:
        return self._progress[name].reading

    def late(self, name: str) -> float | None:
        """Return for how many seconds a source has not answered, if that is long."""
        progress = self._progress[name]
        took = asyncio.get_running_loop().time() - progress.begun
        return took if progress.is_running and took > _LATE_AFTER else None

    async def collect(self) -> None:
        """Read what is due, unless that was done within the last second. Callers share what is under way."""
        if self._shared is None or self._shared.done():
            if asyncio.get_running_loop().time() - self._collected_at < FRESH_FOR:
                return
            self._shared = asyncio.create_task(self._collect())
        await asyncio.shield(self._shared)

    async def close(self) -> None:
        tasks = [one.task for one in self._progress.values() if one.task] + ([self._shared] if self._shared else [])
        if tasks:
            await finish_or_cancel(*tasks, seconds=0.2)

    async def _collect(self) -> None:
        await self._read_due(self._fast, _FAST_WITHIN)
        if (key := self._change_key(self)) != self._key:
            self._key, self._changed_at = key, asyncio.get_running_loop().time()
        await self._read_due(self._slow, _SLOW_WITHIN)
        self._collected_at = asyncio.get_running_loop().time()

    async def _read_due(self, sources: Sequence[Source], seconds: float) -> None:
        """Read what is due. Who comes first waits for it; nobody waits for what is only read again."""
        awaited = set()
        for source in sources:
            progress = self._progress[source.name]
            if self._is_due(source, progress):
                progress.begun = asyncio.get_running_loop().time()
                progress.task = asyncio.create_task(self._read(source, progress))
            if progress.task and (source in self._fast or progress.reading.read_at is None):
                awaited.add(progress.task)
        if awaited:
            await asyncio.wait(awaited, timeout=seconds)

    def _is_due(self, source: Source, progress: _Progress) -> bool:
        if progress.is_running:
            return False
        age = asyncio.get_running_loop().time() - progress.begun
        is_changed = progress.begun < self._changed_at and age >= source.pause
        every = min(source.every, _RETRY_AFTER) if progress.reading.error else source.every
        return age >= every or (source in self._slow and is_changed)

    async def _read(self, source: Source, progress: _Progress) -> None:
        try:
            progress.reading = Reading(await source.read(), datetime.now(UTC))
        # A source that fails must not take the others with it.
        except Exception as exc:  # noqa: BLE001
            old = progress.reading
            progress.reading = Reading(old.value, old.read_at, reason(exc))
            log.debug("a part of the operations page could not be read", part=source.name, error=type(exc).__name__)


def reason(exc: Exception) -> str:
    """Return why something could not be read, without SQL and secrets."""
    if isinstance(exc, DatabaseError | SettingsError | AppError):
        return str(exc)
    if isinstance(exc, SQLAlchemyError | OSError | TimeoutError):
        is_answer = isinstance(exc, SQLAlchemyError) and is_refusal(exc)
        return (
            f"The server says: {error_summary(exc)}."
            if is_answer
            else f"The database cannot be reached: {classify_connect_error(exc).reason}."
        )
    log.error("a part of the operations page failed", exc_info=exc)
    return f"It failed unexpectedly ({type(exc).__name__}): the log has more."


async def in_thread(function: Callable[[], T]) -> T:
    """Return what the function returns, which runs in a thread that does not keep the process from ending.

    The threads of asyncio.to_thread do, and a function that waits for a silent server cannot be cancelled.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, exc: Exception | None) -> None:
        if done.cancelled():
            return
        if exc is not None:
            done.set_exception(exc)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failure = None, None
        try:
            result = function()
        except Exception as exc:  # noqa: BLE001 - raised where it is awaited
            failure = exc
        # The loop may have ended.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, name="operations page", daemon=True).start()
    return await done

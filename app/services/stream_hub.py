"""The hub: it polls the activity once for all streams of this process."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Hashable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple, Protocol, TypeVar
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.asyncio_tasks import finish_or_cancel
from app.core.stream_cursor import Snapshot
from app.models import ActivityEvent
from app.repositories.streams import EventFilter, StreamRepository

# Seconds between two polls if no commit is heard of.
_POLL_EVERY = 1.0
# Seconds of pause after each poll. Each reader is sent each poll by itself, so with many readers a process can only do
# fewer and larger polls. The pause has a limit, because readers who lose their access must be out within a second.
_PAUSE = 0.03
_PAUSE_PER_READER = 0.0002
_LONGEST_PAUSE = 0.4
# Seconds of pause after a poll that failed.
_RETRY_AFTER = 1.0
# The most events that a batch keeps, and the most batches that are kept. A slower reader reads the table.
_KEPT_EVENTS = 500
_KEPT_BATCHES = 200
# How many connections read the table for readers, and how many recheck the access of readers who may just have lost it:
# these do not wait behind the others.
_READING = 2
_RECHECKING = 2
# Events of these types may change the access of their subject, or of everybody. Only those readers are rechecked.
_OF_ONE = ("member.", "agent.deleted", "agent.updated", "agent.token_renewed", "token.revoked")
_OF_ALL = ("organization.",)
# Events of these types may change the access to their board, or to groups, which are read by way of their boards.
_OF_BOARD = ("board.deleted",)
_OF_GROUPS = ("board.", "board_group.")

log = structlog.stdlib.get_logger(__name__)
ResultT = TypeVar("ResultT")
Sessions = Callable[[], AbstractAsyncContextManager[AsyncSession]]


class CommitListener(Protocol):
    """Hears that something was committed, by any process (`db/notify.py`)."""

    async def wait(self, seconds: float) -> None: ...
    def wake(self) -> None: ...
    def listening(self) -> AbstractAsyncContextManager[None]: ...


class PollEnd(NamedTuple):
    """The end of a poll: its snapshot, and the number of the newest batch by then."""

    snapshot: Snapshot
    number: int


class EventBatch:
    """The events that became visible between two polls.

    `made` is what readers have made of the events, by their topics; None where that is nothing.
    """

    def __init__(self, begin: Snapshot, end: Snapshot, events: Sequence[ActivityEvent]) -> None:
        self.begin = begin
        self.end = end
        self.events = events
        self.made: dict[Hashable, asyncio.Task[bytes] | None] = {}
        self.written_at = min((e.created_at for e in events if e.created_at), default=None)
        """When the oldest of the events was written."""
        self._changes = [e for e in events if e.event_type.startswith((*_OF_ONE, *_OF_ALL, *_OF_GROUPS))]

    def may_end_access(self, wanted: EventFilter, reader_ids: Collection[UUID]) -> bool:
        """Return whether a reader with these ids may have lost the access to the events of this filter."""
        return any(
            event.organization_id == wanted.organization_id and _changes_access(event, wanted, reader_ids)
            for event in self._changes
        )


def _changes_access(event: ActivityEvent, wanted: EventFilter, reader_ids: Collection[UUID]) -> bool:
    if event.event_type.startswith(_OF_ONE):
        return event.subject_id in reader_ids
    if event.event_type.startswith(_OF_ALL) or wanted.is_of_groups:
        return True
    return event.event_type.startswith(_OF_BOARD) and event.board_id in (wanted.board_ids or ())


def _deletion(organization_id: UUID) -> ActivityEvent:
    return ActivityEvent(organization_id=organization_id, event_type="organization.deleted")


class Signal:
    """An event that wakes all who wait for it at that moment."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    async def wait(self) -> None:
        await self._event.wait()

    def fire(self) -> None:
        fired, self._event = self._event, asyncio.Event()
        fired.set()


class Hub:
    """One process's view of the activity of all organizations that somebody in it follows."""

    def __init__(self, sessions: Sessions, listener: CommitListener) -> None:
        self._sessions = sessions
        self._listener = listener
        self._reading = asyncio.Semaphore(_READING)
        self._rechecking = asyncio.Semaphore(_RECHECKING)
        self._reads: set[asyncio.Task[Any]] = set()
        self._followed: Counter[UUID] = Counter()
        self._batches: dict[int, EventBatch] = {}
        self._latest: PollEnd | None = None
        self._polls_begun = self._polls_done = 0
        self._polled = Signal()
        self._running: asyncio.Task[None] | None = None
        self.new_events = Signal()
        self.is_closed = False

    async def read(self, work: Callable[[AsyncSession], Awaitable[ResultT]], *, is_urgent: bool = False) -> ResultT:
        """Do the work to its end, even if the reader leaves, with one of the few sessions that all readers share.

        A task that is cancelled while it connects leaves a connection that nobody closes.
        """

        async def done() -> ResultT:
            async with self._rechecking if is_urgent else self._reading, self._sessions() as session:
                return await work(session)

        task = asyncio.create_task(done())
        self._reads.add(task)
        task.add_done_callback(self._reads.discard)
        return await asyncio.shield(task)

    @asynccontextmanager
    async def following(self, organization_id: UUID) -> AsyncIterator[None]:
        """Have the batches within this context hold what happens in the organization."""
        self._followed[organization_id] += 1
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._followed[organization_id] -= 1
            self._followed += Counter()  # Without those that nobody follows any more.

    @property
    def readers(self) -> int:
        """Return how many streams of this process are open."""
        return self._followed.total()

    async def next_poll(self) -> PollEnd | None:
        """Return the end of a poll that begins after this call; None where the hub is closed."""
        wanted = self._polls_begun + 1
        self._listener.wake()
        while self._polls_done < wanted and not self.is_closed:
            await self._polled.wait()
        return self._latest

    def has_more(self, number: int) -> bool:
        """Return whether there was a batch after that of this number."""
        return self._latest is not None and self._latest.number > number

    def batch(self, number: int) -> EventBatch | None:
        """Return the batch of this number; None where it is not kept."""
        return self._batches.get(number)

    def end(self) -> None:
        """Tell all readers to end, which they do by themselves, soon."""
        self.is_closed = True
        self.new_events.fire()
        self._polled.fire()

    async def close(self) -> None:
        self.end()
        if self._running is not None:
            self._listener.wake()
            await finish_or_cancel(self._running, *self._reads)

    async def _run(self) -> None:
        async with self._listener.listening():
            while not self.is_closed:
                await self._listener.wait(_POLL_EVERY)
                try:
                    await self._poll()
                except (SQLAlchemyError, OSError) as exc:
                    log.warning("streams wait: the database does not answer", error=type(exc).__name__)
                    await asyncio.sleep(_RETRY_AFTER)
                except Exception as exc:
                    # Without this task every stream of the process would be silent for good.
                    log.error("streams wait: an unexpected error", exc_info=exc)
                    await asyncio.sleep(_RETRY_AFTER)
                # One poll then reads all that was committed during the pause.
                await asyncio.sleep(min(_LONGEST_PAUSE, max(_PAUSE, _PAUSE_PER_READER * self._followed.total())))

    async def _poll(self) -> None:
        if not self._followed:
            # Nothing is kept: readers who come later begin with the table.
            self._batches.clear()
            self._latest = None
            return
        self._polls_begun += 1
        poll, before = self._polls_begun, self._latest
        events: Sequence[ActivityEvent] = ()
        async with self._sessions() as session:
            repository = StreamRepository(session=session)
            snapshot = await repository.current_snapshot()
            if before is not None and before.snapshot != snapshot:
                followed = list(self._followed)
                found = await repository.list_between(followed, before.snapshot, snapshot, _KEPT_EVENTS + 1)
                # The events of an organization are deleted with it.
                events = [*found, *map(_deletion, await repository.deleted_organization_ids(followed))]
        number = before.number if before else 0
        if before is not None and events:
            number += 1
            self._keep(number, EventBatch(before.snapshot, snapshot, events))
        self._latest, self._polls_done = PollEnd(snapshot, number), poll
        self._polled.fire()
        if events:
            self.new_events.fire()

    def _keep(self, number: int, batch: EventBatch) -> None:
        self._batches.pop(number - _KEPT_BATCHES, None)
        if len(batch.events) <= _KEPT_EVENTS:
            self._batches[number] = batch

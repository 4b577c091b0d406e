"""Streams of what happens, for any number of readers, over a fixed number of database connections.

The table is polled once for all readers (`stream_hub.py`), and what several of them are sent is made once. A reader
that is new, has come back or is too slow reads the table until it has come to the latest poll. Whether a reader may see
the events is checked again when something may have changed that, and from time to time.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from math import inf
from random import uniform
from typing import NamedTuple, TypeVar
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.duration_histogram import DurationHistogram
from app.core.errors import AppError, NotFoundError
from app.core.stream_cursor import Snapshot, StreamCursor
from app.models import ActivityEvent
from app.repositories.streams import EventFilter, StreamRepository
from app.services.base import Service
from app.services.stream_hub import EventBatch, Hub

# Seconds: between two things that are sent; between two checks of the reader's access (at most, and at least, once the
# sign-in has expired); after the database did not answer.
_SILENT_FOR = 15.0
_ADMITTED_FOR = 15.0
_ADMITTED_AT_LEAST_FOR = 0.25
_RETRY_AFTER = 1.0
# Events that a reader reads at once.
_PAGE = 200
# Milliseconds after which a client comes back.
_COME_BACK_AFTER = 2000
_SIGN_OF_LIFE = b": still here\n\n"
# From when the oldest event of a batch was written, by the database's clock, until it was sent to a reader.
EVENT_DELAYS = DurationHistogram()

__all__ = ("Admitted", "EventFilter", "Loader", "Message", "Reader", "StreamService", "Topic")

ResultT = TypeVar("ResultT")
log = structlog.stdlib.get_logger(__name__)


class Message(NamedTuple):
    """A message about an event, as JSON."""

    about: ActivityEvent
    data: bytes


class Topic(NamedTuple):
    """The subject of a stream; readers with equal topics are sent the same.

    `name` is the name of its server-sent events. `load` makes messages of these events, in order; perhaps of some none.
    """

    name: str
    wanted: EventFilter
    load: "Loader"
    is_chat: bool | None = None


class Admitted(NamedTuple):
    """The topic that a reader may see, and the ids by which events name their membership, token or agent."""

    topic: Topic
    reader_ids: frozenset[UUID]


class StreamService(Service):
    """The state of database and caller at which a stream begins."""

    async def current_snapshot(self) -> Snapshot:
        return await StreamRepository(session=self._session).current_snapshot()

    async def readable_board_ids(self) -> frozenset[UUID] | None:
        """Return the boards that the caller may read; None where that is all."""
        return await StreamRepository(session=self._session).readable_board_ids(self._caller.access)


Loader = Callable[[AsyncSession, Topic, Sequence[ActivityEvent]], Awaitable[list[Message]]]


class Reader:
    """One stream, which goes on after a cursor.

    `admit` reads again who the reader is and what they may see, or raises AppError. `until` is when the credential of
    the sign-in expires.
    """

    def __init__(
        self,
        hub: Hub,
        admitted: Admitted,
        cursor: StreamCursor,
        admit: Callable[[AsyncSession], Awaitable[Admitted]],
        until: datetime | None = None,
    ) -> None:
        self._hub = hub
        self._topic, self._ids = admitted
        self._cursor = cursor
        self._admit = admit
        # The batch that the reader has come to; None while it reads the table.
        self._number: int | None = None
        self._clock = asyncio.get_running_loop().time
        self._spoke_at = self._admitted_at = self._clock()
        left = (until - datetime.now(UTC)).total_seconds() if until else inf
        self._expires_at = self._spoke_at + left
        # Readers that came together are not rechecked together: one that is out would wait behind all of them.
        self._share = uniform(0.5, 1.0)  # noqa: S311 - no secret

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield server-sent events, for as long as the reader may have them and the hub is open."""
        async with self._hub.following(self._topic.wanted.organization_id):
            yield f"retry: {_COME_BACK_AFTER}\nid: {self._cursor.encode()}\n\n".encode()
            while not self._hub.is_closed:
                try:
                    chunk = await self._next()
                except AppError as exc:
                    log.info("a stream has ended: its reader may not see it any more", code=exc.code)
                    return
                except (SQLAlchemyError, OSError) as exc:
                    log.warning("a stream waits: the database does not answer", error=type(exc).__name__)
                    await asyncio.sleep(_RETRY_AFTER)
                    chunk = b""
                if not chunk and self._clock() - self._spoke_at >= _SILENT_FOR:
                    chunk = _SIGN_OF_LIFE
                if chunk:
                    yield chunk
                    self._spoke_at = self._clock()

    @property
    def _recheck_at(self) -> float:
        """Return when to recheck: from time to time, and after the expiry until the database's clock agrees, too."""
        expires_at = max(self._expires_at, self._admitted_at + _ADMITTED_AT_LEAST_FOR)
        return min(self._admitted_at + _ADMITTED_FOR * self._share, expires_at)

    async def _next(self) -> bytes:
        """Return what comes next, perhaps nothing; at the latest when it is time for a sign of life."""
        if self._clock() >= self._recheck_at:
            await self._recheck_access(is_urgent=self._clock() >= self._expires_at)
        if self._number is None:
            return await self._catch_up()
        if not self._hub.has_more(self._number):
            await self._until_due(self._hub.new_events.wait())
        elif batch := self._hub.batch(self._number + 1):
            return await self._send_batch(batch)
        else:
            self._number = None
        return b""

    async def _until_due(self, something: Awaitable[ResultT]) -> ResultT | None:
        """Wait for something until it is time for a sign of life, or to recheck the access; return None then."""
        try:
            async with asyncio.timeout_at(min(self._spoke_at + _SILENT_FOR, self._recheck_at)):
                return await something
        except TimeoutError:
            return None

    async def _send_batch(self, batch: EventBatch) -> bytes:
        assert self._number is not None, "a reader of batches"
        if batch.may_end_access(self._topic.wanted, self._ids):
            await self._recheck_access(is_urgent=True)
        chunk = await self._chunk_of(batch)
        if chunk and batch.written_at is not None:
            EVENT_DELAYS.add(max(0.0, (datetime.now(UTC) - batch.written_at).total_seconds()))
        self._number, self._cursor = self._number + 1, StreamCursor(batch.end)
        return chunk

    async def _chunk_of(self, batch: EventBatch) -> bytes:
        """Return the batch as it is sent: the first reader that needs it makes it, and may leave before it is done."""
        topic = self._topic
        if topic not in batch.made:
            events = [event for event in batch.events if topic.wanted.matches(event)]
            batch.made[topic] = asyncio.create_task(_make(self._hub, topic, batch, events)) if events else None
        making = batch.made[topic]
        if making is None:
            return b""
        try:
            return await asyncio.shield(making)
        except (SQLAlchemyError, OSError):
            batch.made.pop(topic, None)
            raise

    async def _catch_up(self) -> bytes:
        """Return a page of what the reader has not had, and go back to the batches with the last one."""
        poll = await self._until_due(self._hub.next_poll())
        if poll is None:
            return b""
        # What has ended the reader's access until that poll is not in the batches that follow it.
        await self._recheck_access()
        end = self._cursor.end or poll.snapshot
        events, messages = await self._hub.read(partial(_load_page, self._topic, self._cursor, end))
        is_last = len(events) < _PAGE
        chunk = _events(self._topic.name, messages, self._cursor, end, is_last=is_last)
        if not is_last:
            self._cursor = StreamCursor(self._cursor.begin, end, (events[-1].created_at, events[-1].id))
            return chunk
        if self._cursor.end is None:
            self._number = poll.number
        self._cursor = StreamCursor(end)
        return chunk

    async def _recheck_access(self, *, is_urgent: bool = False) -> None:
        """Read again what the reader may see. Raises AppError, also if they have gone to another organization."""
        topic, ids = await self._hub.read(self._admit, is_urgent=is_urgent)
        if topic.wanted.organization_id != self._topic.wanted.organization_id:
            raise NotFoundError
        self._topic, self._ids, self._admitted_at = topic, ids, self._clock()


async def _load_page(
    topic: Topic, cursor: StreamCursor, end: Snapshot, session: AsyncSession
) -> tuple[Sequence[ActivityEvent], list[Message]]:
    events = await StreamRepository(session=session).list_after(topic.wanted, cursor, end, _PAGE)
    return events, await topic.load(session, topic, events) if events else []


async def _make(hub: Hub, topic: Topic, batch: EventBatch, events: Sequence[ActivityEvent]) -> bytes:
    messages = await hub.read(lambda session: topic.load(session, topic, events))
    return _events(topic.name, messages, StreamCursor(batch.begin), batch.end, is_last=True)


def _events(name: str, messages: Sequence[Message], cursor: StreamCursor, end: Snapshot, *, is_last: bool) -> bytes:
    """Return server-sent events, with ids by which a reader that had only some of them goes on with the next."""
    parts = []
    for number, message in enumerate(messages, start=1):
        had = StreamCursor(cursor.begin, end, (message.about.created_at, message.about.id))
        if is_last and number == len(messages):
            had = StreamCursor(end)
        parts.append(b"id: %b\nevent: %b\ndata: %b\n\n" % (had.encode().encode(), name.encode(), message.data))
    return b"".join(parts)

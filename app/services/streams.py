"""Streams of what happens, for any number of readers, over a fixed number of database connections.

A look at the table is made once for all readers (`hub.py`), and what two of them are shown alike is made once. Who
comes, or comes back, or is too slow, reads the table himself until he has come to the latest look. Whether a reader may
see what he is shown is asked again when something may have changed that for him, and from time to time.
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

from app.core.errors import AppError, NotFoundError
from app.models import ActivityEvent
from app.repositories.streams import Shown, StreamRepository
from app.repositories.visibility import Place, Visibility
from app.services.hub import Batch, Hub

# Seconds: without a word, without asking whether the reader still may (at most, and at least where he expires), and
# after the database did not answer.
_SILENT_FOR = 15.0
_ADMITTED_FOR = 15.0
_ADMITTED_AT_LEAST_FOR = 0.25
_RETRY_AFTER = 1.0
# Events that a reader reads at once.
_PAGE = 200
# Milliseconds after which a client comes back.
_COME_BACK_AFTER = 2000
_SIGN_OF_LIFE = b": still here\n\n"

ResultT = TypeVar("ResultT")
log = structlog.stdlib.get_logger(__name__)


class Message(NamedTuple):
    """What a stream says of an event, as JSON."""

    about: ActivityEvent
    data: bytes


class Topic(NamedTuple):
    """What a stream shows; readers whose topics are equal are sent the same.

    `name` is the name of its server-sent events. `load` makes messages, in order, of events that are shown; of some
    perhaps none.
    """

    name: str
    shown: Shown
    load: "Loader"
    is_chat: bool | None = None


class Admitted(NamedTuple):
    """What a reader may see, and the ids by which events name what lets him: his membership, his token, the agent."""

    topic: Topic
    reader_ids: frozenset[UUID]


Loader = Callable[[AsyncSession, Topic, Sequence[ActivityEvent]], Awaitable[list[Message]]]


class Reader:
    """One stream, from a place on. `admit` asks again who reads and what he may see, and raises AppError.

    `until` is when what he signed in with expires.
    """

    def __init__(
        self,
        hub: Hub,
        admitted: Admitted,
        place: Place,
        admit: Callable[[AsyncSession], Awaitable[Admitted]],
        until: datetime | None = None,
    ) -> None:
        self._hub = hub
        self._topic, self._ids = admitted
        self._place = place
        self._admit = admit
        # The batch that the reader has come to; None where he reads the table himself.
        self._number: int | None = None
        self._clock = asyncio.get_running_loop().time
        self._spoke_at = self._admitted_at = self._clock()
        left = (until - datetime.now(UTC)).total_seconds() if until else inf
        self._expires_at = self._spoke_at + left
        # Those who came together do not ask together: whoever is out would wait behind all of them.
        self._share = uniform(0.5, 1.0)  # noqa: S311 - no secret

    async def chunks(self) -> AsyncIterator[bytes]:
        """Server-sent events, for as long as the reader may have them and the hub is open."""
        async with self._hub.following(self._topic.shown.organization_id):
            yield f"retry: {_COME_BACK_AFTER}\nid: {self._place.encode()}\n\n".encode()
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
    def _ask_at(self) -> float:
        """From time to time, and once he expires until the database, whose clock may be behind, says so too."""
        expires_at = max(self._expires_at, self._admitted_at + _ADMITTED_AT_LEAST_FOR)
        return min(self._admitted_at + _ADMITTED_FOR * self._share, expires_at)

    async def _next(self) -> bytes:
        """What comes next, perhaps nothing; returns at the latest when it is time for a sign of life."""
        if self._clock() >= self._ask_at:
            await self._ask_again(is_urgent=self._clock() >= self._expires_at)
        if self._number is None:
            return await self._catch_up()
        if not self._hub.has_more(self._number):
            await self._until_due(self._hub.news.wait())
        elif batch := self._hub.batch(self._number + 1):
            return await self._take(batch)
        else:
            self._number = None
        return b""

    async def _until_due(self, something: Awaitable[ResultT]) -> ResultT | None:
        """Waits for it until it is time for a sign of life, or to ask again; None then."""
        try:
            async with asyncio.timeout_at(min(self._spoke_at + _SILENT_FOR, self._ask_at)):
                return await something
        except TimeoutError:
            return None

    async def _take(self, batch: Batch) -> bytes:
        assert self._number is not None, "a reader of batches"
        if batch.may_end(self._topic.shown, self._ids):
            await self._ask_again(is_urgent=True)
        chunk = await self._made(batch)
        self._number, self._place = self._number + 1, Place(batch.end)
        return chunk

    async def _made(self, batch: Batch) -> bytes:
        """Made by the first reader who needs it; he may go before it is done."""
        topic = self._topic
        if topic not in batch.made:
            events = [event for event in batch.events if topic.shown.has(event)]
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
        """A page of what the reader has not had, and with the last one back to the batches."""
        moment = await self._until_due(self._hub.moment())
        if moment is None:
            return b""
        # What took the reader's access away until that moment is not in the batches that follow it.
        await self._ask_again()
        end = self._place.end or moment.seen
        events, messages = await self._hub.read(partial(_missed, self._topic, self._place, end))
        is_last = len(events) < _PAGE
        chunk = _events(self._topic.name, messages, self._place, end, is_last=is_last)
        if not is_last:
            self._place = Place(self._place.begin, end, (events[-1].created_at, events[-1].id))
            return chunk
        if self._place.end is None:
            self._number = moment.number
        self._place = Place(end)
        return chunk

    async def _ask_again(self, *, is_urgent: bool = False) -> None:
        """Raises AppError, also where the reader has gone to another organization."""
        topic, ids = await self._hub.read(self._admit, is_urgent=is_urgent)
        if topic.shown.organization_id != self._topic.shown.organization_id:
            raise NotFoundError
        self._topic, self._ids, self._admitted_at = topic, ids, self._clock()


async def _missed(
    topic: Topic, place: Place, end: Visibility, session: AsyncSession
) -> tuple[Sequence[ActivityEvent], list[Message]]:
    events = await StreamRepository(session).missed(topic.shown, place, end, _PAGE)
    return events, await topic.load(session, topic, events) if events else []


async def _make(hub: Hub, topic: Topic, batch: Batch, events: Sequence[ActivityEvent]) -> bytes:
    messages = await hub.read(lambda session: topic.load(session, topic, events))
    return _events(topic.name, messages, Place(batch.begin), batch.end, is_last=True)


def _events(name: str, messages: Sequence[Message], place: Place, end: Visibility, *, is_last: bool) -> bytes:
    """With ids by which a reader who had only some of them goes on with the next."""
    parts = []
    for number, message in enumerate(messages, start=1):
        had = Place(place.begin, end, (message.about.created_at, message.about.id))
        if is_last and number == len(messages):
            had = Place(end)
        parts.append(b"id: %b\nevent: %b\ndata: %b\n\n" % (had.encode().encode(), name.encode(), message.data))
    return b"".join(parts)

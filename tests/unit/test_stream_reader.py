"""When the reader of a stream is asked for again, what it reads, and when it hears that the stream is alive."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from app.core.errors import NotFoundError
from app.core.stream_cursor import Snapshot, StreamCursor
from app.models import ActivityEvent
from app.repositories.streams import StreamRepository
from app.services import streams
from app.services.stream_hub import EventBatch, PollEnd
from app.services.streams import Admitted, EventFilter, Message, Reader, Topic


class QuietHub:
    """A hub in which nothing happens; `reads` says of each read whether it was urgent."""

    is_closed = False

    def __init__(self) -> None:
        self.reads: list[bool] = []

    @asynccontextmanager
    async def following(self, organization_id: UUID) -> AsyncIterator[None]:
        yield

    async def read(self, work: Callable[[Any], Awaitable[Any]], *, is_urgent: bool = False) -> Any:
        self.reads.append(is_urgent)
        return await work(None)

    async def next_poll(self) -> PollEnd | None:
        return None


async def load(_: object, topic: Topic, events: Sequence[ActivityEvent]) -> list[Message]:
    assert events, "it is not asked for messages about nothing"
    return [Message(event, str(event.message).encode()) for event in events]


ORGANIZATION = uuid4()
ADMITTED = Admitted(Topic("news", EventFilter(ORGANIZATION, "task."), load), frozenset())


async def admit(_: object) -> Admitted:
    return ADMITTED


def reader_in(hub: QuietHub, lasting: timedelta | None = None, kind: type[Reader] = Reader) -> Reader:
    until = None if lasting is None else datetime.now(UTC) + lasting
    return kind(cast("Any", hub), ADMITTED, StreamCursor(Snapshot(1)), admit, until)


def clock_at(moment: float) -> Callable[[], float]:
    return lambda: moment


async def test_readers_are_asked_for_in_time_and_not_all_at_once() -> None:
    begun = asyncio.get_running_loop().time()
    readers = [reader_in(QuietHub()) for _ in range(200)]
    ended = asyncio.get_running_loop().time()
    latest = streams._ADMITTED_FOR
    asked_at = [reader._recheck_at for reader in readers]
    assert begun + latest / 2 <= min(asked_at) < max(asked_at) <= ended + latest


@pytest.mark.parametrize(("lasting", "seconds"), [(2.0, 2.0), (-100.0, streams._ADMITTED_AT_LEAST_FOR)])
async def test_reader_is_asked_for_when_its_credential_expires(lasting: float, seconds: float) -> None:
    """And now and then after that, until the database agrees."""
    begun = asyncio.get_running_loop().time()
    reader = reader_in(QuietHub(), timedelta(seconds=lasting))
    ended = asyncio.get_running_loop().time()
    assert begun + seconds - (ended - begun) <= reader._recheck_at <= ended + seconds


async def test_whose_credential_has_expired_is_asked_for_before_others() -> None:
    for lasting, urgent in ((None, False), (timedelta(seconds=2), True)):
        hub = QuietHub()
        reader = reader_in(hub, lasting)
        moment = reader._recheck_at
        reader._clock = clock_at(moment - 0.001)
        await reader._next()
        assert hub.reads == []
        reader._clock = clock_at(moment)
        await reader._next()
        assert hub.reads == [urgent]


class Script(Reader):
    """Plays what comes next, and when; then the reader may see it no more."""

    plays: list[tuple[float, bytes | Exception]]

    async def _next(self) -> bytes:
        if not self.plays:
            raise NotFoundError
        moment, chunk = self.plays.pop(0)
        self._clock = clock_at(moment)
        if isinstance(chunk, Exception):
            raise chunk
        return chunk


async def test_sign_of_life_comes_after_silence_and_in_the_place_of_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    reader = cast("Script", reader_in(QuietHub(), kind=Script))
    begun, silent = 1000.0, streams._SILENT_FOR
    reader._clock, reader._spoke_at = clock_at(begun), begun
    first, then = begun + silent, begun + 2 * silent
    reader.plays = [
        (begun + 0.5, b""),
        (first, b""),
        (first + 0.5, b""),
        (first + 0.75, OSError()),
        (then, b""),
        (then + 2 * silent, b"late"),
    ]
    monkeypatch.setattr("app.services.streams.asyncio.sleep", sleep)
    _, *said = [chunk async for chunk in reader.chunks()]
    assert said == [streams._SIGN_OF_LIFE, streams._SIGN_OF_LIFE, b"late"]
    assert slept == [streams._RETRY_AFTER]


class BatchHub(QuietHub):
    """A hub with one batch, of two events; reads fail as `failures` says."""

    def __init__(self, event_type: str, *failures: Exception) -> None:
        super().__init__()
        self.failures = list(failures)
        of_type = {"organization_id": ORGANIZATION, "event_type": event_type, "created_at": datetime.now(UTC)}
        self.events = [ActivityEvent(id=uuid4(), message=message, **of_type) for message in ("one", "two")]
        self._batch = EventBatch(Snapshot(1), Snapshot(2), self.events)

    async def read(self, work: Callable[[Any], Awaitable[Any]], *, is_urgent: bool = False) -> Any:
        if self.failures:
            raise self.failures.pop()
        return await super().read(work, is_urgent=is_urgent)

    def has_more(self, number: int) -> bool:
        return True

    def batch(self, number: int) -> EventBatch:
        return self._batch


def reader_of_batches(hub: BatchHub) -> Reader:
    reader = reader_in(hub)
    reader._number = 0
    return reader


async def test_batch_is_sent_with_ids_to_go_on_after() -> None:
    hub = BatchHub("task.created")
    first = hub.events[0]
    ids = StreamCursor(Snapshot(1), Snapshot(2), (first.created_at, first.id)), StreamCursor(Snapshot(2))
    blocks = [
        f"id: {cursor.encode()}\nevent: news\ndata: {said}\n\n"
        for cursor, said in zip(ids, ("one", "two"), strict=True)
    ]
    assert await reader_of_batches(hub)._next() == "".join(blocks).encode()


async def test_batch_with_nothing_for_its_readers_costs_no_read() -> None:
    hub = BatchHub("approval.created")
    assert await reader_of_batches(hub)._next() == b""
    assert hub.reads == []


async def test_batch_that_could_not_be_made_is_made_again() -> None:
    hub = BatchHub("task.created", OSError())
    reader = reader_of_batches(hub)
    with pytest.raises(OSError):  # noqa: PT011 - it has no text
        await reader._next()
    sent = await reader._next()
    assert sent.count(b"event: news") == 2
    assert await reader_of_batches(hub)._next() == sent
    assert hub.reads == [False], "once for both readers"


async def test_reader_that_has_missed_nothing_goes_on_with_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    class PolledHub(QuietHub):
        async def next_poll(self) -> PollEnd:
            return PollEnd(Snapshot(2), 7)

    async def list_after(*_: object) -> list[ActivityEvent]:
        return []

    monkeypatch.setattr(StreamRepository, "list_after", list_after)
    hub = PolledHub()
    reader = reader_in(hub)
    assert await reader._next() == b""
    assert (reader._number, reader._cursor) == (7, StreamCursor(Snapshot(2)))
    assert hub.reads == [False, False], "the access and the table, behind those who may be out"

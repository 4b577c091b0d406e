"""Admission: so many requests at a time, and whoever comes beyond them is told at once instead of waiting.

A number, and no time: while requests are answered, how long the last of the queue waits is in proportion to what each
one takes (Little's law), on a fast machine as on a slow one.

Where nothing has been answered for a moment, a queue is no sign of too many requests: as when a migration waits for a
table, and every connection waits behind it. Then it may be longer, since all are served as soon as that is over, and
so it stays until it is drained. (What tells good queues from bad ones is whether they go away by themselves: Nichols
and Jacobson, "Controlling Queue Delay", ACM Queue, 2012. How long those who leave have waited, by which they know it,
is long after a standstill, too.)
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from litestar.enums import HttpMethod, ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, ReceiveMessage, Scope, Send
from prometheus_client import Counter

from app.core.config import Settings
from app.core.errors import ServiceUnavailableError

_REFUSED = Counter("plimsoll_requests_refused", "Requests answered with 503 because too many were under way.")


class OverloadedError(ServiceUnavailableError):
    code = "overloaded"
    default_detail = "Too many requests are under way; try again shortly."


# Seconds without an answer, though there is a queue, that are a standstill, and by how much the limit is then higher.
_STANDSTILL = 0.25
_LONGER = 5
# There is a queue where more are under way than this share of the limit: by default one for each connection.
_WORKED_ON = 1 / 3
_PLACE = "admission_place"


class Admission(ASGIMiddleware):
    """Counts a request while it is worked on or waits for that: neither until its body is there, nor from the moment
    that its response starts, which may be a stream. Raises OverloadedError.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = settings.request_limit
        self._clock = clock
        self._under_way = 0
        # When the queue last moved, or there was none; and how many of a standstill's have not been answered yet.
        self._moved_at = clock()
        self._held_up = 0

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if scope.get("method") == HttpMethod.OPTIONS:
            # It is answered without the database, and says nothing of whether requests get on.
            await next_app(scope, receive, send)
            return
        place = _Place(self, receive, send)
        place.take()
        scope["state"][_PLACE] = place
        try:
            await next_app(scope, place.receive, place.send)
        finally:
            place.give_back()
            # What the server gives to receive from has the scope: left there, each request would be a cycle.
            del scope["state"][_PLACE]

    def enter(self) -> None:
        if self._under_way < self._limit * _WORKED_ON:
            self._moved_at, self._held_up = self._clock(), 0
        if self._under_way >= self._limit * (_LONGER if self._held_up or self._stands_still() else 1):
            _REFUSED.inc()
            raise OverloadedError
        self._under_way += 1

    def leave(self, *, answered: bool) -> None:
        if answered:
            if self._stands_still():
                self._held_up = self._under_way
            self._held_up = max(0, self._held_up - 1)
            self._moved_at = self._clock()
        self._under_way -= 1

    def _stands_still(self) -> bool:
        return self._clock() - self._moved_at > _STANDSTILL


@asynccontextmanager
async def standing_aside(scope: Scope) -> AsyncIterator[None]:
    """Take no place within this context, for a wait that is not for the database. Raises OverloadedError at its end."""
    place: _Place = scope["state"][_PLACE]
    place.give_back()
    yield
    place.take()


class _Place:
    """One request's."""

    def __init__(self, admission: Admission, receive: Receive, send: Send) -> None:
        self._admission = admission
        self._receive = receive
        self._send = send
        self._is_taken = False
        # Until it is there, or the response starts: what is received from then on is that the client is gone.
        self._awaits_body = True

    def take(self) -> None:
        self._admission.enter()
        self._is_taken = True

    def give_back(self, *, answered: bool = False) -> None:
        if self._is_taken:
            self._is_taken = False
            self._admission.leave(answered=answered)

    async def receive(self) -> ReceiveMessage:
        if not self._awaits_body:
            return await self._receive()
        self.give_back()
        message = await self._receive()
        if message["type"] == "http.request" and self._awaits_body:
            self._awaits_body = bool(message.get("more_body"))
            self.take()
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._awaits_body = False
            self.give_back(answered=True)
        await self._send(message)

"""Admission control: a limit on concurrent requests. A request beyond it is refused at once instead of waiting.

The limit is a number of requests, not a waiting time: while requests are answered, the wait of the last one in the
queue is proportional to the service time (Little's law), on a fast machine and on a slow one.

If nothing has been answered for a moment, a queue is no sign of overload. A migration may wait for a table, for
example, and every connection behind it. The queue may then be longer, because it is served as soon as the standstill is
over; the higher limit holds until it is drained. (A good queue is one that goes away by itself: Nichols and Jacobson,
"Controlling Queue Delay", ACM Queue, 2012. Their measure, the waiting time of those who leave, cannot be used here: it
is long after a standstill, too.)
"""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from litestar.enums import HttpMethod, ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, ReceiveMessage, Scope, Send
from prometheus_client import Counter

from app.core.errors import ServiceUnavailableError
from app.core.settings import Settings

_REFUSED = Counter("plimsoll_requests_refused", "Requests answered with 503 because too many were under way.")


class OverloadedError(ServiceUnavailableError):
    code = "overloaded"
    default_detail = "Too many requests are under way; try again shortly."


# Seconds without an answer after which a queue is a standstill, and the factor by which the limit is then higher.
_STANDSTILL = 0.25
_STANDSTILL_FACTOR = 5
# Requests beyond this share of the limit form a queue. By default it is one request for each connection.
_SERVED_SHARE = 1 / 3
_SLOT = "admission_slot"


class Admission(ASGIMiddleware):
    """Counts requests that are served or wait for that, and raises OverloadedError beyond the limit.

    A request counts from the moment that its body is complete until its response starts, which may be a stream.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = settings.request_limit
        self._clock = clock
        self._under_way = 0
        # When a request was last answered, or there was no queue; and how many requests of a standstill are left.
        self._moved_at = clock()
        self._left_of_standstill = 0

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        if scope.get("method") == HttpMethod.OPTIONS:
            # OPTIONS is answered without the database, and says nothing about the progress of other requests.
            await next_app(scope, receive, send)
            return
        slot = _Slot(self, receive, send)
        slot.take()
        scope["state"][_SLOT] = slot
        try:
            await next_app(scope, slot.receive, slot.send)
        finally:
            slot.release()
            # The server's `receive` refers to the scope: if the slot stayed, each request would be a reference cycle.
            del scope["state"][_SLOT]

    def enter(self) -> None:
        """Count one more request. Raises OverloadedError."""
        if self._under_way < self._limit * _SERVED_SHARE:
            self._moved_at, self._left_of_standstill = self._clock(), 0
        is_standstill = self._left_of_standstill or self._stands_still()
        if self._under_way >= self._limit * (_STANDSTILL_FACTOR if is_standstill else 1):
            _REFUSED.inc()
            raise OverloadedError
        self._under_way += 1

    def leave(self, *, answered: bool) -> None:
        if answered:
            if self._stands_still():
                self._left_of_standstill = self._under_way
            self._left_of_standstill = max(0, self._left_of_standstill - 1)
            self._moved_at = self._clock()
        self._under_way -= 1

    def _stands_still(self) -> bool:
        return self._clock() - self._moved_at > _STANDSTILL


@asynccontextmanager
async def not_counted(scope: Scope) -> AsyncIterator[None]:
    """Do not count the request within this context, while it waits for something else than the database.

    Raises OverloadedError at the end of the context.
    """
    slot: _Slot = scope["state"][_SLOT]
    slot.release()
    yield
    slot.take()


class _Slot:
    """The slot of one request, which is taken while the request counts."""

    def __init__(self, admission: Admission, receive: Receive, send: Send) -> None:
        self._admission = admission
        self._receive = receive
        self._send = send
        self._is_taken = False
        # True until the body is complete or the response starts. After that only a disconnect can be received.
        self._awaits_body = True

    def take(self) -> None:
        self._admission.enter()
        self._is_taken = True

    def release(self, *, answered: bool = False) -> None:
        if self._is_taken:
            self._is_taken = False
            self._admission.leave(answered=answered)

    async def receive(self) -> ReceiveMessage:
        if not self._awaits_body:
            return await self._receive()
        self.release()
        message = await self._receive()
        if message["type"] == "http.request" and self._awaits_body:
            self._awaits_body = bool(message.get("more_body"))
            self.take()
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._awaits_body = False
            self.release(answered=True)
        await self._send(message)

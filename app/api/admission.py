"""Admission: so many requests at a time, and whoever comes beyond them is told at once instead of waiting.

A number, and no limit on how long the oldest waits: the number bounds that as well, and DB_POOL_TIMEOUT by time; and a
request that is long at work is no sign of a queue.
"""

from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, ReceiveMessage, Scope, Send
from prometheus_client import Counter

from app.core.config import Settings
from app.core.errors import ServiceUnavailableError

_REFUSED = Counter("plimsoll_requests_refused", "Requests answered with 503 because too many were under way.")


class OverloadedError(ServiceUnavailableError):
    code = "overloaded"
    default_detail = "Too many requests are under way; try again shortly."


class Admission(ASGIMiddleware):
    """Counts a request while it is worked on or waits for that: neither until its body is there, nor from the moment
    that its response starts, which may be a stream. Raises OverloadedError.
    """

    scopes = (ScopeType.HTTP,)

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.request_limit
        self._under_way = 0

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        place = _Place(self, receive, send)
        place.take()
        try:
            await next_app(scope, place.receive, place.send)
        finally:
            place.give_back()

    def enter(self) -> None:
        if self._under_way >= self._limit:
            _REFUSED.inc()
            raise OverloadedError
        self._under_way += 1

    def leave(self) -> None:
        self._under_way -= 1


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

    def give_back(self) -> None:
        if self._is_taken:
            self._is_taken = False
            self._admission.leave()

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
            self.give_back()
        await self._send(message)

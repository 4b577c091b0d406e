"""What surrounds all requests: HEAD on every path that takes GET, the `Allow` header, measuring and tracing.

HEAD has GET's answer without its body (RFC 9110, 9.3.2).
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from litestar import Litestar
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import HttpMethod, ScopeType
from litestar.types import (
    HTTPScope,
    LifeSpanReceive,
    LifeSpanScope,
    LifeSpanSend,
    Message,
    Receive,
    ReceiveMessage,
    Scope,
    Send,
)

from app.api.http.request_metrics import MeasuredRequest, RequestMetrics

if TYPE_CHECKING:
    from app.api.http.request_span import RequestSpan
    from app.core.tracing.provider import Tracing


class Application(Litestar):
    """The application, which measures and traces its requests, and answers HEAD by its GET handlers.

    Litestar itself needs a second handler for HEAD. The plugins have to include RequestMetrics.
    """

    def __init__(self, tracing: "Tracing | None" = None, **options: Any) -> None:  # noqa: ANN401 - Litestar's options
        super().__init__(**options)
        self._requests = self.plugins.get(RequestMetrics)
        self._open_span = None if tracing is None else _span_opener(tracing)

    async def __call__(
        self, scope: Scope | LifeSpanScope, receive: Receive | LifeSpanReceive, send: Send | LifeSpanSend
    ) -> None:
        if scope["type"] == ScopeType.HTTP:
            await self._answer(cast(HTTPScope, scope), cast(Receive, receive), cast(Send, send))
        else:
            await super().__call__(scope, receive, send)

    async def _answer(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        method = scope["method"]
        if method == HttpMethod.HEAD:
            scope = cast(HTTPScope, {**scope, "method": HttpMethod.GET})
            answer = _WithoutBody(receive, send)
            receive, send = answer.receive, answer.send
        if self._open_span is None:
            await self._measure(scope, method, receive, send)
            return
        with self._open_span(scope, method, send) as span:
            await self._measure(scope, method, receive, span.send)

    async def _measure(self, scope: HTTPScope, method: str, receive: Receive, send: Send) -> None:
        request = MeasuredRequest(self._requests, scope, method, send)
        try:
            await super().__call__(scope, receive, request.send)
        except Exception:
            # The server answers in place of the application.
            request.count(HTTPStatus.INTERNAL_SERVER_ERROR)
            raise
        finally:
            request.count(0)


def _span_opener(tracing: "Tracing") -> "Callable[[HTTPScope, str, Send], AbstractContextManager[RequestSpan]]":
    # Imported here because OpenTelemetry may not be installed.
    from app.api.http.request_span import request_span  # noqa: PLC0415

    return partial(request_span, tracing)


class _WithoutBody:
    """A client that disconnects once it has the headers. Otherwise a stream would not end."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._answered = asyncio.Event()
        self._received = False

    async def receive(self) -> ReceiveMessage:
        if not self._received:
            message = await self._receive()
            self._received = message["type"] != "http.request" or not message.get("more_body")
            return message
        await self._answered.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._send(message)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            self._answered.set()


async def complete_allow(message: Message, scope: Scope) -> None:
    """Complete `Allow`; a before-send hook. If handlers share a path, Litestar's answer has one handler's methods."""
    if message["type"] != "http.response.start" or (
        scope.get("method") != HttpMethod.OPTIONS and message["status"] != HTTPStatus.METHOD_NOT_ALLOWED
    ):
        return
    headers = MutableScopeHeaders.from_message(message)
    if "allow" not in headers:
        return
    template = scope.get("path_template")
    routes = [route for route in scope["litestar_app"].routes if route.path_format == template]
    methods = {*headers["allow"].split(", "), *(method for route in routes for method in getattr(route, "methods", ()))}
    headers["allow"] = ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))

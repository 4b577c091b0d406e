"""The span of a request by OpenTelemetry: around the whole application, so that a refused request has one, too.

It has no query and no header but `User-Agent`, since these may hold a secret.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http import HTTPMethod, HTTPStatus
from typing import Any

from litestar.types import HTTPScope, Message, Send
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.http_attributes import (
    HTTP_REQUEST_METHOD,
    HTTP_REQUEST_METHOD_ORIGINAL,
    HTTP_RESPONSE_STATUS_CODE,
    HTTP_ROUTE,
)
from opentelemetry.semconv.attributes.network_attributes import NETWORK_PROTOCOL_VERSION
from opentelemetry.semconv.attributes.url_attributes import URL_PATH, URL_SCHEME
from opentelemetry.semconv.attributes.user_agent_attributes import USER_AGENT_ORIGINAL
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.api.http.request_id import request_id_of
from app.core.tracing.provider import Tracing, set_error

_METHODS = frozenset(HTTPMethod)
_OTHER_METHOD = "_OTHER"
_NAMELESS = "HTTP"
_PROPAGATOR = TraceContextTextMapPropagator()
Headers = Iterable[tuple[bytes, bytes]]


class RequestSpan:
    """The span of one request; its `send` takes the status from the answer."""

    def __init__(self, span: Span, send: Send) -> None:
        self._span = span
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._set_status(message["status"])
        await self._send(message)

    def _set_status(self, status: int) -> None:
        self._span.set_attribute(HTTP_RESPONSE_STATUS_CODE, status)
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            self._span.set_attribute(ERROR_TYPE, str(status))
            self._span.set_status(Status(StatusCode.ERROR))


@contextmanager
def request_span(tracing: Tracing, scope: HTTPScope, method: str, send: Send) -> Iterator[RequestSpan]:
    """Open the span of a request, within that of its `traceparent` if it has a valid one."""
    parent = _PROPAGATOR.extract(scope["headers"], Context(), _HEADERS)
    span = tracing.tracer.start_span(
        _name_of(method), parent, kind=SpanKind.SERVER, attributes=_attributes(scope, method)
    )
    with use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield RequestSpan(span, send)
        except BaseException as exc:
            if isinstance(exc, Exception):
                # The server answers in place of the application.
                span.set_attribute(HTTP_RESPONSE_STATUS_CODE, HTTPStatus.INTERNAL_SERVER_ERROR.value)
            set_error(span, exc)
            raise
        finally:
            if route := scope.get("path_template"):
                span.set_attribute(HTTP_ROUTE, route)
                span.update_name(f"{_name_of(method)} {route}")
            span.set_attribute("plimsoll.request_id", request_id_of(scope))


def _name_of(method: str) -> str:
    return method if method in _METHODS else _NAMELESS


def _attributes(scope: HTTPScope, method: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        HTTP_REQUEST_METHOD: method if method in _METHODS else _OTHER_METHOD,
        URL_PATH: scope["path"],
        URL_SCHEME: scope["scheme"],
        NETWORK_PROTOCOL_VERSION: scope["http_version"],
    }
    if method not in _METHODS:
        attributes[HTTP_REQUEST_METHOD_ORIGINAL] = method
    if agent := _HEADERS.get(scope["headers"], "user-agent"):
        attributes[USER_AGENT_ORIGINAL] = agent[0]
    return attributes


class _Headers(Getter[Headers]):
    """Reads the headers of an ASGI scope, whose names are in lower case."""

    def get(self, carrier: Headers, key: str) -> list[str] | None:
        wanted = key.encode()
        return [value.decode("latin-1") for name, value in carrier if name == wanted] or None

    def keys(self, carrier: Headers) -> list[str]:
        return [name.decode("latin-1") for name, _ in carrier]


_HEADERS = _Headers()

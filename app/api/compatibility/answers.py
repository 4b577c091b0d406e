"""Answers: the statuses and bodies of the other backend, made of ours as they are sent.

It happens outside of entity tags and kept answers, so that these are about the same bytes with and without it.
"""

import asyncio
import time
from datetime import datetime
from http import HTTPStatus
from typing import Any, get_args, get_origin

import msgspec
from litestar import Response
from litestar.enums import ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.response import Stream
from litestar.types import (
    ASGIApp,
    HTTPResponseBodyEvent,
    HTTPResponseStartEvent,
    Message,
    Receive,
    Scope,
    Send,
)

from app.api.compatibility.fields import Complete, completer_of
from app.api.compatibility.requests import drop_ignored_parameters
from app.schemas.agents import OkResponse
from app.schemas.streams import (
    AgentStreamItem,
    ApprovalStreamItem,
    BoardGroupMemoryStreamItem,
    BoardMemoryStreamItem,
    TaskCommentStreamItem,
    TaskStreamItem,
)

# The other backend has nothing like them: their clients are ours.
_OURS_ALONE = frozenset({"create_token", "revoke_token"})
# Operations whose 201 is not 200 there.
_OTHER_STATUS = {"receive_webhook": HTTPStatus.ACCEPTED}
_STREAMED: dict[str, type[msgspec.Struct]] = {
    "stream_agents": AgentStreamItem,
    "stream_approvals": ApprovalStreamItem,
    "stream_board_group_memory": BoardGroupMemoryStreamItem,
    "stream_board_memory": BoardMemoryStreamItem,
    "stream_comments": TaskCommentStreamItem,
    "stream_group_memory_of_board": BoardGroupMemoryStreamItem,
    "stream_tasks": TaskStreamItem,
}
_OK = msgspec.json.encode(OkResponse())
_JSON = b"application/json"
_EVENTS = b"text/event-stream"
_DATA = b"data: "
# Seconds that an event is old when it is sent; that backend looks for new ones as often. The front end adds a task that
# it has created to those on the page without looking whether the stream was faster than the answer.
_OLD_ENOUGH = 2.0


class Answers(ASGIMiddleware):
    """Answers as the other backend does, whatever the operation is."""

    scopes = (ScopeType.HTTP,)

    def __init__(self) -> None:
        self._completers: dict[HTTPRouteHandler, Complete | None] = {}

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        handler = scope["route_handler"]
        operation_id = getattr(handler, "operation_id", None)
        # What is no operation (the document's page, a preflight) has no id.
        if isinstance(handler, HTTPRouteHandler) and isinstance(operation_id, str):
            drop_ignored_parameters(scope)
            send = _Answer(send, self._completer_of(handler), success_of(operation_id)).send
        await next_app(scope, receive, send)

    def _completer_of(self, handler: HTTPRouteHandler) -> Complete | None:
        if handler not in self._completers:
            self._completers[handler] = completer_of_answer(handler)
        return self._completers[handler]


class _Answer:
    """One answer on its way. `success` stands for 201 and 204; with None both stay."""

    def __init__(self, send: Send, complete: Complete | None, success: HTTPStatus | None) -> None:
        self._send = send
        self._complete = complete
        self._success = success
        self._start: HTTPResponseStartEvent | None = None
        self._is_stream = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._is_stream = _media_type(message).startswith(_EVENTS)
            if not self._is_stream:
                # It has the length of the body, which is not known yet.
                self._start = message
                return
        elif message["type"] == "http.response.body":
            if self._start is not None:
                start, self._start = self._start, None
                self._change(start, message)
                await self._send(start)
            elif self._is_stream and self._complete is not None:
                message["body"], newest = _with_events(self._complete, message["body"])
                if newest is not None:
                    await asyncio.sleep(min(max(0.0, _OLD_ENOUGH - time.time() + newest.timestamp()), _OLD_ENOUGH))
        await self._send(message)

    def _change(self, start: HTTPResponseStartEvent, body: HTTPResponseBodyEvent) -> None:
        status = start["status"]
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            return
        if status == HTTPStatus.NO_CONTENT and self._success is not None:
            _replace(start, body, _OK)
        elif self._complete is not None:
            _replace(start, body, _completed(self._complete, body["body"]))
        if status in {HTTPStatus.CREATED, HTTPStatus.NO_CONTENT} and self._success is not None:
            start["status"] = self._success.value


def success_of(operation_id: str) -> HTTPStatus | None:
    """Return the status that stands for the operation's 201 and 204; None if both stay."""
    return None if operation_id in _OURS_ALONE else _OTHER_STATUS.get(operation_id, HTTPStatus.OK)


def completer_of_answer(handler: HTTPRouteHandler) -> Complete | None:
    """Return what completes the handler's answer; None if it has everything."""
    if streamed := _STREAMED.get(str(handler.operation_id)):
        return completer_of(streamed)
    annotation: Any = handler.parsed_fn_signature.return_type.annotation
    if get_origin(annotation) is Response:
        (annotation,) = get_args(annotation)
    return None if annotation in {Response, Stream} else completer_of(annotation)


def _replace(start: HTTPResponseStartEvent, body: HTTPResponseBodyEvent, content: bytes) -> None:
    replaced = {b"content-type": _JSON, b"content-length": str(len(content)).encode()}
    kept = [header for header in start["headers"] if header[0] not in replaced]
    start["headers"] = [*kept, *replaced.items()]
    body["body"] = content


def _media_type(start: HTTPResponseStartEvent) -> bytes:
    return next((value for name, value in start["headers"] if name == b"content-type"), b"")


def _with_events(complete: Complete, chunk: bytes) -> tuple[bytes, datetime | None]:
    """Return the chunk of a stream, and when the newest of its events happened.

    It has whole events, with the data of each in one line.
    """
    lines, newest = chunk.split(b"\n"), None
    for number, line in enumerate(lines):
        if line.startswith(_DATA):
            event = msgspec.json.decode(line.removeprefix(_DATA))
            complete(event)
            lines[number] = _DATA + msgspec.json.encode(event)
            newest = datetime.fromisoformat(event["activity"]["created_at"])
    return b"\n".join(lines), newest


def _completed(complete: Complete, body: bytes) -> bytes:
    decoded = msgspec.json.decode(body)
    complete(decoded)
    return msgspec.json.encode(decoded)

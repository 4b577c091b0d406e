"""The request id: taken from `X-Request-Id` where that is fit to be logged, made otherwise, and sent back."""

import re
from secrets import token_hex

import structlog
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

_HEADER = b"x-request-id"
_KEY = "request_id"
_FIT = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def request_id_of(scope: Scope) -> str:
    """The id of this request; the same at every call."""
    state = scope["state"]
    if _KEY not in state:
        given = next((value for name, value in scope["headers"] if name == _HEADER), b"").decode("latin-1")
        state[_KEY] = given if _FIT.fullmatch(given) else token_hex(16)
    request_id: str = state[_KEY]
    return request_id


async def send_request_id(message: Message, scope: Scope) -> None:
    """A before-send hook, since a path that does not exist is answered before any middleware runs."""
    if message["type"] == "http.response.start":
        message["headers"] = [*message.get("headers", ()), (_HEADER, request_id_of(scope).encode("latin-1"))]


class RequestIdMiddleware(ASGIMiddleware):
    """Puts the id on every line that is logged while the request is served."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        # For good: a request has a context of its own, as it has a task.
        structlog.contextvars.bind_contextvars(request_id=request_id_of(scope))
        await next_app(scope, receive, send)

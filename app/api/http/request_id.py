"""The ids of a request in the log: its own, which is sent back, and that of the trace it belongs to.

The request's own is the client's `X-Request-Id` if it is fit for a log, otherwise a random one.
"""

import re
from secrets import token_hex

import structlog
from litestar.enums import ScopeType
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Message, Receive, Scope, Send

_HEADER = b"x-request-id"
_TRACE_HEADER = b"traceparent"
_KEY = "request_id"
# W3C Trace Context, of version 00 or a later one, with the trace's id; which is not all zeros.
_TRACE = re.compile(r"(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(-.*)?")
_FIT = re.compile(r"[A-Za-z0-9._:-]{1,128}")


def request_id_of(scope: Scope) -> str:
    """Return the id of this request, which is the same at every call."""
    state = scope["state"]
    if _KEY not in state:
        given = next((value for name, value in scope["headers"] if name == _HEADER), b"").decode("latin-1")
        state[_KEY] = given if _FIT.fullmatch(given) else token_hex(16)
    request_id: str = state[_KEY]
    return request_id


async def send_request_id(message: Message, scope: Scope) -> None:
    """Add the request id; a before-send hook, since an unknown path is answered before any middleware runs."""
    if message["type"] == "http.response.start":
        message["headers"] = [*message.get("headers", ()), (_HEADER, request_id_of(scope).encode("latin-1"))]


class RequestIdMiddleware(ASGIMiddleware):
    """Binds the ids for every line that is logged while the request is served."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        # It is never unbound: each request has its own task, and so its own context.
        structlog.contextvars.bind_contextvars(request_id=request_id_of(scope), **_trace_of(scope))
        await next_app(scope, receive, send)


def _trace_of(scope: Scope) -> dict[str, str]:
    """Return the id of the trace that the client began, for the log; also where the application traces nothing."""
    given = next((value for name, value in scope["headers"] if name == _TRACE_HEADER), None)
    match = _TRACE.fullmatch(given.decode("latin-1")) if given is not None else None
    return {"trace_id": match[1]} if match else {}

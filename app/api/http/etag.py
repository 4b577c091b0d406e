"""Conditional requests (RFC 9110, 13): `ETag`, `If-None-Match` on GET, `If-Match` on PATCH, PUT and DELETE.

The tag is a hash of the representation: every change that a client could see changes it.
"""

import hashlib
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request
from litestar.enums import HttpMethod, ScopeType
from litestar.handlers import HTTPRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, HTTPResponseBodyEvent, HTTPResponseStartEvent, Message, Receive, Scope, Send

from app.core.errors import PreconditionFailedError
from app.db.request.session import session_of
from app.models import (
    Agent,
    Approval,
    Board,
    BoardGroup,
    BoardWebhook,
    CustomField,
    Organization,
    OrganizationMember,
    PersonalToken,
    Tag,
    Task,
    User,
)
from app.schemas.organizations import OrganizationRead
from app.schemas.users import UserRead
from app.services.base import lock_row

_READS = "reads_same_path"
_TAG_BYTES = 16
# For an answer with a secret: no cache may store it, and it has no tag.
NO_STORE = {"Cache-Control": "no-store"}
# The rows that are locked between comparison and change: those that the path names, in its order, or the one answered.
_ROWS: dict[str, type[Any]] = {
    "board_id": Board,
    "group_id": BoardGroup,
    "task_id": Task,
    "agent_id": Agent,
    "tag_id": Tag,
    "approval_id": Approval,
    "member_id": OrganizationMember,
    "task_custom_field_definition_id": CustomField,
    "webhook_id": BoardWebhook,
    "token_id": PersonalToken,
}
_OWN: dict[type[Any], type[Any]] = {UserRead: User, OrganizationRead: Organization}


def etag_of(body: bytes) -> str:
    """Return a strong entity tag, which is equal only for equal bytes."""
    return f'"{hashlib.blake2b(body, digest_size=_TAG_BYTES).hexdigest()}"'


async def check_if_match(request: Request[Any, Any, Any]) -> None:
    """Check that GET of the same path would answer what the client last saw; a before-request hook.

    From then on the rows are locked until the transaction ends. Raises PreconditionFailedError, and what that GET
    raises.
    """
    if request.method not in {"PATCH", "PUT", "DELETE"} or not (wanted := _header_values(request.scope, b"if-match")):
        return
    reader = _reader(request)
    if reader is None:
        raise PreconditionFailedError("It has no entity tag: nothing can be read at this path.")
    shape = await _read(reader, request)
    _compare(wanted, shape)
    session = session_of(request.scope)
    for name, row_id in request.path_params.items():
        await lock_row(session, _ROWS[name], row_id)
    if own := _OWN.get(type(shape)):
        await lock_row(session, own, shape.id)
    _compare(wanted, await _read(reader, request))


def _compare(wanted: list[str], shape: msgspec.Struct) -> None:
    tag = etag_of(msgspec.json.encode(shape))
    if not _matches(wanted, tag):
        raise PreconditionFailedError(extra={"etag": tag})


def _header_values(scope: Scope, header: bytes) -> list[str]:
    """Return the header's values. Building Litestar's mapping of all headers would cost more than this loop."""
    return [value.decode("latin-1") for name, value in scope["headers"] if name == header]


def _matches(given: list[str], tag: str) -> bool:
    tags = {part.strip() for value in given for part in value.split(",")}
    return "*" in tags or tag in tags


def _reader(request: Request[Any, Any, Any]) -> HTTPRouteHandler | None:
    """Return the handler of GET at the path of this request; None if it has no tag. It is looked up once."""
    handler: HTTPRouteHandler = request.route_handler
    if _READS not in handler.opt:
        places = request.app.route_handler_method_map.values()
        same = next(handlers for handlers in places if handler in handlers.values())
        reader = same.get("GET")
        is_plain = reader and reader.parsed_fn_signature.parameters.keys() <= {
            "request",
            "service",
            *request.path_params,
        }
        # A handler that takes more (an invite's) answers with a secret, which has no tag.
        handler.opt[_READS] = reader if is_plain else None
    found: HTTPRouteHandler | None = handler.opt[_READS]
    return found


async def _read(reader: HTTPRouteHandler, request: Request[Any, Any, Any]) -> Any:  # noqa: ANN401 - some shape
    taken = dict(request.path_params)
    names = reader.parsed_fn_signature.parameters
    if "request" in names:
        taken["request"] = request
    if "service" in names:
        provide = reader.resolve_dependencies()["service"]
        taken["service"] = await provide(request=request, db_session=session_of(request.scope))
    return await reader.fn(**taken)


class ETagMiddleware(ASGIMiddleware):
    """Adds `ETag` to what was read, made or changed, and answers 304 if the client has it already."""

    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        start: HTTPResponseStartEvent | None = None

        async def tagged(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_taggable(message):
                start = message
                return
            if start is not None and message["type"] == "http.response.body":
                first, start = start, None
                if not message["more_body"]:
                    _tag(scope, first, message)
                await send(first)
            await send(message)

        await next_app(scope, receive, tagged)


def _is_taggable(start: HTTPResponseStartEvent) -> bool:
    headers = dict(start["headers"])
    is_json = headers.get(b"content-type", b"").startswith(b"application/json")
    return start["status"] in {HTTPStatus.OK, HTTPStatus.CREATED} and is_json and b"cache-control" not in headers


def _tag(scope: Scope, start: HTTPResponseStartEvent, body: HTTPResponseBodyEvent) -> None:
    tag = etag_of(body["body"])
    start["headers"] = [*start["headers"], (b"etag", tag.encode())]
    known = _header_values(scope, b"if-none-match")
    if known and scope.get("method") == HttpMethod.GET and _matches([value.replace("W/", "") for value in known], tag):
        start["status"] = HTTPStatus.NOT_MODIFIED
        body["body"] = b""
        body_headers = {b"content-type", b"content-length"}
        start["headers"] = [header for header in start["headers"] if header[0] not in body_headers]

"""The fields that the other backend's bodies have and ours do not, put wherever a shape stands in an answer."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, get_origin
from uuid import UUID

import msgspec
from msgspec import inspect

from app.schemas.activity import ActivityEventRead
from app.schemas.agents import AgentHealthStatusResponse, AgentRead
from app.schemas.boards import BoardRead
from app.schemas.users import UserRead

Json = dict[str, Any]
# Changes a decoded body, or a part of it, in place.
Complete = Callable[[Any], None]

GATEWAY_ID = UUID("019ab2c4-7d00-7000-8000-000000000001")
_ID: Json = {"type": "string", "format": "uuid"}
_TEXT: Json = {"type": "string"}
_NULL: Json = {"type": "null"}


class Field(NamedTuple):
    """A field with its schema. It has the constant `value`, or the value of the field `copied`."""

    schema: Json
    value: object = None
    copied: str | None = None


_TEXT_OR_NULL = Field({"anyOf": [_TEXT, _NULL]})
_GATEWAY = Field(_ID, str(GATEWAY_ID))
ADDED: dict[type[msgspec.Struct], dict[str, Field]] = {
    AgentRead: {
        "gateway_id": _GATEWAY,
        "identity_template": _TEXT_OR_NULL,
        "soul_template": _TEXT_OR_NULL,
        "is_gateway_main": Field({"type": "boolean"}, value=False),
        "openclaw_session_id": _TEXT_OR_NULL,
    },
    AgentHealthStatusResponse: {"gateway_id": _GATEWAY},
    BoardRead: {"gateway_id": Field({"anyOf": [_ID, _NULL]})},
    UserRead: {"clerk_user_id": Field(_TEXT, copied="id")},
}


def completer_of(annotation: object) -> Complete | None:
    """Return what completes a body of this type; None if it has everything."""
    return _completer(inspect.type_info(annotation))


def _completer(info: inspect.Type) -> Complete | None:
    if isinstance(info, inspect.StructType):
        own = [add for shape, add in _OWN.items() if issubclass(get_origin(info.cls) or info.cls, shape)]
        inner = {field.encode_name: found for field in info.fields if (found := _completer(field.type))}
        return partial(_complete_object, own, inner) if own or inner else None
    if isinstance(info, inspect.ListType):
        each = _completer(info.item_type)
        return partial(_complete_list, each) if each else None
    if isinstance(info, inspect.UnionType):
        # Where there are several alternatives, at most one of them is a shape: the others are null and unset.
        return next((found for one in info.types if (found := _completer(one))), None)
    return None


def _complete_object(own: list[Complete], inner: dict[str, Complete], body: Json | None) -> None:
    if body is None:
        return
    for complete in own:
        complete(body)
    for name, complete in inner.items():
        if name in body:
            complete(body[name])


def _complete_list(each: Complete, body: list[Any]) -> None:
    for item in body:
        each(item)


def _add(fields: dict[str, Field], body: Json) -> None:
    for name, field in fields.items():
        body[name] = body[field.copied] if field.copied else field.value


def _route_of_front_end(event: Json) -> None:
    """Name the page that shows the event, instead of the operation that reads the object. A deleted one has none."""
    board_id, task_id = event["board_id"], event["task_id"]
    task = {"taskId": task_id} if task_id else {}
    if board_id is None or event["route_name"] is None:
        route, params = "activity", {"eventId": event["id"], "eventType": event["event_type"], **task}
        params["createdAt"] = event["created_at"]
    elif event["event_type"].startswith("approval."):
        route, params = "board.approvals", {"boardId": board_id}
    else:
        route, params = "board", {"boardId": board_id, **task}
    event["route_name"], event["route_params"] = route, params


_OWN: dict[type[msgspec.Struct], Complete] = {
    ActivityEventRead: _route_of_front_end,
    **{shape: partial(_add, fields) for shape, fields in ADDED.items()},
}

"""An example of every shape for the OpenAPI document: the same at every start, and such as could be met."""

import re
import zlib
from typing import Any

Schemas = dict[str, dict[str, Any]]


def example_id(noun: str) -> str:
    """A UUIDv7, the same wherever the same thing is named."""
    return f"019ab2c4-7d00-7000-8000-{zlib.crc32(noun.encode()):012x}"


_MOMENT = "2026-11-23T10:00:00Z"
_INVITE = "pli_AZq1xH0AcACAAAAAAAAAAbR1cXf0mQ5xWk7LzHn2v9sD3tYb"
_RECEIVER = f"/api/v1/boards/{example_id('board')}/webhooks/{example_id('webhook')}"
# What a field of a shape holds whose name begins so; the first that fits.
_OF: dict[str, dict[str, Any]] = {
    "Agent": {"name": "Bosun", "status": "online", "token": "pla_3hQm0cVtYz8sWbN5kXr2LfJd7GuPeA1oTiC9vMyR4wE"},
    "ApprovalUpdate": {"status": "approved"},
    "Approval": {"status": "pending", "resolved_at": None},
    "BoardGroupBoardSnapshot": {"task_counts": {"inbox": 1, "in_progress": 0, "review": 0, "done": 3}},
    "OrganizationInvite": {"token": _INVITE},
    "OrganizationUser": {"name": "Ada Deckhand"},
    "Organization": {"name": "Harbour Works"},
    "PersonalToken": {"name": "Laptop", "token": "plp_7kWn4dXsRz1mTbQ8vLc3YfHj6GpUeA0oJiD9xNyV2sE"},
    "ProblemDetails": {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "code": "validation_error",
        "detail": "The request is not valid.",
    },
    "Task": {"depends_on_task_ids": [example_id("earlier task")], "blocked_by_task_ids": []},
    "StreamEvent": {
        "id": "k5LNBQGQwMA",
        "event": "task",
        "data": '{"type": "task.created", "activity": {}, "task": null, "comment": null}',
    },
    "Tag": {"name": "Urgent", "slug": "urgent", "description": "Before anything else"},
    "User": {"name": "Ada Deckhand"},
}
# What a field of this name holds anywhere else.
_VALUES: dict[str, Any] = {
    "action_type": "deploy",
    "agent_name": "Bosun",
    "agent_role": "agent",
    "assignee": "Bosun",
    "board_name": "Refit",
    "board_type": "goal",
    "bucket": "hour",
    "can_read": True,
    "color": "9e9e9e",
    "comment": "The splice holds; please look.",
    "confidence": 82.5,
    "content": "The slipway is free from Monday on.",
    "content_type": "application/json",
    "context": "Night shift",
    "custom_field_values": {"berth": "B4"},
    "default_value": "B4",
    "description": "What has to be done before the ship sails",
    "detail": "Give 1 to 200 characters.",
    "email": "ada@example.com",
    "enabled": True,
    "endpoint_path": _RECEIVER,
    "endpoint_url": f"https://plimsoll.example{_RECEIVER}",
    "event_type": "task.created",
    "expires_at": "2026-11-30T10:00:00Z",
    "field_key": "berth",
    "field_type": "text",
    "goal_source": "kick-off",
    "headers": {"content-type": "application/json"},
    "heartbeat_config": {"every_seconds": 60},
    "identity_profile": {"speaks": "English"},
    "instance": "/api/v1/boards",
    "invited_email": "ben@example.com",
    "is_active": True,
    "is_chat": True,
    "label": "Berth",
    "lead_reasoning": "The tests pass and it can be rolled back.",
    "limit": 50,
    "max_agents": 3,
    "median_cycle_time_hours_7d": 6.5,
    "message": "The splice holds; please look.",
    "name": "Refit",
    "next_cursor": None,
    "notes": "Asks before deploying",
    "objective": "Seaworthy by December",
    "offset": 0,
    "ok": True,
    "payload": {"ref": "main"},
    "pointer": "/name",
    "preferred_name": "Ada",
    "priority": "high",
    "pronouns": "she/her",
    "range": "24h",
    "request_id": "5f0c2a7e9b1d4c63",
    "role": "member",
    "route_name": "get_task",
    "route_params": {"board_id": example_id("board"), "task_id": example_id("task")},
    "rubric_scores": {"tests": 9},
    "secret": "a shared secret of your own",
    "signature_header": "X-Signature-256",
    "slug": "refit",
    "source": "stand-up",
    "source_ip": "192.0.2.10",
    "status": "in_progress",
    "success_metrics": {"defects": 0},
    "tags": ["chat"],
    "task_title": "Splice the mooring line",
    "task_titles": ["Splice the mooring line"],
    "timezone": "Europe/Berlin",
    "title": "Splice the mooring line",
    "validation_regex": "[A-F][0-9]",
    "value": 2.0,
}
_OF_TYPE: dict[str, Any] = {"boolean": False, "integer": 1, "number": 0.0}
_NOUN = re.compile(r"(Read|Ref|ListItem|WithToken|WithSecret|Item)$")


def examples_of(schemas: Schemas) -> dict[str, Any]:
    """By the name of the shape, one example."""
    return {name: _object(name, schemas) for name in schemas}


def _object(name: str, schemas: Schemas) -> dict[str, Any]:
    return {field: _value(name, field, schema, schemas) for field, schema in schemas[name]["properties"].items()}


def _value(owner: str, field: str, schema: dict[str, Any], schemas: Schemas) -> Any:  # noqa: ANN401 - JSON
    written = next((of for prefix, of in _OF.items() if owner.startswith(prefix) and field in of), _VALUES)
    if field in written and "$ref" not in str(schema):
        return written[field]
    schema = schema.get("anyOf", [schema])[0]
    if "$ref" in schema:
        return _object(schema["$ref"].rsplit("/", 1)[1], schemas)
    if schema.get("type") == "array":
        return [_value(owner, field.removesuffix("s"), schema["items"], schemas)]
    if "default" in schema:
        return schema["default"]
    if "enum" in schema:
        return schema["enum"][0]
    by_format = {"uuid": example_id(_noun(owner, field)), "date-time": _MOMENT}
    return by_format.get(schema.get("format", "")) or _OF_TYPE[schema["type"]]


def _noun(owner: str, field: str) -> str:
    """Of an id: what it is of."""
    of = field.removesuffix("_id") if field != "id" else _NOUN.sub("", owner)
    return re.sub(r"(?<!^)(?=[A-Z])", "_", of).lower().rsplit("_", 1)[-1]

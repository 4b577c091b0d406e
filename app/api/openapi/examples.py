"""A realistic example of every shape for the OpenAPI document. It is the same at every start."""

import re
import zlib
from typing import Any

Schemas = dict[str, dict[str, Any]]


def example_id(noun: str) -> str:
    """Return a UUIDv7 that is always the same for the same noun."""
    return f"019ab2c4-7d00-7000-8000-{zlib.crc32(noun.encode()):012x}"


_MOMENT = "2026-11-23T10:00:00Z"
_INVITE = "pli_AZq1xH0AcACAAAAAAAAAAbR1cXf0mQ5xWk7LzHn2v9sD3tYb"
_RECEIVER = f"/api/v1/boards/{example_id('board')}/webhooks/{example_id('webhook')}"
# Values of fields by the beginning of the shape's name; the first that fits is used.
_BY_SHAPE: dict[str, dict[str, Any]] = {
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
    "Tag": {"name": "Urgent", "slug": "urgent", "description": "Before anything else"},
    "User": {"name": "Ada Deckhand"},
}
# Values of fields by their name, in all other shapes.
_BY_NAME: dict[str, Any] = {
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
    "every": "10m",
    "expires_at": "2099-11-30T10:00:00Z",
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
# Values of all other fields, by the format of the schema, or else by its type.
_BY_FORMAT: dict[str, Any] = {
    "date-time": _MOMENT,
    "date": "2026-11-23",
    "time": "10:00:00Z",
    "duration": "PT1H",
    "decimal": "1.5",
}
_BY_TYPE: dict[str, Any] = {"boolean": False, "integer": 1, "number": 0.0, "object": {}, "null": None}
_TYPES: dict[Any, Any] = {
    "boolean": bool,
    "integer": int,
    "number": int | float,
    "string": str,
    "object": dict,
    "array": list,
    "null": type(None),
    None: object,
}
_FORMATTED = re.compile(r"\d{4}-|[0-9a-f]{8}-")
_BASE64 = "YWJj"
# The keys of its value name custom fields of a board.
_REFERENCES = frozenset({"custom_field_values"})
_NOUN = re.compile(r"(Read|Ref|ListItem|WithToken|WithSecret|Item)$")


def examples_of(schemas: Schemas) -> dict[str, Any]:
    """Return one example for each shape, by its name.

    An example of a request refers to other objects only if it must: they may not exist yet.
    """
    return {name: _object(name, schemas) for name in schemas}


def _object(name: str, schemas: Schemas) -> dict[str, Any]:
    schema = schemas[name]
    required = set(schema.get("required", ()))
    is_request = schema.get("additionalProperties") is False
    return {
        field: _value(name, field, inner, schemas)
        for field, inner in schema["properties"].items()
        if not is_request or field in required or not _is_reference(field, inner, schemas)
    }


def _is_reference(field: str, schema: dict[str, Any], schemas: Schemas) -> bool:
    """Return whether the field is an id, or consists of objects that require one."""
    schema = _chosen(schema)
    if "$ref" in schema:
        of = schemas[_target(schema)]
        properties = of.get("properties", {})
        return any(_is_reference(name, properties[name], schemas) for name in of.get("required", ()))
    if schema.get("type") == "array":
        return _is_reference(field, schema.get("items") or {}, schemas)
    return schema.get("format") == "uuid" or field in _REFERENCES


def _value(owner: str, field: str, schema: dict[str, Any], schemas: Schemas) -> Any:  # noqa: ANN401 - JSON
    written = next((of for prefix, of in _BY_SHAPE.items() if owner.startswith(prefix) and field in of), _BY_NAME)
    if field in written and any(_fits(written[field], one) for one in schema.get("anyOf", [schema])):
        return written[field]
    schema = _chosen(schema)
    if "$ref" in schema:
        return _object(_target(schema), schemas)
    if "examples" in schema:
        return schema["examples"][0]
    if "default" in schema:
        return schema["default"]
    return schema["enum"][0] if "enum" in schema else _of_type(owner, field, schema, schemas)


def _fits(value: object, schema: dict[str, Any]) -> bool:
    """Return whether the schema takes the value: a new field may have the same name and another type."""
    if "$ref" in str(schema) or not isinstance(value, _TYPES[schema.get("type")]):
        return False
    is_short = not isinstance(value, str) or len(value) <= schema.get("maxLength", len(value))
    is_formatted = "format" not in schema or bool(_FORMATTED.match(str(value)))
    return is_short and is_formatted and value in schema.get("enum", [value])


def _of_type(owner: str, field: str, schema: dict[str, Any], schemas: Schemas) -> Any:  # noqa: ANN401 - JSON
    match schema.get("type"):
        case "array":
            item = _value(owner, field.removesuffix("s"), schema.get("items") or {}, schemas)
            return [item] * max(1, schema.get("minItems", 1))
        case "integer" | "number" as kind:
            return _number(_BY_TYPE[kind], schema)
        case "string" | None:
            return _text(owner, field, schema)
        case other:
            return _BY_TYPE[other]


def _chosen(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the first alternative that is not null."""
    alternatives = schema.get("anyOf") or [schema]
    return next((one for one in alternatives if one.get("type") != "null"), alternatives[0])


def _target(schema: dict[str, Any]) -> str:
    return str(schema["$ref"]).rsplit("/", 1)[1]


def _number(usual: float, schema: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    """Return the usual value, moved into the limits of the schema."""
    value = max(usual, schema.get("minimum", schema.get("exclusiveMinimum", usual - 1) + 1))
    return min(value, schema.get("maximum", schema.get("exclusiveMaximum", value + 1) - 1))


def _text(owner: str, field: str, schema: dict[str, Any]) -> str:
    """Return a text of the schema's format, or else the field's name in words."""
    if schema.get("format") == "uuid":
        return example_id(_noun(owner, field))
    if "contentEncoding" in schema:
        return _BASE64
    words = _BY_FORMAT.get(schema.get("format", "")) or field.replace("_", " ").capitalize()
    return str(words).ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]


def _noun(owner: str, field: str) -> str:
    """Return the noun of the object that the id names."""
    of = field.removesuffix("_id") if field != "id" else _NOUN.sub("", owner)
    return re.sub(r"(?<!^)(?=[A-Z])", "_", of).lower().rsplit("_", 1)[-1]

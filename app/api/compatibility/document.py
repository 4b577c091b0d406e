"""The OpenAPI document that is true with the setting: its statuses, fields and parameters."""

from http import HTTPStatus
from typing import Any

from app.api.compatibility.answers import success_of
from app.api.compatibility.fields import ADDED
from app.api.compatibility.requests import IGNORED_FIELDS, IGNORED_PARAMETER
from app.api.http.exception_handlers import MEDIA_TYPE
from app.api.openapi.examples import examples_of

Json = dict[str, Any]
_IGNORED_PARAMETERS: dict[str, tuple[str, ...]] = {
    "list_agents": (IGNORED_PARAMETER,),
    "list_boards": (IGNORED_PARAMETER,),
    "get_gateway_status": (
        "board_id",
        "gateway_allow_insecure_tls",
        "gateway_disable_device_pairing",
        "gateway_token",
        "gateway_url",
    ),
}
# Request shapes -> the ignored fields that they have there.
_IGNORED_IN: dict[str, frozenset[str]] = {
    "AgentCreate": frozenset({"identity_template", "soul_template"}),
    "AgentUpdate": frozenset({"identity_template", "is_gateway_main", "soul_template"}),
    "BoardCreate": frozenset({"gateway_id"}),
    "BoardUpdate": frozenset({"gateway_id"}),
}
_IGNORED: Json = {"description": "It is accepted, but ignored."}
_VALIDATION_PROBLEM = "ValidationProblem"
_VALIDATION_ERROR: Json = {
    "title": "ValidationError",
    "description": "What is wrong with one place of the request.",
    "type": "object",
    "required": ["loc", "msg", "type"],
    "properties": {
        "loc": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}},
        "msg": {"type": "string"},
        "type": {"type": "string"},
    },
}


def describe(document: Json) -> Json:
    """Return the document as it is with the setting. It is changed in place."""
    schemas, responses = document["components"]["schemas"], document["components"]["responses"]
    added = {shape.__name__: fields for shape, fields in ADDED.items()}
    # The shape of a new agent has an agent's fields, too.
    added["AgentWithToken"] = added["AgentRead"]
    for shape, fields in added.items():
        schemas[shape]["properties"] |= {name: field.schema for name, field in fields.items()}
        schemas[shape]["required"] = [*schemas[shape].get("required", []), *fields]
    for shape, names in _IGNORED_IN.items():
        assert names <= IGNORED_FIELDS, shape
        schemas[shape]["properties"] |= {name: dict(_IGNORED) for name in sorted(names)}
    schemas["ValidationError"] = _VALIDATION_ERROR
    schemas[_VALIDATION_PROBLEM] = _validation_problem(schemas["ProblemDetails"])
    schemas["TaskConflict"]["properties"]["detail"] = {"$ref": "#/components/schemas/BlockedTaskDetail"}
    for shape in ("ProblemDetails", "TaskConflict", _VALIDATION_PROBLEM):
        schemas[shape]["properties"]["retryable"] = {"type": "boolean"}
        schemas[shape]["required"] = [*schemas[shape]["required"], "retryable"]
    responses[_VALIDATION_PROBLEM] = _validation_response(responses.pop("BadRequest"))
    for item in document["paths"].values():
        for described in item.values():
            _describe_operation(described)
    document["components"]["examples"] = {name: {"value": one} for name, one in examples_of(schemas).items()}
    return document


def _describe_operation(described: Json) -> None:
    responses, operation_id = described["responses"], described["operationId"]
    if success := success_of(operation_id):
        if created := responses.pop("201", None):
            # Where 200 is declared, too, it has the same body.
            responses[str(success.value)] = created
        if responses.pop("204", None):
            responses[str(success.value)] = _ok()
    if responses.pop("400", None):
        # One with a used `Idempotency-Key` has this form, too, but for its `detail`.
        responses["422"] = {"$ref": f"#/components/responses/{_VALIDATION_PROBLEM}"}
    for name in _IGNORED_PARAMETERS.get(operation_id, ()):
        described["parameters"].append({"name": name, "in": "query", "schema": {"type": "string"}, **_IGNORED})
    described["responses"] = dict(sorted(responses.items()))


def _ok() -> Json:
    return {
        "description": "Done.",
        "headers": {"X-Request-Id": {"$ref": "#/components/headers/X-Request-Id"}},
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/OkResponse"}, "example": {"ok": True}}
        },
    }


def _validation_problem(problem: Json) -> Json:
    detail = {"type": "array", "items": {"$ref": "#/components/schemas/ValidationError"}}
    properties = {**problem["properties"], "detail": detail}
    return {**problem, "title": _VALIDATION_PROBLEM, "properties": properties}


def _validation_response(bad_request: Json) -> Json:
    content = bad_request["content"][MEDIA_TYPE]
    example = {
        **content["example"],
        "title": "Unprocessable Content",
        "status": HTTPStatus.UNPROCESSABLE_ENTITY.value,
        "detail": [{"loc": ["body", "name"], "msg": "Give 1 to 200 characters.", "type": "value_error"}],
    }
    schema = {"$ref": f"#/components/schemas/{_VALIDATION_PROBLEM}"}
    return {**bad_request, "content": {MEDIA_TYPE: {"schema": schema, "example": example}}}

"""The served OpenAPI document: complete on every operation, and one that clients can be made from."""

import re
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import httpx
import jsonschema_rs
import pytest

from tests.support.openapi import Operation, api, document, new_document, operations, resolved

NO_UUIDS = {("ProblemDetails", "request_id"), ("TaskConflict", "request_id")}
# Another task may block what these do, and is named in the error.
BLOCKED = {f"{view}{verb}_task" for view in ("", "agent_") for verb in ("create", "update")}
# With one of these a summary begins, and it names its objects: it stands alone in a list of operations.
VERBS = {
    *("Accept", "Add", "Approve", "Ask", "Change", "Check", "Choose", "Comment", "Create", "Delete", "Invite", "List"),
    *("Read", "Register", "Remind", "Remove", "Replace", "Report", "Revoke", "Send", "Stream", "Withdraw"),
}
POINTING = {"he", "her", "him", "his", "it", "one", "she", "them", "these", "this", "those"}
# Its own schema, as a document of OpenAPI 3.1 refers to it.
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def test_every_operation_has_an_id_of_its_own_a_summary_and_a_tag() -> None:
    ids = [operation.id for operation in operations()]
    assert len(ids) == len(set(ids)) >= 114
    for operation in operations():
        assert re.fullmatch(r"[a-z][a-z0-9_]+", operation.id)
        assert operation.described["summary"], operation.id
        assert len(operation.described["tags"]) == 1, operation.id


def test_every_tag_is_described_once_by_a_sentence_and_used() -> None:
    described = [tag["name"] for tag in document()["tags"]]
    assert len(described) == len(set(described))
    assert set(described) == {tag for operation in operations() for tag in operation.described["tags"]}
    assert [tag["name"] for tag in document()["tags"] if len(tag["description"].split()) < 5] == []


def test_summaries_begin_with_a_verb_and_name_their_objects() -> None:
    for operation in operations():
        verb, *rest = re.findall(r"[\w'-]+", operation.described["summary"])
        assert verb in VERBS, operation.described["summary"]
        assert [word for word in rest if word in POINTING] == [], operation.described["summary"]


def descriptions(part: object) -> Iterator[str]:
    if isinstance(part, list):
        for inner in part:
            yield from descriptions(inner)
    elif isinstance(part, dict):
        for name, inner in part.items():
            if name == "description" and isinstance(inner, str):
                yield inner
            elif name not in {"example", "examples"}:
                yield from descriptions(inner)


def test_descriptions_are_sentences_and_call_people_they() -> None:
    found = [*descriptions(document())]
    assert len(found) > 100
    assert [text for text in found if not re.fullmatch(r"[A-Z`*@].*\.", text, re.DOTALL)] == []
    assert [text for text in found if re.search(r"\b(he|him|his)\b", text, re.IGNORECASE)] == []


# Status -> the operations under /api/v1 that can answer so, whatever else they can.
ERRORS: dict[int, Callable[[Operation], bool]] = {
    400: lambda operation: True,
    401: lambda operation: operation.takes_token,
    403: lambda operation: operation.writes or operation.path.startswith("/api/v1/agent/"),
    404: lambda operation: "{" in operation.path,
    408: lambda operation: "requestBody" in operation.described,
    409: lambda operation: operation.writes,
    412: lambda operation: operation.writes and operation.method != "post",
    413: lambda operation: "requestBody" in operation.described,
    415: lambda operation: operation.writes and "requestBody" in operation.described,
    422: lambda operation: operation.writes and operation.method == "post",
    429: lambda operation: True,
    503: lambda operation: True,
}


@pytest.mark.parametrize("status", [*ERRORS])
def test_error_stands_on_every_operation_that_can_answer_so(status: int) -> None:
    told = {operation.id for operation in api() if status in operation.statuses}
    assert told >= {operation.id for operation in api() if ERRORS[status](operation)}


def test_errors_have_one_form_with_a_code_and_the_headers_that_they_come_with() -> None:
    with_headers = {401: "WWW-Authenticate", 429: "Retry-After", 503: "Retry-After"}
    for operation in operations():
        for status in operation.statuses:
            if status < 400:
                continue
            response = resolved(operation.described["responses"][str(status)])
            assert [*response["content"]] == ["application/problem+json"], (operation.id, status)
            content = response["content"]["application/problem+json"]
            shape = "TaskConflict" if status == 409 and operation.id in BLOCKED else "ProblemDetails"
            assert content["schema"] == {"$ref": f"#/components/schemas/{shape}"}
            assert content["example"]["status"] == status
            assert operation.headers(status) >= {with_headers.get(status, "X-Request-Id"), "X-Request-Id"}
    shape = document()["components"]["schemas"]["ProblemDetails"]
    assert {"type", "title", "status", "detail", "instance", "code", "request_id"} == set(shape["required"])


def test_security_is_a_bearer_token_or_an_agents_header_but_on_what_is_public() -> None:
    schemes = document()["components"]["securitySchemes"]
    assert (schemes["bearer"]["type"], schemes["bearer"]["scheme"]) == ("http", "bearer")
    agents = schemes["agentToken"]
    assert (agents["type"], agents["in"], agents["name"]) == ("apiKey", "header", "X-Agent-Token")
    assert document()["security"] == [{"bearer": []}, {"agentToken": []}]
    public = {operation.id for operation in operations() if not operation.takes_token}
    assert public == {"health", "healthz", "readyz", "receive_webhook"}


def test_headers_stand_on_every_operation_that_has_them() -> None:
    readers = {operation.path: operation for operation in api() if operation.method == "get"}
    for operation in api():
        reader = readers.get(operation.path)
        told = operation.parameters("header")
        assert (
            ("If-None-Match" in told)
            == (304 in operation.statuses)
            == (operation.method == "get" and operation.is_tagged)
        ), operation.id
        assert ("Idempotency-Key" in told) == (operation.writes and operation.method == "post"), operation.id
        assert ("If-Match" in told) == bool(
            operation.method in {"patch", "delete", "put"} and reader and reader.is_tagged
        ), operation.id
        for status in operation.statuses:
            headers = operation.headers(status)
            assert "X-Request-Id" in headers
            if status >= 300:
                continue
            assert ("Location" in headers) == (status == 201), operation.id
            assert ("ETag" in headers) == operation.is_tagged, operation.id
            assert ("Idempotent-Replayed" in headers) == ("Idempotency-Key" in told), operation.id
            assert ("Link" in headers) == ({"limit", "cursor"} <= operation.parameters("query")), operation.id


def contents(operation: Operation) -> Iterator[dict[str, Any]]:
    parts = (operation.described.get("requestBody", {}), *operation.described["responses"].values())
    return (content for part in parts for content in resolved(part).get("content", {}).values())


def test_every_body_has_an_example_that_fits_its_schema_and_is_the_same_at_every_start() -> None:
    components = {"components": document()["components"]}
    for operation in operations():
        for content in contents(operation):
            schema = content["schema"]
            if schema.get("type") == "string":
                continue
            given = [resolved(one)["value"] for one in content.get("examples", {}).values()] or [content["example"]]
            validator = jsonschema_rs.validator_for({**components, **schema}, validate_formats=True)
            for example in given:
                validator.validate(example)
    assert new_document() == document()


def test_schemas_have_names_that_can_be_read_and_say_what_is_checked() -> None:
    schemas = document()["components"]["schemas"]
    assert {"BoardPage", "TaskPage", "AgentPage", "ActivityEventPage"} <= schemas.keys()
    for name, schema in schemas.items():
        assert re.fullmatch(r"[A-Z][A-Za-z]+", name)
        assert schema["title"] == name
        if name.endswith(("Create", "Update", "Spec", "Accept", "Heartbeat", "Nudge")):
            assert schema["additionalProperties"] is False, name
        for field, described in schema.get("properties", {}).items():
            if field.endswith("_at"):
                assert "date-time" in str(described), (name, field)
            if (field == "id" or field.endswith("_id")) and (name, field) not in NO_UUIDS:
                assert "uuid" in str(described), (name, field)
    title = schemas["TaskCreate"]["properties"]["title"]
    assert (title["minLength"], title["maxLength"]) == (1, 500)
    description = schemas["TaskUpdate"]["properties"]["description"]
    assert description == {"anyOf": [{"type": "string", "maxLength": 20_000}, {"type": "null"}]}


def test_enums_have_a_name_each_and_are_referred_to() -> None:
    schemas = document()["components"]["schemas"]
    enums = {name for name, schema in schemas.items() if "enum" in schema}
    assert enums >= {
        "TaskStatus",
        "TaskPriority",
        "ApprovalStatus",
        "OrganizationRole",
        "TokenScope",
        "CustomFieldType",
    }
    assert str(document()).count("'enum': [") == len(enums)
    status = {"$ref": "#/components/schemas/TaskStatus"}
    assert schemas["TaskRead"]["properties"]["status"] == status
    assert schemas["TaskCreate"]["properties"]["status"] == {**status, "default": "inbox"}
    assert schemas["TaskUpdate"]["properties"]["status"] == {"anyOf": [status, {"type": "null"}]}


def test_answers_require_the_fields_that_they_always_have() -> None:
    absent = {
        (name, field)
        for name, schema in document()["components"]["schemas"].items()
        if schema.get("additionalProperties") is not False
        for field in schema.get("properties", {}).keys() - set(schema.get("required", ()))
    }
    errors = {("ProblemDetails", "errors"), ("TaskConflict", "errors"), ("TaskConflict", "blocked_by_task_ids")}
    assert absent == errors | {("ApprovalStreamItem", "task_counts")}


def test_bodies_have_one_media_type_and_answers_without_content_are_no_references() -> None:
    for operation in operations():
        assert len(operation.described.get("requestBody", {"content": [None]})["content"]) == 1, operation.id
        for status, response in operation.described["responses"].items():
            assert "content" in resolved(response) or "$ref" not in response, (operation.id, status)


def test_every_component_is_referred_to() -> None:
    text = str(document())
    kinds = document()["components"].items()
    named = [f"#/components/{kind}/{name}" for kind, parts in kinds if kind != "securitySchemes" for name in parts]
    assert len(named) > 150
    assert [name for name in named if f"'{name}'" not in text] == []


def test_events_of_streams_have_the_schema_of_their_data() -> None:
    streams = {operation.id: operation.success["content"] for operation in api() if operation.path.endswith("/stream")}
    named = {id_: content["text/event-stream"]["schema"]["$ref"] for id_, content in streams.items()}
    assert len(named) == 7
    assert named["stream_tasks"] == "#/components/schemas/TaskStreamItem"
    assert {name.endswith("StreamItem") for name in named.values()} == {True}


def test_parameters_have_types_limits_and_no_null() -> None:
    for operation in operations():
        for given in operation.described["parameters"]:
            parameter = resolved(given)
            assert "null" not in str(parameter["schema"]), (operation.id, parameter["name"])
            assert "db_session" not in parameter["name"]
    (offset,) = {
        str(parameter["schema"])
        for operation in operations()
        for parameter in operation.described["parameters"]
        if parameter.get("name") == "offset"
    }
    assert offset == str({"maximum": 2**31, "minimum": 0, "type": "integer"})


def test_document_is_valid_of_its_version_and_its_patterns_are_ecmascripts() -> None:
    assert document()["openapi"].startswith("3.1")
    for name, schema in document()["components"]["schemas"].items():
        assert jsonschema_rs.meta.is_valid({"$schema": DIALECT, **schema}), name
    patterns = re.findall(r"'pattern': '((?:[^'\\]|\\.)*)'", str(document()))
    assert len(patterns) > 20
    for pattern in patterns:
        assert not re.search(r"\\\\[AZz]|\(\?P", pattern), pattern


async def test_document_is_served_as_it_is_made(client: httpx.AsyncClient) -> None:
    response = await client.get("/schema/openapi.json", headers={"Authorization": ""})
    assert response.status_code == HTTPStatus.OK
    assert response.json() == document()

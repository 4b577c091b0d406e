"""Every operation of the served OpenAPI document, as a request that can be sent: what it names, and the rest of it."""

import asyncio
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
import msgspec
from litestar import Litestar

from tests.support.sse import asking
from tests.support.waiting import PATIENCE

# What the ids in paths, queries and bodies are ids of. One that is not here cannot be filled, which fails the walk.
KINDS = {
    "organization_id": "organization",
    "board_id": "board",
    "board_ids": "board",
    "board_group_id": "group",
    "group_id": "group",
    "agent_id": "agent",
    "assigned_agent_id": "agent",
    "task_id": "task",
    "task_ids": "task",
    "depends_on_task_ids": "dependency",
    "tag_id": "tag",
    "tag_ids": "tag",
    "approval_id": "approval",
    "webhook_id": "webhook",
    "payload_id": "payload",
    "invite_id": "invite",
    "member_id": "member",
    "token_id": "token",
    "task_custom_field_definition_id": "custom_field",
}
# Accepted in a body, and not believed: who writes is who has signed in.
NOT_BELIEVED = {
    ("create_task", "created_by_user_id"),
    ("agent_create_task", "created_by_user_id"),
    ("agent_create_approval", "agent_id"),
}
# What a text must be like where not any will do.
TEXTS = {
    "slug": "walked",
    "field_key": "walked",
    "invited_email": "walked@example.com",
    "token": "pli_walked",
    "name": "walked",
}
Ids = Mapping[str, str]


class Place(NamedTuple):
    """Where an operation names something: `name` in its path, its query or its body."""

    where: str
    name: str

    @property
    def kind(self) -> str:
        return KINDS[self.name]


class Answer(NamedTuple):
    status: int
    headers: httpx.Headers
    body: bytes

    def __str__(self) -> str:
        return f"{self.status} {self.code or self.body!r}"

    @property
    def code(self) -> str | None:
        """Return the code of the problem; None if the answer is no problem."""
        is_problem = self.headers.get("content-type") == "application/problem+json"
        return msgspec.json.decode(self.body)["code"] if is_problem else None


class Operation:
    def __init__(self, method: str, path: str, operation: dict[str, Any], components: dict[str, Any]) -> None:
        self.method = method.upper()
        self.path = path
        self.id: str = operation["operationId"]
        self.is_public = operation.get("security") == [{}]
        self._components = components
        self._body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        # Those that operations share, by reference, are headers.
        own = [parameter for parameter in operation["parameters"] if "$ref" not in parameter]
        given = [(parameter["in"], parameter["name"], parameter["schema"]) for parameter in own]
        self.places = [Place(where, name) for where, name, schema in given if self._is_id(schema)]
        if self._body:
            self.places += [Place("body", name) for name in dict.fromkeys(self._ids_in(self._body))]
        assert all(where != "path" or self._is_id(schema) for where, _, schema in given), f"{self.id} cannot be filled"

    def __repr__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_read(self) -> bool:
        return self.method == "GET"

    def names(self, kind: str) -> bool:
        return any(place.kind == kind for place in self.places)

    def request(self, own: Ids, other: Ids, places: set[Place], texts: Mapping[str, str] = TEXTS) -> tuple[str, bytes]:
        """Return URL and body, with the ids of `own` objects and, in these places, of `other` ones."""
        filled = {place: (other if place in places else own)[place.kind] for place in self.places}
        path = self.path.format(**{place.name: id_ for place, id_ in filled.items() if place.where == "path"})
        query = urlencode({place.name: id_ for place, id_ in filled.items() if place.where == "query"})
        named = {place.name: id_ for place, id_ in filled.items() if place.where == "body"}
        body = msgspec.json.encode(self._value("body", self._body, named, texts)) if self._body else b""
        return f"{path}?{query}" if query else path, body

    def _ids_in(self, schema: dict[str, Any]) -> Iterator[str]:
        for name, inner in self._resolved(schema).get("properties", {}).items():
            if self._is_id(inner) and (self.id, name) not in NOT_BELIEVED:
                assert name in KINDS, f"{self.id} cannot be filled: what is {name} the id of?"
                yield name
            elif self._of_list(inner):
                yield from self._ids_in(self._of_list(inner))

    def _value(self, name: str, given: dict[str, Any], ids: Ids, texts: Mapping[str, str]) -> Any:
        """Of this schema; of an object what is required, and all that names something."""
        schema = self._resolved(given)
        if name in ids and self._is_id(given):
            return [ids[name]] if self._of_list(given) else ids[name]
        if "enum" in schema:
            return schema["enum"][0]
        match schema.get("type"):
            case "object":
                wanted = {
                    *schema.get("required", []),
                    *(key for key in schema["properties"] if self._holds_id(schema, key)),
                }
                return {key: self._value(key, schema["properties"][key], ids, texts) for key in sorted(wanted)}
            case "array":
                return [self._value(name, schema["items"], ids, texts)]
            case "string":
                return texts.get(name, "Walked")
            case "number" | "integer":
                return 1
            case other:
                raise AssertionError(f"{self.id} cannot be filled: {name} is {other}")

    def _holds_id(self, schema: dict[str, Any], key: str) -> bool:
        inner = schema["properties"][key]
        is_named = self._is_id(inner) or any(self._ids_in(self._of_list(inner)))
        return is_named and (self.id, key) not in NOT_BELIEVED

    def _is_id(self, given: dict[str, Any]) -> bool:
        """Whether it is an id, or a list of ids."""
        schema = self._resolved(given)
        return schema.get("format") == "uuid" or self._resolved(schema.get("items", {})).get("format") == "uuid"

    def _of_list(self, given: dict[str, Any]) -> dict[str, Any]:
        items: dict[str, Any] = self._resolved(given).get("items", {})
        return items

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema that is referred to; of several alternatives the one that is not null."""
        if "$ref" in schema:
            return self._resolved(self._components[schema["$ref"].rsplit("/", 1)[1]])
        alternatives = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
        return self._resolved(alternatives[0]) if alternatives else schema


@cache
def operations(app: Litestar) -> list[Operation]:
    document = app.openapi_schema.to_schema()
    components = document["components"]["schemas"]
    return [
        Operation(method, path, {"parameters": [], **operation}, components)
        for path, item in document["paths"].items()
        for method, operation in item.items()
    ]


async def ask(
    app: Litestar, operation: Operation, request: tuple[str, bytes], headers: Mapping[str, str], address: str
) -> Answer:
    """Send the request, and return the answer; of a stream that stays open, its beginning."""
    url, body = request
    sent = {**headers, **({"content-type": "application/json"} if body else {})}
    async with asyncio.timeout(PATIENCE), asking(app, operation.method, url, sent, body, address) as response:
        is_open = response.headers.get("content-type", "").startswith("text/event-stream")
        return Answer(
            response.status, response.headers, (await response.block() or b"") if is_open else await response.rest()
        )

"""The OpenAPI document and its operations."""

from functools import cache
from typing import Any, NamedTuple

from app.asgi import create_app
from tests.conftest import settings_for

METHODS = {"get", "post", "patch", "put", "delete"}


def new_document() -> dict[str, Any]:
    return create_app(settings_for("postgresql://nobody@127.0.0.1/nothing")).openapi_schema.to_schema()


document = cache(new_document)


def resolved(part: dict[str, Any]) -> dict[str, Any]:
    """Return the part of the document that a reference stands for."""
    while "$ref" in part:
        found: Any = document()
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


class Operation(NamedTuple):
    method: str
    path: str
    described: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.described["operationId"])

    @property
    def takes_token(self) -> bool:
        return self.described.get("security") != [{}]

    @property
    def writes(self) -> bool:
        return self.takes_token and self.method != "get"

    @property
    def statuses(self) -> set[int]:
        return {int(status) for status in self.described["responses"]}

    @property
    def success(self) -> dict[str, Any]:
        return next(response for status, response in self.described["responses"].items() if status < "300")

    @property
    def is_tagged(self) -> bool:
        """Whether what it answers has an ETag: JSON in which there is no token."""
        schema = resolved(self.success.get("content", {}).get("application/json", {}).get("schema", {}))
        fields = schema.get("properties", {})
        row = resolved(fields["items"]["items"])["properties"] if "next_cursor" in fields else fields
        return "application/json" in self.success.get("content", {}) and "token" not in row

    def headers(self, status: int) -> set[str]:
        return set(resolved(self.described["responses"][str(status)]).get("headers", {}))

    def parameters(self, place: str) -> set[str]:
        given = (resolved(parameter) for parameter in self.described["parameters"])
        return {parameter["name"] for parameter in given if parameter["in"] == place}


@cache
def operations() -> list[Operation]:
    return [
        Operation(method, path, described)
        for path, item in document()["paths"].items()
        for method, described in item.items()
        if method in METHODS
    ]


def api() -> list[Operation]:
    return [operation for operation in operations() if operation.path.startswith("/api/v1/")]

"""The OpenAPI document at /schema."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from inspect import cleandoc
from typing import Any

import msgspec
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, License, OpenAPI, Reference, SecurityScheme

from app.api.openapi.enums import enums, refer_to_enums
from app.api.openapi.examples import Schemas, examples_of
from app.api.openapi.operations import Operation, links_of, shared_components
from app.api.openapi.page import DOCUMENT_PATH, InteractivePage
from app.api.openapi.tags import TAGS
from app.schemas.pagination import Page

_DESCRIPTION = """\
Boards, tasks, agents, approvals and what happened to them, for teams of people and AI agents.

Errors are problem details (RFC 9457) whose `code` is stable. Fields and query parameters that an operation does not \
know are errors. No text may hold the character U+0000, and JSON is at most 32 levels deep."""
_SCHEMES: dict[str, SecurityScheme | Reference] = {
    "bearer": SecurityScheme(
        type="http",
        scheme="bearer",
        description="`Authorization: Bearer <token>`: a person's token, or an agent's.",
    ),
    "agentToken": SecurityScheme(
        type="apiKey", name="X-Agent-Token", security_scheme_in="header", description="An agent's token."
    ),
}


class _Document(OpenAPI):
    """Litestar's document, completed with what it leaves out."""

    amend: Callable[[dict[str, Any]], dict[str, Any]]

    def to_schema(self) -> dict[str, Any]:
        document: dict[str, Any] = super().to_schema()
        components = document["components"]
        names = {name: _readable(schema["title"]) for name, schema in components["schemas"].items()}
        document = _renamed(document, {f"#/components/schemas/{name}": to for name, to in names.items()})
        schemas = _schemas_of({schema["title"] for schema in components["schemas"].values()})
        examples = examples_of(schemas)
        shown: dict[str, Any] = {}
        secrets = frozenset(name for name, example in examples.items() if "token" in _first(example))
        for path, item in document["paths"].items():
            for method, described in item.items():
                Operation(method, path, described, item.get("get")).complete(secrets)
                described["parameters"] = [_parameter(given) for given in described.get("parameters", [])]
                for content in _contents(described):
                    _add_example(content, examples, shown)
            if (links := links_of(path, document["paths"])) and "201" in item.get("post", {}).get("responses", {}):
                item["post"]["responses"]["201"]["links"] = links
        shared = shared_components(examples["ProblemDetails"])
        document["components"] = {**document["components"], **shared, "schemas": schemas, "examples": shown}
        return _with_enums(self.amend(document))


def _unchanged(document: dict[str, Any]) -> dict[str, Any]:
    return document


@dataclass
class DocumentConfig(OpenAPIConfig):
    """The configuration of the document. `amend` changes it when all shapes are in it."""

    amend: Callable[[dict[str, Any]], dict[str, Any]] = _unchanged

    def to_openapi_schema(self) -> OpenAPI:
        built = super().to_openapi_schema()
        document = _Document(**{field.name: getattr(built, field.name) for field in fields(built)})
        document.amend = self.amend
        return document


def openapi_config(version: str) -> OpenAPIConfig:
    return DocumentConfig(
        title="Plimsoll",
        version=version,
        description=_DESCRIPTION,
        license=License(name="MIT", identifier="MIT"),
        path=DOCUMENT_PATH,
        components=Components(security_schemes=_SCHEMES),
        security=[{name: []} for name in _SCHEMES],
        use_handler_docstrings=True,
        tags=TAGS,
        render_plugins=[InteractivePage()],
    )


def _readable(title: str) -> str:
    """Return a readable name of a schema: BoardPage for `Page[app.schemas.boards.BoardRead]`."""
    return re.sub(r"^Page[\[_](?:\w+\.)*(\w+?)(?:Read)?[\]_]$", r"\1Page", title)


def _schemas_of(titles: set[str]) -> Schemas:
    """Return the schemas by msgspec, which also validates requests. Litestar's leave out limits and unknown fields."""
    shapes = {shape.__name__: shape for shape in _shapes(msgspec.Struct) if shape.__module__.startswith("app.")}
    named = [shapes[title] for title in titles if title in shapes]
    page: Any = Page
    pages = [page[shapes[re.split(r"[.[\]]", title)[-2]]] for title in titles if "[" in title]
    _, found = msgspec.json.schema_components([*named, *pages], ref_template="#/components/schemas/{name}")
    return {
        _readable(name): {**_always_sent(_explicit(schema)), "title": _readable(schema["title"])}
        for name, schema in sorted(found.items())
    }


def _with_enums(document: dict[str, Any]) -> dict[str, Any]:
    found = enums()
    referring: dict[str, Any] = refer_to_enums(document, {frozenset(of["enum"]): name for name, of in found.items()})
    referring["components"]["schemas"] |= found
    return referring


def _always_sent(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema; if it is an answer's, fields with a default are required: they are always sent."""
    if schema.get("additionalProperties") is False:
        return schema
    fields = schema["properties"].items()
    return {
        **schema,
        "properties": {name: {key: of[key] for key in of if key != "default"} for name, of in fields},
        "required": [name for name, of in fields if name in schema["required"] or "default" in of],
    }


def _explicit(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Return the schema with implicit rules of JSON Schema made explicit, for generators of clients."""
    if isinstance(schema, list):
        return [_explicit(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    said = {name: inner if name == "default" else _explicit(inner) for name, inner in schema.items()}
    if isinstance(text := said.get("description"), str):
        said["description"] = cleandoc(text)
    if said.get("type") == "object" and not said.keys() & {"properties", "additionalProperties"}:
        said["additionalProperties"] = True
    return {"type": "string", **said} if isinstance(said.get("enum"), list) else said


def _shapes(base: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for shape in base.__subclasses__():
        yield shape
        yield from _shapes(shape)


def _renamed(value: Any, names: dict[str, str]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        return {
            key: f"#/components/schemas/{names[inner]}" if key == "$ref" else _renamed(inner, names)
            for key, inner in value.items()
        }
    return [_renamed(inner, names) for inner in value] if isinstance(value, list) else value


def _parameter(given: dict[str, Any]) -> dict[str, Any]:
    """Return the parameter as it can be sent: without null, and without members that are false by default."""
    if "$ref" in given:
        return given
    kept = {name: value for name, value in given.items() if value is not False}
    schema = {name: value for name, value in given["schema"].items() if name != "description"}
    for alternative in schema.pop("oneOf", ()):
        schema |= alternative if alternative != {"type": "null"} else {}
    schema |= {name: int(value) for name, value in schema.items() if name in {"minimum", "maximum"}}
    if "enum" in schema:
        schema |= {"type": "string", "enum": [value for value in schema["enum"] if value is not None]}
    return {**kept, "schema": schema}


def _contents(described: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in (described.get("requestBody", {}), *described["responses"].values()):
        yield from part.get("content", {}).values()


def _add_example(content: dict[str, Any], examples: dict[str, Any], shown: dict[str, Any]) -> None:
    """Add the example of the content's schema; to `shown`, if it is one that contents refer to."""
    schema = content["schema"]
    if schema.get("type") == "array":
        content["example"] = [examples[schema["items"]["$ref"].rsplit("/", 1)[-1]]]
    elif "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        shown[name] = {"value": examples[name]}
        content["examples"] = {"example": {"$ref": f"#/components/examples/{name}"}}


def _first(example: dict[str, Any]) -> dict[str, Any]:
    """Return the first item of a page; the example itself if it is no page."""
    items = example.get("items", [example])
    return items[0] if isinstance(items[0], dict) else example

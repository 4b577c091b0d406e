"""The served OpenAPI document against the contract that clients were written to: operations, parameters, fields."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import Litestar

from app.asgi import create_app
from tests.conftest import settings_for

CONTRACT: dict[str, Any] = msgspec.json.decode(Path(__file__).with_name("contract.json").read_bytes())
OPERATIONS = [(operation["method"], operation["path"]) for operation in CONTRACT["operations"]]
# Where the contract has a text, these are the texts that there are.
CLOSED = {"priority", "role"}
# Registering an agent answers with its token, too.
WITH_MORE = {"AgentRead": "AgentWithToken"}
_NAME = re.compile(r"[A-Z]\w+")


class Document:
    """The served document, whose types are put into the contract's words."""

    def __init__(self, app: Litestar) -> None:
        document = app.openapi_schema.to_schema()
        self.paths: dict[str, Any] = document["paths"]
        components: dict[str, Any] = document["components"]["schemas"]
        self._components = components

    def shape(self, name: str) -> dict[str, Any]:
        shape: dict[str, Any] = self._components[name]
        return shape

    def alternatives(self, schema: dict[str, Any]) -> set[str]:
        """Return the types that a value of the schema may have."""
        if "$ref" in schema:
            referred = self.shape(schema["$ref"].rsplit("/", 1)[1])
            return self.alternatives(referred) if "enum" in referred else {referred["title"]}
        for several in ("oneOf", "anyOf"):
            if several in schema:
                return set().union(*(self.alternatives(one) for one in schema[several]))
        if "enum" in schema:
            return {f"enum({','.join(sorted(schema['enum']))})"}
        return {self._word(schema)}

    def _word(self, schema: dict[str, Any]) -> str:
        kind = schema.get("type", "any")
        if kind == "array":
            return f"{'|'.join(sorted(self.alternatives(schema.get('items', {}))))}[]"
        if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
            return f"map<{'|'.join(sorted(self.alternatives(schema['additionalProperties'])))}>"
        formats = {"uuid": "uuid", "date-time": "datetime"}
        return formats.get(schema.get("format", ""), kind) if kind == "string" else kind


@pytest.fixture(scope="module")
def document() -> Document:
    return Document(create_app(settings_for("postgresql://nobody@127.0.0.1/nothing")))


def alternatives(written: str) -> set[str]:
    """Return the alternatives of a type of the contract, in which `|` also stands within `<>` and `()`."""
    found, depth = [""], 0
    for letter in written.rstrip("?"):
        depth += (letter in "<(") - (letter in ">)")
        if letter == "|" and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    found = [re.sub(r"\((.*)\)", lambda listed: f"({','.join(sorted(listed[1].split(',')))})", one) for one in found]
    # The two say the same of an object with any values.
    return {"object" if one == "map<any|null>" else one for one in found}


def shapes(part: str) -> set[str]:
    """The shapes that the `request` or `response` of operations name, and those within them."""
    known: dict[str, dict[str, str]] = CONTRACT["schemas"]
    names = {name for operation in CONTRACT["operations"] for name in _NAME.findall(operation[part])}
    todo = list(names & known.keys() - {"OkResponse"})
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += [inner for written in known[name].values() for inner in _NAME.findall(written) if inner in known]
    return found


def fields(name: str, document: Document) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each field of the contract's shape, with its type there and its schema here."""
    ours = document.shape(name)["properties"]
    for field, written in CONTRACT["schemas"][name].items():
        assert field in ours, f"{name} has no {field}"
        yield field, written, ours[field]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_operation_is_there_with_its_parameters_and_shapes(document: Document, method: str, path: str) -> None:
    (wanted,) = (one for one in CONTRACT["operations"] if (one["method"], one["path"]) == (method, path))
    operation = document.paths[path][method.lower()]
    given = {parameter["name"] for parameter in operation.get("parameters", []) if parameter.get("in") == "query"}
    assert given >= wanted["query"].keys()
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    assert (document.alternatives(body) if body else set()) == ({wanted["request"]} if wanted["request"] else set())
    success, *_ = (status for status in operation["responses"] if status.startswith("2"))
    content = operation["responses"][success].get("content", {})
    if method == "DELETE" and wanted["response"] == "OkResponse":
        assert (success, content) == ("204", {})
    elif wanted["response"] == "text/event-stream":
        assert [*content] == ["text/event-stream"]
    else:
        (answered,) = document.alternatives(content["application/json"]["schema"])
        wanted_name = re.sub(r"Page<(\w+)Read>", r"\1Page", wanted["response"])
        assert answered in {wanted_name, WITH_MORE.get(wanted_name)}


@pytest.mark.parametrize("name", sorted(shapes("response")))
def test_what_is_answered_has_the_fields_and_no_other_types(document: Document, name: str) -> None:
    for field, written, schema in fields(name, document):
        allowed, given = alternatives(written), document.alternatives(schema)
        if "string" in allowed:
            given = {"string" if one.startswith("enum(") else one for one in given}
        assert given <= allowed or allowed >= {"any"} or given == {"any"}, f"{name}.{field}: {written}"


@pytest.mark.parametrize("name", sorted(shapes("request")))
def test_what_is_sent_may_have_the_fields_and_types(document: Document, name: str) -> None:
    required = set(document.shape(name).get("required", []))
    assert required <= {field for field, written in CONTRACT["schemas"][name].items() if not written.endswith("?")}
    for field, written, schema in fields(name, document):
        sent, taken = alternatives(written), document.alternatives(schema)
        if field in CLOSED:
            taken = {"string" if one.startswith("enum(") else one for one in taken}
        assert sent <= taken or taken >= {"any"}, f"{name}.{field}: {written}"

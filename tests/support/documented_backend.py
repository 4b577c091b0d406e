"""The OpenAPI document of the documented backend, and how another document differs from it."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

from tests.support.openapi import METHODS
from tests.support.processes import ROOT, require

FILE = ROOT.parent / "shared" / "contract" / "original-openapi.json"
Json = dict[str, Any]
_JSON = ("application/json", "application/problem+json")


@cache
def original_document() -> Json:
    require(FILE.exists(), "the contract's original-openapi.json, in ../shared/contract beside the checkout")
    document: Json = json.loads(FILE.read_text())
    return document


class Operation(NamedTuple):
    """One operation of a document."""

    method: str
    path: str
    described: Json
    document: Json

    @property
    def name(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def query(self) -> set[str]:
        given = (resolve(parameter, self.document) for parameter in self.described.get("parameters", ()))
        return {parameter["name"] for parameter in given if parameter["in"] == "query"}

    @property
    def successes(self) -> set[str]:
        return {status for status in self.described["responses"] if status < "300"}

    @property
    def body(self) -> Json | None:
        return _schema_of(self.described.get("requestBody", {}))

    def answer(self, status: str) -> Json | None:
        """Return the schema of the answer with this status; None if it is declared without one."""
        return _schema_of(resolve(self.described["responses"][status], self.document))


def operations(document: Json) -> dict[str, Operation]:
    """Return the operations of a document by their names."""
    every = (
        Operation(method, path, described, document)
        for path, item in document["paths"].items()
        for method, described in item.items()
        if method in METHODS
    )
    return {operation.name: operation for operation in every}


def resolve(part: Json, document: Json) -> Json:
    while "$ref" in part:
        found: Any = document
        for name in part["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        part = found
    return part


def _schema_of(described: Json) -> Json | None:
    content = described.get("content", {})
    return next((content[media]["schema"] for media in _JSON if media in content), None)


class Comparison:
    """Compares schemas of two documents: where could a value of the first one not be taken for the second one's?

    Limits of length, number and pattern are left aside.
    """

    def __init__(self, first: Json, second: Json) -> None:
        self._first = first
        self._second = second

    def misfits(self, given: Json, taken: Json, place: str = "") -> Iterator[str]:
        wanted = _alternatives(taken, self._second)
        if any("type" not in one and "enum" not in one and "const" not in one for one in wanted):
            return
        for one in _alternatives(given, self._first):
            fitting = [other for other in wanted if _kind(one) in {_kind(other), None} or _is_number(one, other)]
            if not fitting:
                yield f"{place}: {_kind(one)}"
                continue
            found = [list(self._misfits(one, other, place)) for other in fitting]
            yield from min(found, key=len)

    def _misfits(self, one: Json, other: Json, place: str) -> Iterator[str]:
        kind = _kind(one)
        if kind == "array":
            yield from self.misfits(one.get("items", {}), other.get("items", {}), f"{place}[]")
        elif kind == "object":
            yield from self._of_objects(one, other, place)
        elif kind == "string":
            if "enum" in other and not set(_values(one)) <= set(_values(other)):
                yield f"{place}: not one of {sorted(_values(other))}"
            elif other.get("format") in {"uuid", "date-time"} and one.get("format") != other["format"]:
                yield f"{place}: no {other['format']}"

    def _of_objects(self, one: Json, other: Json, place: str) -> Iterator[str]:
        mine, theirs = one.get("properties", {}), other.get("properties", {})
        for name in sorted(set(other.get("required", ())) - set(one.get("required", ()))):
            yield f"{place}.{name}: may be missing"
        for name, schema in mine.items():
            if name in theirs:
                yield from self.misfits(schema, theirs[name], f"{place}.{name}")
            elif other.get("additionalProperties") is False:
                yield f"{place}.{name}: unknown"

    def missing(self, given: Json, wanted: Json, place: str = "") -> Iterator[str]:
        """Yield the properties, of any depth, that the second one declares and the first one does not."""
        for one in _alternatives(wanted, self._second):
            mine = next((given_ for given_ in _alternatives(given, self._first) if _kind(given_) == _kind(one)), None)
            if mine is None or _kind(one) not in {"array", "object"}:
                continue
            if _kind(one) == "array":
                yield from self.missing(mine.get("items", {}), one.get("items", {}), f"{place}[]")
            for name, schema in one.get("properties", {}).items():
                if name not in mine.get("properties", {}):
                    yield f"{place}.{name}: missing"
                else:
                    yield from self.missing(mine["properties"][name], schema, f"{place}.{name}")


def _alternatives(schema: Json, document: Json) -> list[Json]:
    schema = resolve(schema, document)
    several = schema.get("anyOf") or schema.get("oneOf")
    return [one for inner in several for one in _alternatives(inner, document)] if several else [schema]


def _kind(schema: Json) -> str | None:
    if "const" in schema or "enum" in schema:
        return schema.get("type", "string")
    kind: str | None = schema.get("type")
    return kind


def _is_number(one: Json, other: Json) -> bool:
    return (_kind(one), _kind(other)) == ("integer", "number")


def _values(schema: Json) -> list[Any]:
    return schema.get("enum") or ([schema["const"]] if "const" in schema else ["any other"])

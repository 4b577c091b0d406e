"""The enums of the OpenAPI document: each is one component with the name that it has in app/schemas.

An enum within a field becomes a type of that field in generated clients: the status of a TaskRead would not fit a
TaskUpdate.
"""

import sys
from typing import Any, Literal, get_args, get_origin

Json = dict[str, Any]


def enums() -> dict[str, Json]:
    """Return the schemas of the enums by their names."""
    modules = [module for name, module in sys.modules.items() if name.startswith("app.schemas.")]
    return {
        name: {"title": name, "type": "string", "enum": list(get_args(value))}
        for module in modules
        for name, value in vars(module).items()
        if get_origin(value) is Literal
    }


def refer_to_enums(part: Any, names: dict[frozenset[str], str]) -> Any:  # noqa: ANN401 - JSON
    """Return the part of a document with references to the enums; `names` has theirs by their values."""
    if isinstance(part, list):
        return [refer_to_enums(inner, names) for inner in part]
    if not isinstance(part, dict):
        return part
    if isinstance(values := part.get("enum"), list) and (name := names.get(frozenset(values))):
        beside = {key: value for key, value in part.items() if key not in {"type", "enum"}}
        return {"$ref": f"#/components/schemas/{name}", **beside}
    return {key: refer_to_enums(value, names) for key, value in part.items()}

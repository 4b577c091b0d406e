"""What no client sends by accident, in every field and query parameter of every operation: refused, never a 500."""

import json
from collections.abc import Iterator
from typing import Any

import httpx

from tests.integration.conftest import Staff
from tests.integration.furnished import ids_for_paths
from tests.integration.test_openapi import Operation, api, resolved

_HERE = "\ue000"
# JSON text -> the least and the most that it is answered with, in any field.
IN_FIELDS = {
    r'"\u0000"': (400, 400),
    "[" * 40 + "]" * 40: (400, 400),
    "9" * 400: (200, 499),
}
# In any body: these do not come as far as a field.
IN_BODIES = {
    r'"\ud800"': (400, 400),
    r'{"\u0000": 1}': (400, 400),
    "[" * 20_000 + "]" * 20_000: (400, 400),
    "1e999": (400, 400),
}
IN_QUERIES = ("%00", "%ED%A0%80", "9" * 400)
# The same handlers under a second path, and what never ends.
LEFT_OUT = ("/api/v1/agent/", "/stream")
# These would end what the others need.
NOT_SENT = {"delete_me", "delete_my_organization", "create_organization"}


def chosen() -> Iterator[Operation]:
    for operation in api():
        if not any(part in operation.path for part in LEFT_OUT) and operation.id not in NOT_SENT:
            yield operation


def example(operation: Operation) -> Any:
    content = operation.described.get("requestBody", {}).get("content", {}).get("application/json", {})
    given = [resolved(one)["value"] for one in content.get("examples", {}).values()]
    return given[0] if given else content.get("example")


def with_holes(value: Any) -> Iterator[Any]:
    """The value once for each of its leaves, with a hole there."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from ({**value, name: filled} for filled in with_holes(inner))
    elif isinstance(value, list):
        yield from ([filled] for filled in with_holes(value[0]))
    else:
        yield _HERE


async def test_no_text_or_number_in_a_body_makes_a_500(client: httpx.AsyncClient, staff: Staff) -> None:
    ids = await ids_for_paths(client, staff, "fore")
    for operation in chosen():
        if (body := example(operation)) is None:
            continue
        takes_anything = operation.id == "receive_webhook"
        for place, holed in enumerate(with_holes(body)):
            for hostile, (least, most) in (IN_FIELDS if place else IN_FIELDS | IN_BODIES).items():
                answer = await client.request(
                    operation.method,
                    operation.path.format(**ids),
                    content=json.dumps(holed).replace(json.dumps(_HERE), hostile),
                    headers={"Content-Type": "application/json"},
                )
                status = answer.status_code
                where = (operation.id, holed, hostile[:40], answer.text)
                assert status < 500 if takes_anything else least <= status <= most, where


async def test_no_query_makes_a_500(client: httpx.AsyncClient, staff: Staff) -> None:
    ids = await ids_for_paths(client, staff, "fore")
    for operation in chosen():
        for name in operation.parameters("query"):
            for hostile in IN_QUERIES:
                answer = await client.request(operation.method, f"{operation.path.format(**ids)}?{name}={hostile}")
                assert answer.status_code < 500, (operation.id, name, hostile, answer.text)

"""What no client sends by accident, in every field and query parameter of every operation: refused, never a 500."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from litestar import Litestar

from tests.conftest import TOKEN
from tests.integration.conftest import Staff
from tests.support.furnished import ids_for_paths
from tests.support.openapi import Operation, api, resolved
from tests.support.sse import asking

_HERE = "\ue000"
# JSON text -> the least and the most that it is answered with, in any field.
IN_FIELDS = {
    r'"\u0000"': (400, 400),
    "[" * 40 + "]" * 40: (400, 400),
    "9" * 400: (200, 499),
    str(2**63): (200, 499),
    # Outside the years that there are, once it is in UTC; and the two moments that PostgreSQL has for infinity.
    '"0001-01-01T00:00:00+14:00"': (200, 499),
    '"9999-12-31T23:59:59-12:00"': (200, 499),
    '"0001-01-01T00:00:00Z"': (200, 499),
    '"9999-12-31T23:59:59.999999Z"': (200, 499),
}
# In any body: these do not come as far as a field.
IN_BODIES = {
    r'"\ud800"': (400, 400),
    r'{"\u0000": 1}': (400, 400),
    "[" * 100_000 + "]" * 100_000: (400, 400),
    '{"a":' * 100_000: (400, 400),
    "1e999": (400, 400),
}


def packed(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


# MessagePack, as cursors and ids of events are made of: nested, with what is no key of a map, no text, no time.
PACKED = [
    packed(begin + end)
    for begin in (b"", b"\x93\xa5tasks\x92\x92\xaacreated_at\xc3\x92\xa2id\xc3")
    for end in (
        b"\x91" * 2_500 + b"\xc0",
        b"\x91\x81\x81\x01\x02\x03",
        b"\x92\xa1\xff\xc0",
        b"\x92\xc7\x0c\xff" + b"\xff" * 12,
    )
]
IN_QUERIES = ("%00", "%ED%A0%80", "%ff", "9" * 400, *PACKED)
IN_HEADERS = ("\xff", "\0", "", " ", ",", ";;=", '"', "9" * 5000, "\xed\xa0\x80", "a/b; charset=nonsense", *PACKED)
HEADERS = (
    "accept authorization content-encoding content-type cookie if-match if-none-match idempotency-key last-event-id"
    " origin range x-agent-token x-forwarded-for x-request-id"
)
IN_PATHS = ("%00", "%ff", "%ED%A0%80", "a" * 5000, "a/" * 2000, "..%2f..%2fetc/passwd", "{}", "%D9%A3" * 32)
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


def fields(operation: Operation) -> set[str]:
    """All that its body may have; its example leaves some out."""
    content = operation.described["requestBody"]["content"]["application/json"]
    return set(resolved(content["schema"]).get("properties", ()))


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
        left_out = [{**body, name: _HERE} for name in sorted(fields(operation) - body.keys())]
        for place, holed in enumerate((*with_holes(body), *left_out)):
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


async def test_no_header_makes_a_500(app: Litestar, client: httpx.AsyncClient, tasks_url: str) -> None:
    sent = b'{"title": "Splice"}'
    task = (await client.post(tasks_url, content=sent, headers={"Content-Type": "application/json"})).json()["id"]
    requests = [
        ("GET", tasks_url, b""),
        ("GET", f"{tasks_url}/stream", b""),
        ("POST", tasks_url, sent),
        ("PATCH", f"{tasks_url}/{task}", sent),
        ("OPTIONS", tasks_url, b""),
        ("GET", "/schema-assets/stylesheets/swagger-ui.css", b""),
    ]
    for header in HEADERS.split():
        signed_in = {} if header in {"authorization", "x-agent-token"} else {"authorization": f"Bearer {TOKEN}"}
        for value in IN_HEADERS:
            for method, path, body in requests:
                headers = {"content-type": "application/json", **signed_in, header: value}
                async with asking(app, method, path, headers, body) as answer:
                    assert answer.status < 500, (header, value[:40], method, path)


@pytest.mark.parametrize(
    "parent", ["", "/api/v1", "/api/v1/boards", "/schema", "/schema-assets", "/schema-assets/swagger.html"]
)
async def test_no_path_makes_a_500(app: Litestar, parent: str) -> None:
    for inside in IN_PATHS:
        for method in ("GET", "HEAD", "POST", "OPTIONS", "PURGE"):
            url = f"{parent}/{inside}"
            async with asking(app, method, url, {"authorization": f"Bearer {TOKEN}"}) as answer:
                assert answer.status < 500, (method, url[:60])


@pytest.mark.parametrize("place", PACKED)
async def test_made_up_cursor_or_event_id_is_told_as_that(
    app: Litestar, client: httpx.AsyncClient, tasks_url: str, place: str
) -> None:
    answer = await client.get(tasks_url, params={"cursor": place})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")
    answer = await client.get(f"{tasks_url}/stream", headers={"Last-Event-ID": place})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_event_id")

"""What browsers are told of every answer, which pages may call the API, and HEAD and OPTIONS."""

import asyncio
import re
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar

from app.asgi import create_app
from app.core.settings import Environment
from tests.conftest import TOKEN, client_of, settings_for
from tests.support.api import BOARDS
from tests.support.database import query
from tests.support.openapi import document
from tests.support.sse import Stream, asking
from tests.support.waiting import PATIENCE

ALWAYS = {"x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "no-referrer"}
STRICT = "default-src 'none'; frame-ancestors 'none'"
HSTS = "strict-transport-security"
PAGE = "https://app.example.com"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def told(headers: httpx.Headers) -> dict[str, str]:
    return {name: headers[name] for name in ALWAYS}


async def test_every_answer_tells_browsers_what_not_to_do(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    url = f"{BOARDS}/{board['id']}"
    tag = (await client.get(url)).headers["etag"]
    answers = {
        200: await client.get(url),
        201: await client.post(tasks_url, json={"title": "Splice"}),
        304: await client.get(url, headers={"If-None-Match": tag}),
        400: await client.get(url, params={"x": 1}),
        401: await client.get(url, headers={"Authorization": "Bearer wrong"}),
        404: await client.get(f"{BOARDS}/{uuid4()}"),
        405: await client.put(url),
        204: await client.delete(url),
        0: await client.get("/no/such/path"),
    }
    query(database_url, "ALTER TABLE tags RENAME TO labels")
    answers[500] = await client.get("/api/v1/tags")
    for status, answer in answers.items():
        assert status in {0, answer.status_code}
        assert (told(answer.headers), answer.headers["content-security-policy"]) == (ALWAYS, STRICT), status
        assert HSTS not in answer.headers


async def test_answer_without_a_database_tells_them_too() -> None:
    async with client_of(create_app(settings_for(NOWHERE, cors_allowed_origins=(PAGE,)))) as client:
        answer = await client.get(BOARDS, headers={"Origin": PAGE})
        assert answer.status_code >= 500
        assert (told(answer.headers), answer.headers["access-control-allow-origin"]) == (ALWAYS, PAGE)


async def test_page_of_the_documentation_may_run_what_is_its_own(app: Litestar, client: httpx.AsyncClient) -> None:
    policy = (await client.get("/schema")).headers["content-security-policy"]
    assert "script-src 'self'; " in policy
    assert "frame-ancestors 'none'" in policy
    assert "http" not in policy


@pytest.mark.parametrize(
    ("changes", "scheme", "expected"),
    [
        ({}, "http", None),
        ({}, "https", "max-age=31536000"),
        ({"public_base_url": "https://plimsoll.example.com"}, "http", "max-age=31536000"),
        ({"hsts_max_age": 60}, "https", "max-age=60"),
        ({"hsts_max_age": 0}, "https", None),
        ({"environment": Environment.DEV}, "https", None),
    ],
)
async def test_browsers_are_told_to_stay_with_tls_where_they_came_by_it(
    changes: dict[str, Any], scheme: str, expected: str | None
) -> None:
    async with client_of(create_app(settings_for(NOWHERE, **changes))) as client:
        answer = await client.get(f"{scheme}://plimsoll.test/health")
        assert answer.headers.get(HSTS) == expected


async def preflight(client: httpx.AsyncClient, origin: str, method: str = "PATCH", headers: str = "") -> httpx.Response:
    asked = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
    return await client.options(BOARDS, headers=asked)


async def test_pages_of_allowed_origins_alone_may_send_and_see_what_clients_do() -> None:
    wanted = "authorization,content-type,idempotency-key,if-match,if-none-match,last-event-id,x-agent-token"
    settings = settings_for(NOWHERE, cors_allowed_origins=(PAGE, "http://localhost:3000"))
    async with client_of(create_app(settings), token=None) as client:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            answer = await preflight(client, PAGE, method, wanted)
            assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (204, PAGE)
            assert answer.headers["vary"] == "Origin"
            assert "access-control-allow-credentials" not in answer.headers
        answer = await client.get(BOARDS, headers={"Origin": "http://localhost:3000"})
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, "http://localhost:3000")
        shown = set(answer.headers["access-control-expose-headers"].lower().split(", "))
        assert shown >= {"etag", "location", "link", "x-request-id", "idempotent-replayed", "retry-after"}
        for origin in ("https://evil.example", f"{PAGE}.evil.example", f"{PAGE}:444", "null"):
            for answer in (await preflight(client, origin), await client.get("/health", headers={"Origin": origin})):
                assert "access-control-allow-origin" not in answer.headers, origin


@pytest.mark.parametrize(("allowed", "expected"), [((), None), (("*",), "*")])
async def test_no_page_may_unless_that_is_said_and_any_where_it_is(
    allowed: tuple[str, ...], expected: str | None
) -> None:
    async with client_of(create_app(settings_for(NOWHERE, cors_allowed_origins=allowed))) as client:
        for answer in (
            await preflight(client, PAGE),
            await client.get("/health", headers={"Origin": PAGE}),
        ):
            assert answer.headers.get("access-control-allow-origin") == expected


async def test_head_is_get_without_the_body(
    app: Litestar, client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str
) -> None:
    url = f"{BOARDS}/{board['id']}"
    varying = {"x-request-id"}
    for path in (url, tasks_url, "/health", f"{BOARDS}/{uuid4()}", "/schema/openapi.json"):
        whole, head = await client.get(path), await client.head(path)
        assert (head.status_code, head.content) == (whole.status_code, b"")
        kept = [(k, v) for k, v in whole.headers.items() if k not in varying]
        assert [(k, v) for k, v in head.headers.items() if k not in varying] == kept
    tag = (await client.head(url)).headers["etag"]
    assert (await client.head(url, headers={"If-None-Match": tag})).status_code == 304
    assert (await client.head(f"{url}/approvals/{uuid4()}")).status_code == 404


async def test_head_of_a_stream_does_not_wait_for_its_end(app: Litestar, tasks_url: str) -> None:
    def at_end(stream: Stream) -> tuple[int, str]:
        return stream.status, stream.headers["content-type"].partition(";")[0]

    headers = {"authorization": f"Bearer {TOKEN}"}
    async with asyncio.timeout(PATIENCE), asking(app, "HEAD", f"{tasks_url}/stream", headers) as stream:
        assert at_end(stream) == (200, "text/event-stream")
        assert await stream.rest() == b""


async def test_options_and_405_name_every_method_of_the_path(client: httpx.AsyncClient, board: dict[str, Any]) -> None:
    one = f"{BOARDS}/{board['id']}"
    for path, methods in (
        (BOARDS, "GET, HEAD, OPTIONS, POST"),
        (one, "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("/api/v1/agent/boards", "GET, HEAD, OPTIONS"),
    ):
        for method, status in (("OPTIONS", 204), ("TRACE", 405)):
            answer = await client.request(method, path)
            assert (answer.status_code, answer.headers["allow"]) == (status, methods)


async def test_methods_of_a_path_are_told_to_everybody(client: httpx.AsyncClient) -> None:
    for path, item in document()["paths"].items():
        if not path.startswith("/api/v1/"):
            continue
        url = re.sub(r"\{\w+\}", str(uuid4()), path)
        told = await client.options(url, headers={"Authorization": ""})
        assert told.status_code == 204, (path, told.text)
        methods = {method.upper() for method in item} | {"OPTIONS"} | ({"HEAD"} if "get" in item else set())
        assert set(told.headers["allow"].split(", ")) == methods, path
        refused = await client.request("TRACE", url)
        assert (refused.status_code, set(refused.headers["allow"].split(", "))) == (405, methods)

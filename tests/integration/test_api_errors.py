"""Errors are problem details with the request's id; the document of the API describes them, and its page is ours."""

import json
from typing import Any

import httpx
import pytest
from litestar import Litestar, get
from litestar.di import NamedDependency
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.http.exception_handlers import EXCEPTION_HANDLERS
from app.api.http.request_id import RequestIdMiddleware, send_request_id
from app.core.logging import configure_logging
from app.core.settings import Settings
from app.db.plugin import DatabasePlugin
from tests.conftest import client_of, started

BOARDS = "/api/v1/boards"


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", "/nowhere", {}, 404, "not_found"),
        ("GET", f"{BOARDS}/not-a-uuid", {}, 404, "not_found"),
        ("PUT", BOARDS, {}, 405, "method_not_allowed"),
        ("POST", BOARDS, {"content": b"{", "headers": {"content-type": "application/json"}}, 400, "validation_error"),
        ("POST", BOARDS, {"content": b""}, 400, "validation_error"),
        ("POST", BOARDS, {"content": b"\xff\xfe"}, 400, "validation_error"),
        ("POST", BOARDS, {"content": b'{"name": "\\ud800"}'}, 400, "validation_error"),
        ("POST", BOARDS, {"content": b'{"name": "\xed\xa0\x80"}'}, 400, "validation_error"),
        ("POST", BOARDS, {"content": b"[" * 100_000}, 400, "validation_error"),
        ("POST", BOARDS, {"content": b'{"max_agents": ' + b"9" * 5000 + b"}"}, 400, "validation_error"),
        ("POST", BOARDS, {"json": []}, 400, "validation_error"),
        ("POST", BOARDS, {"json": None}, 400, "validation_error"),
        ("POST", BOARDS, {"json": {}}, 400, "validation_error"),
        ("POST", BOARDS, {"content": b'"' + b"x" * (1024 * 1024) + b'"'}, 413, "content_too_large"),
        ("GET", f"{BOARDS}?limit=x", {}, 400, "validation_error"),
    ],
)
async def test_what_a_client_gets_wrong_is_a_problem_with_the_requests_id(
    client: httpx.AsyncClient, method: str, path: str, options: dict[str, Any], status: int, code: str
) -> None:
    response = await client.request(method, path, **options)
    assert (response.status_code, response.json()["code"]) == (status, code), response.text
    assert response.headers["content-type"].startswith("application/problem+json")
    assert response.json()["request_id"] == response.headers["x-request-id"]
    assert response.json()["instance"] == path.partition("?")[0]
    if status == 405:
        assert {"GET", "POST"} <= {name.strip() for name in response.headers["allow"].split(",")}
    if status == 400:
        assert response.json()["errors"]


async def test_body_that_is_missing_and_a_pattern_that_is_missed_are_said_in_words(client: httpx.AsyncClient) -> None:
    for body, problem in (
        (b"", {"pointer": "", "detail": "Send a body of JSON."}),
        (b'{"name": " ", "slug": "a", "description": ""}', {"pointer": "/name", "detail": "It is blank."}),
        (
            b'{"name": "n", "slug": "A b", "description": ""}',
            {
                "pointer": "/slug",
                "detail": "Give small letters and digits, with single hyphens between, such as first-board.",
            },
        ),
    ):
        response = await client.post(BOARDS, content=body)
        assert (response.status_code, response.json()["errors"]) == (400, [problem])


async def test_missing_field_and_a_number_out_of_range_are_named(client: httpx.AsyncClient) -> None:
    for body, pointer in (
        (b'{"name": "n", "slug": "s"}', "/description"),
        (b'{"name": "n", "slug": "s", "description": "", "success_metrics": {"a": [1e999]}}', "/success_metrics"),
    ):
        response = await client.post(BOARDS, content=body)
        assert (response.status_code, response.json()["errors"][0]["pointer"]) == (400, pointer)


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ("application/json; charset=utf-8", 201),
        ("application/merge-patch+json", 201),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/msgpack", 415),
    ],
)
async def test_body_that_is_declared_not_to_be_json_is_415(
    client: httpx.AsyncClient, media_type: str, status: int
) -> None:
    content = json.dumps({"name": "n", "slug": "s", "description": ""})
    response = await client.post(BOARDS, content=content, headers={"content-type": media_type})
    assert response.status_code == status
    if status == 415:
        assert response.headers["content-type"].startswith("application/problem+json")
        assert response.json()["code"] == "unsupported_media_type"
        assert response.headers["accept"] == "application/json"


async def test_request_id_of_the_client_is_kept_if_it_is_fit_to_be_logged(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health", headers={"X-Request-Id": "abc-1"})).headers["x-request-id"] == "abc-1"
    for unfit in ("a b", "x" * 129, "line\tbreak", '"}'):
        sent = (await client.get("/health", headers={"X-Request-Id": unfit})).headers["x-request-id"]
        assert sent != unfit
        assert len(sent) == 32


@get("/broken")
async def broken() -> None:
    raise RuntimeError("the secret of the captain")


@get("/wrong-sql")
async def wrong_sql(db_session: NamedDependency[AsyncSession]) -> None:
    await db_session.execute(text("SELECT secret_column FROM nowhere_at_all"))


@pytest.mark.parametrize("path", ["/broken", "/wrong-sql"])
@pytest.mark.parametrize("debug", [False, True])
async def test_unexpected_error_shows_the_client_nothing_and_the_log_no_sql(
    settings: Settings, capsys: pytest.CaptureFixture[str], path: str, debug: bool
) -> None:
    application = Litestar(
        [broken, wrong_sql],
        plugins=[DatabasePlugin(settings)],
        middleware=[RequestIdMiddleware()],
        before_send=[send_request_id],
        exception_handlers=EXCEPTION_HANDLERS,
        logging_config=None,
        debug=debug,
    )
    configure_logging(settings)
    async with started(application), client_of(application) as client:
        capsys.readouterr()
        response = await client.get(path)
    assert response.status_code == 500
    assert response.json()["code"] == "internal_error"
    for kept_out in ("captain", "nowhere_at_all", "Traceback", "RuntimeError"):
        assert kept_out not in response.text
    log = capsys.readouterr().err
    assert log.count("unexpected error") == 1
    assert response.headers["x-request-id"] in log
    assert "secret_column" not in log

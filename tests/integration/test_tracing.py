"""Traces: the spans of requests and of their statements, whose trace they belong to, and what they never hold."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar
from opentelemetry.context import Context
from opentelemetry.proto.trace.v1.trace_pb2 import Status
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode
from sqlalchemy import Integer, bindparam, literal_column, make_url, select, text
from sqlalchemy.exc import DBAPIError

from app.api.http import request_span
from app.core.settings import Settings
from app.core.tracing import provider, trace_processors, tracing_of, tracing_problems
from app.db.plugin import DatabasePlugin
from app.db.request.prepared import PreparedStatement, fetch_rows
from app.db.statement_spans import summarize
from tests.conftest import TOKEN, settings_for
from tests.support.api import BOARDS, MINIMAL, create
from tests.support.database import holding
from tests.support.processes import ROOT, environment, free_port, serving
from tests.support.stopping import running
from tests.support.tracing import IN_MEMORY, Spans, collecting
from tests.support.waiting import PATIENCE

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"
BOARD = "/api/v1/boards/{board_id}"
QUOTIENT = PreparedStatement(select((literal_column("1") / bindparam("divisor", type_=Integer)).label("quotient")))


@pytest.fixture
def settings(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(provider, "process_tracing", lambda: IN_MEMORY)
    return settings_for(database_url, tracing=True)


@pytest.fixture
def spans(client: httpx.AsyncClient) -> Spans:
    return Spans()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


async def test_request_has_a_span_of_its_route_without_query_and_token(client: httpx.AsyncClient, spans: Spans) -> None:
    path = f"{BOARDS}/{uuid4()}"
    answer = await client.get(
        path, params={"search": "open-sesame"}, headers={"User-Agent": "probe", "Cookie": "open-sesame"}
    )
    span = spans.one(f"GET {BOARD}")
    assert attributes(span) == {
        "http.request.method": "GET",
        "http.route": BOARD,
        "http.response.status_code": answer.status_code,
        "url.path": path,
        "url.scheme": "http",
        "network.protocol.version": "1.1",
        "user_agent.original": "probe",
        "plimsoll.request_id": answer.headers["x-request-id"],
    }
    assert (span.kind, span.parent) == (SpanKind.SERVER, None)
    for secret in (TOKEN, "open-sesame", "search"):
        assert secret not in spans.as_text


REFUSED = [
    ("HEAD", BOARDS, {}, "HEAD /api/v1/boards", 200),
    ("GET", BOARDS, {"Authorization": "Bearer wrong"}, "GET /api/v1/boards", 401),
    # Litestar says no route for these.
    ("DELETE", BOARDS, {}, "DELETE", 405),
    ("GET", "/nowhere", {}, "GET", 404),
    ("BREW", BOARDS, {}, "HTTP", 405),
]


async def test_request_that_is_refused_has_a_span_too(client: httpx.AsyncClient, spans: Spans) -> None:
    for method, path, headers, name, status in REFUSED:
        await client.request(method, path, headers=headers)
        span = spans.one(name)
        assert attributes(span)["http.response.status_code"] == status
        assert attributes(span)["http.request.method"] == (method if method != "BREW" else "_OTHER")
        assert span.status.status_code is StatusCode.UNSET
        spans.clear()


async def test_statements_are_spans_below_their_request_without_values(
    client: httpx.AsyncClient, database_url: str, spans: Spans
) -> None:
    """Some go to the driver, others through SQLAlchemy."""
    await create(client, BOARDS, **{**MINIMAL, "description": "open-sesame"})
    request = spans.one("POST /api/v1/boards")
    statements = spans.below(request)
    assert {"SELECT users", "INSERT boards", "INSERT activity_events"} <= {span.name for span in statements}
    insert = next(span for span in statements if span.name == "INSERT boards")
    url = make_url(database_url)
    assert attributes(insert) == {
        "db.system.name": "postgresql",
        "db.namespace": url.database,
        "db.operation.name": "INSERT",
        "db.collection.name": "boards",
        "db.query.summary": "INSERT boards",
        "server.address": url.query["host"],
    }
    assert insert.kind is SpanKind.CLIENT
    assert "open-sesame" not in spans.as_text


async def test_statement_that_fails_is_a_span_with_its_sqlstate_and_without_its_message(
    app: Litestar, spans: Spans
) -> None:
    database = app.plugins.get(DatabasePlugin)
    with IN_MEMORY.span("work", {}):
        async with database.sessions() as session:
            with pytest.raises(DBAPIError):
                await fetch_rows(session, QUOTIENT, divisor=0)
        async with database.engine.connect() as connection:
            with pytest.raises(DBAPIError):
                await connection.execute(text("SELECT 'open-sesame'::integer"))
    failed = spans.below(spans.one("work"))
    assert [attributes(span)["db.response.status_code"] for span in failed] == ["22012", "22P02"]
    assert [attributes(span)["error.type"] for span in failed] == [
        "asyncpg.exceptions.DivisionByZeroError",
        "sqlalchemy.dialects.postgresql.asyncpg.AsyncAdapt_asyncpg_dbapi.Error",
    ]
    assert {span.status.status_code for span in failed} == {StatusCode.ERROR}
    assert "open-sesame" not in spans.as_text


async def test_statement_outside_of_a_request_has_no_span(app: Litestar, spans: Spans) -> None:
    async with app.plugins.get(DatabasePlugin).engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
    assert spans.as_text == ""


@pytest.mark.parametrize(
    ("sql", "summary"),
    [
        ("SELECT boards.id FROM boards WHERE slug = $1", "SELECT boards"),
        ("select 'x FROM secrets' as a from only \"tasks\"", "SELECT tasks"),
        ("WITH moved AS (UPDATE tasks SET a = 1 RETURNING id) SELECT * FROM moved", "UPDATE tasks"),
        ("INSERT INTO public.tags (name) SELECT name FROM other", "INSERT public.tags"),
        ("DELETE FROM tags -- FROM notes", "DELETE tags"),
        ("SELECT pg_notify($1, $2)", "SELECT"),
        ("SET LOCAL lock_timeout = '1s'", "SET"),
        ("", ""),
    ],
)
def test_summary_of_a_statement_is_its_operation_and_its_first_table(sql: str, summary: str) -> None:
    assert str(summarize(sql)) == summary


async def test_request_continues_the_trace_of_its_client(client: httpx.AsyncClient, spans: Spans) -> None:
    await client.get("/health", headers={"traceparent": TRACEPARENT})
    span = spans.one("GET /health")
    assert span.context is not None
    assert span.parent is not None
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == CALLER


async def test_request_that_its_client_does_not_sample_is_not_recorded(client: httpx.AsyncClient, spans: Spans) -> None:
    await client.get(BOARDS, headers={"traceparent": f"{TRACEPARENT[:-1]}0"})
    assert spans.as_text == ""


async def test_traceparent_that_is_none_is_left_alone(client: httpx.AsyncClient, spans: Spans) -> None:
    for given in ("", "00-0-0-01", f"00-{'0' * 32}-{CALLER}-01", f"ff-{TRACE}-{CALLER}-01"):
        await client.get("/health", headers={"traceparent": given})
    assert [span.parent for span in spans.named("GET /health")] == [None] * 4


async def test_delivery_to_a_webhook_is_a_span_with_its_statements(
    client: httpx.AsyncClient, board: dict[str, Any], spans: Spans
) -> None:
    webhook = await create(client, f"{BOARDS}/{board['id']}/webhooks", description="deploys")
    await client.post(webhook["endpoint_path"], content=b"open-sesame")
    span = next(span for span in spans.all() if span.name.startswith("POST") and "webhook_id" in span.name)
    assert "INSERT board_webhook_payloads" in {child.name for child in spans.below(span)}
    assert "open-sesame" not in spans.as_text


def test_provider_has_the_name_and_the_sampler_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "boards")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
    made = provider.process_tracing.__wrapped__()._provider
    made.shutdown()
    assert (made.resource.attributes["service.name"], made.sampler.get_description()) == (
        "boards",
        "ParentBased{root:TraceIdRatioBased{0.25},remoteParentSampled:AlwaysOnSampler,"
        "remoteParentNotSampled:AlwaysOffSampler,localParentSampled:AlwaysOnSampler,"
        "localParentNotSampled:AlwaysOffSampler}",
    )


def test_collector_that_does_not_answer_keeps_no_process(silent_server: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent_server}")
    monkeypatch.setattr(provider, "_FLUSH_SECONDS", 0.05)
    tracing = provider.process_tracing.__wrapped__()
    with tracing.span("work", {}):
        pass
    # Each would return after ten seconds at the earliest if it waited for the collector.
    for _ in range(3):
        tracing.flush()
    assert tracing._flush is not None
    assert tracing._flush.is_alive()
    # Ends the attempts.
    (processor,) = tracing._provider._active_span_processor._span_processors
    assert isinstance(processor, BatchSpanProcessor)
    processor.span_exporter.shutdown()


def test_log_of_a_collector_that_is_away_holds_no_secret(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{free_port()}/open-sesame")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization: open-sesame")
    # Not long enough for a second attempt.
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
    tracing = provider.process_tracing.__wrapped__()
    with tracing.span("work", {}):
        pass
    tracing.flush()
    assert "Header format invalid" in caplog.text
    assert "export" in caplog.text
    assert "open-sesame" not in caplog.text


@pytest.mark.parametrize(("limit", "kept"), [(None, 1024), ("7", 7)])
def test_long_value_of_a_span_is_cut(monkeypatch: pytest.MonkeyPatch, limit: str | None, kept: int) -> None:
    if limit is not None:
        monkeypatch.setenv("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", limit)
    tracing = provider.process_tracing.__wrapped__()
    # It does not end, and is not sent.
    span = tracing.tracer.start_span("work", attributes={"url.path": "x" * 60_000})
    assert isinstance(span, ReadableSpan)
    assert attributes(span)["url.path"] == "x" * kept
    tracing._provider.shutdown()


def test_headers_that_are_none_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    provider.process_tracing.__wrapped__()._provider.shutdown()
    parent = (b"traceparent", TRACEPARENT.encode())
    states = (b"open-sesame", b"a=1,a=open-sesame", b"x" * 600)
    given = [[parent, (b"tracestate", state)] for state in states] + [[(b"traceparent", b"open-sesame" * 50)]]
    for headers in given:
        request_span._PROPAGATOR.extract(headers, Context(), request_span._HEADERS)
    assert caplog.text == ""


def test_server_sends_its_spans_and_those_of_its_end_before_it_stops(database_url: str, tmp_path: Path) -> None:
    with collecting() as collector:
        env = environment(
            DATABASE_URL=database_url,
            ENVIRONMENT="production",
            LOG_REQUESTS="true",
            DB_AUTO_MIGRATE="true",
            TRACING="true",
            OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            # Longer than the test: what is received was sent at the end.
            OTEL_BSP_SCHEDULE_DELAY="600000",
        )
        with serving(env, tmp_path / "log") as server:
            server.wait_until_ready()
            headers = {"traceparent": TRACEPARENT, "Authorization": f"Bearer {TOKEN}"}
            assert httpx.get(f"{server.url}{BOARDS}", headers=headers, trust_env=False).status_code == 200
            server.stop()
        request = collector.wait_for("GET /api/v1/boards")
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == (TRACE, CALLER)
    assert {"upgrade", "GET /readyz", "SELECT boards"} <= {span.name for span in collector.spans()}
    assert collector.resource()["service.name"] == "plimsoll"
    (line,) = [line for line in map(json.loads, server.log.splitlines()) if "GET /api/v1/boards" in line["event"]]
    assert (line["trace_id"], line["span_id"]) == (TRACE, request.span_id.hex())
    assert TOKEN not in str(collector.requests)


def test_command_that_sigterm_stops_sends_its_spans(database_url: str, tmp_path: Path) -> None:
    with collecting() as collector:
        env = environment(DATABASE_URL=database_url, TRACING="true", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)
        with (
            holding(database_url, "LOCK TABLE alembic_version") as wait_for_a_waiter,
            running(("litestar", "database", "upgrade", "--no-prompt"), env, ROOT, tmp_path / "log") as process,
        ):
            wait_for_a_waiter()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=PATIENCE) == 128 + signal.SIGTERM
        (span,) = collector.spans()
    assert (span.name, span.status.code) == ("upgrade", Status.STATUS_CODE_ERROR)


@pytest.mark.parametrize("asked", [True, False])
def test_extra_that_is_not_installed_is_an_error_only_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk", None)
    problems = [*tracing_problems(Settings(tracing=asked))]
    assert [problem.exit_code for problem in problems] == [2] * asked
    assert ["pip install 'plimsoll-backend[otel]'" in str(problem) for problem in problems] == [True] * asked
    assert trace_processors(Settings(tracing=asked)) == []


def test_protocol_and_address_that_cannot_be_sent_to_are_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    (problem,) = tracing_problems(Settings(tracing=True))
    assert "OTEL_EXPORTER_OTLP_PROTOCOL is 'grpc'" in str(problem)
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_PROTOCOL")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "open-sesame:4318")
    (problem,) = tracing_problems(Settings(tracing=True))
    assert "OTEL_EXPORTER_OTLP_ENDPOINT is no URL of HTTP" in str(problem)
    assert "open-sesame" not in str(problem)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert [*tracing_problems(Settings(tracing=True))] == []
    assert tracing_of(Settings(tracing=True)) is None


def test_nothing_of_it_is_imported_unless_it_is_asked_for() -> None:
    """Litestar itself imports the API, which is small, where that is installed."""
    code = "import sys; from app.asgi import create_app; create_app(); print(*sys.modules)"
    env = environment(DATABASE_URL="postgresql://nobody@127.0.0.1/nothing")
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, check=True)
    imported = shown.stdout.decode().split()
    assert "app.api.application" in imported
    assert not {"opentelemetry.sdk", "opentelemetry.exporter", "google.protobuf", "requests"} & set(imported)

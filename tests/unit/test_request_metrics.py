"""How requests are counted: by operation, method and status, when their answer begins."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast
from uuid import UUID

import httpx
import pytest
from litestar import get
from litestar.params import FromPath
from litestar.response import Stream
from litestar.types import Scope
from prometheus_client import CollectorRegistry

from app.api.http.head import Application
from app.api.http.recent_requests import RecentPeriod
from app.api.http.request_metrics import PROBE, MeasuredRequest, RequestMetrics


class Port:
    """Where handlers wait until a test lets them go on."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.open = asyncio.Event()

    async def wait(self) -> None:
        self.entered.set()
        await self.open.wait()


@pytest.fixture
def port() -> Port:
    return Port()


@pytest.fixture
def app(port: Port) -> Application:
    @get("/boards/{board_id:uuid}", operation_id="get_board")
    async def board(board_id: FromPath[UUID]) -> str:
        return str(board_id)

    @get("/plain/{name:str}", include_in_schema=False)
    async def plain(name: FromPath[str]) -> str:
        return name

    @get("/broken", operation_id="broken")
    async def broken() -> None:
        raise RuntimeError

    @get("/probe", operation_id="probe", opt={PROBE: True}, status_code=503)
    async def probe() -> None: ...

    @get("/slow", operation_id="slow")
    async def slow() -> None:
        await port.wait()

    @get("/stream", operation_id="stream")
    async def stream() -> Stream:
        async def events() -> AsyncIterator[str]:
            yield "first"
            await port.wait()
            yield "last"

        return Stream(events())

    async def fail(message: Any, scope: Scope) -> None:
        if scope["path"] == "/plain/unrenderable":
            raise RuntimeError

    handlers = [board, plain, broken, probe, slow, stream]
    return Application(
        route_handlers=handlers,
        plugins=[RequestMetrics()],
        before_send=[fail],
        openapi_config=None,
        logging_config=None,
    )


@pytest.fixture
async def client(app: Application) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(cast("Any", app), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://plimsoll.test") as client:
        yield client


@pytest.fixture
def measured(app: Application) -> RequestMetrics:
    return app.plugins.get(RequestMetrics)


def counted(metrics: RequestMetrics) -> dict[tuple[str, str, str], float]:
    """Return the requests by operation, method and status."""
    return {
        (sample.labels["operation"], sample.labels["method"], sample.labels["status"]): sample.value
        for sample in _samples(metrics, "plimsoll_requests_total")
    }


def in_progress(metrics: RequestMetrics) -> float:
    (sample,) = _samples(metrics, "plimsoll_requests_in_progress")
    return sample.value


def failed(metrics: RequestMetrics) -> float:
    (sample,) = _samples(metrics, "plimsoll_requests_failed_total")
    return sample.value


def latest(metrics: RequestMetrics) -> RecentPeriod:
    return metrics.recent.over(60)


def _samples(metrics: RequestMetrics, name: str) -> Iterator[Any]:
    registry = CollectorRegistry()
    registry.register(metrics)
    return (sample for family in registry.collect() for sample in family.samples if sample.name == name)


async def test_requests_of_an_operation_are_one_series_whatever_their_path(
    client: httpx.AsyncClient, measured: RequestMetrics
) -> None:
    for number in range(3):
        assert (await client.get(f"/boards/{UUID(int=number)}")).status_code == 200
        assert (await client.get(f"/plain/{number}")).status_code == 200
    assert counted(measured) == {("get_board", "GET", "200"): 3, ("/plain/{name}", "GET", "200"): 3}
    assert latest(measured)[1:3] == (6, 0)


@pytest.mark.parametrize(
    ("method", "path", "labels", "errors"),
    [
        ("GET", "/nowhere/1", ("unknown", "GET", "404"), 0),
        ("GET", "/boards/no-uuid", ("unknown", "GET", "404"), 0),
        ("PUT", "/broken", ("unknown", "PUT", "405"), 0),
        ("HEAD", f"/boards/{UUID(int=0)}", ("get_board", "HEAD", "200"), 0),
        ("GET", "/broken", ("broken", "GET", "500"), 1),
        ("GET", "/plain/unrenderable", ("/plain/{name}", "GET", "500"), 1),
        ("BREW", "/pot", ("unknown", "unknown", "404"), 0),
        ("STIR", "/broken", ("unknown", "unknown", "405"), 0),
    ],
)
async def test_every_answer_is_counted(
    client: httpx.AsyncClient,
    measured: RequestMetrics,
    method: str,
    path: str,
    labels: tuple[str, str, str],
    errors: int,
) -> None:
    for _ in range(2):
        await client.request(method, path)
    assert counted(measured) == {labels: 2}
    assert latest(measured)[1:3] == (2, 2 * errors)
    assert failed(measured) == 2 * errors
    assert in_progress(measured) == 0


async def test_probe_is_counted_and_nobody_felt_it(client: httpx.AsyncClient, measured: RequestMetrics) -> None:
    await client.get("/probe")
    assert counted(measured) == {("probe", "GET", "503"): 1}
    assert latest(measured).requests == 0
    assert failed(measured) == 0


async def test_request_is_in_progress_until_its_answer_begins(
    client: httpx.AsyncClient, measured: RequestMetrics, port: Port
) -> None:
    request = asyncio.create_task(client.get("/slow"))
    await port.entered.wait()
    assert in_progress(measured) == 1
    assert counted(measured) == {}
    port.open.set()
    await request
    assert in_progress(measured) == 0


async def test_stream_counts_when_it_begins(client: httpx.AsyncClient, measured: RequestMetrics, port: Port) -> None:
    request = asyncio.create_task(client.get("/stream"))
    await port.entered.wait()
    assert counted(measured) == {("stream", "GET", "200"): 1}
    assert in_progress(measured) == 0
    port.open.set()
    assert (await request).text == "firstlast"
    assert counted(measured) == {("stream", "GET", "200"): 1}


async def test_request_that_is_cancelled_was_not_answered(
    client: httpx.AsyncClient, measured: RequestMetrics, port: Port
) -> None:
    request = asyncio.create_task(client.get("/slow"))
    await port.entered.wait()
    request.cancel()
    await asyncio.wait([request])
    assert counted(measured) == {("slow", "GET", "none"): 1}
    assert in_progress(measured) == 0
    assert latest(measured)[1:3] == (1, 0)


async def test_durations_are_a_cumulative_histogram(measured: RequestMetrics) -> None:
    scope = cast("Any", {"path_template": "/boards"})
    for seconds in (0.0004, 0.002, 0.0025, 0.3, 70.0):
        measured.count(scope, "GET", 200, seconds)
    labels = {"operation": "/boards", "method": "GET"}
    buckets = {
        sample.labels["le"]: sample.value for sample in _samples(measured, "plimsoll_request_duration_seconds_bucket")
    }
    expected = {"0.001": 1, "0.0025": 3, "0.005": 3, "0.25": 3, "0.5": 4, "10.0": 4, "+Inf": 5}
    assert {limit: buckets[limit] for limit in expected} == expected
    (total,) = _samples(measured, "plimsoll_request_duration_seconds_sum")
    assert (total.labels, total.value) == (labels, pytest.approx(70.3049))


async def test_only_the_first_status_counts(measured: RequestMetrics) -> None:
    async def send(message: object) -> None: ...

    request = MeasuredRequest(measured, cast("Any", {}), "GET", cast("Any", send))
    await request.send({"type": "http.response.start", "status": 200, "headers": []})
    await request.send({"type": "http.response.body", "body": b"", "more_body": False})
    request.count(500)
    assert counted(measured) == {("unknown", "GET", "200"): 1}

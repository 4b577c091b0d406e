"""What it costs to measure a request, without a server: the same empty application with the measuring and without."""

import asyncio
from time import perf_counter
from typing import Any

from litestar.types import Message

from app.api.http.request_metrics import MeasuredRequest, RequestMetrics
from tests.benchmarks.bench import Bench
from tests.benchmarks.results import Goal, Outcome, Sample

_REQUESTS = 50_000
_START: Message = {"type": "http.response.start", "status": 200, "headers": []}
_BODY: Message = {"type": "http.response.body", "body": b"", "more_body": False}
_SCOPE: Any = {"type": "http", "method": "GET", "path_template": "/api/v1/boards/{board_id}"}


def metrics(bench: Bench) -> list[Outcome]:
    samples = [Sample(asyncio.run(cost_of_measuring())) for _ in range(bench.effort.rounds)]
    goals = [Goal(10, at_most=True)]
    return [Outcome("metrics", "Measuring a request", "µs a request", {"ours": samples}, goals)]


async def cost_of_measuring(requests: int = _REQUESTS) -> float:
    """Return by how many microseconds a request takes longer because it is measured."""
    found = RequestMetrics()
    begin = perf_counter()
    for _ in range(requests):
        await _answer(_send)
    between = perf_counter()
    for _ in range(requests):
        request = MeasuredRequest(found, _SCOPE, "GET", _send)
        try:
            await _answer(request.send)
        finally:
            request.count(0)
    end = perf_counter()
    assert found.recent.over(900).requests == requests
    return ((end - between) - (between - begin)) / requests * 1e6


async def _answer(send: Any) -> None:
    await send(_START)
    await send(_BODY)


async def _send(message: Message) -> None: ...

"""The metrics of all worker processes: each tells the others its own over a socket, whichever of them is asked.

Otherwise a scrape would show whichever worker answers it, and counters would jump from one worker's to another's.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import chain
from pathlib import Path

import msgspec
import structlog
from litestar import Litestar
from litestar.config.app import AppConfig
from litestar.plugins import InitPlugin
from prometheus_client import REGISTRY
from prometheus_client.core import Metric

from app.api.http.process_metrics import ProcessCollector
from app.api.http.recent_requests import CountedPeriod, RecentRequests
from app.api.http.request_metrics import RequestMetrics
from app.core.worker import this_worker

# Seconds within which another worker answers. One that does not is left out.
_TIMEOUT = 1.0
_LABEL = "worker"

log = structlog.stdlib.get_logger(__name__)


class _Sample(msgspec.Struct, array_like=True):
    name: str
    labels: dict[str, str]
    value: float


class _Family(msgspec.Struct, array_like=True):
    name: str
    documentation: str
    type: str
    samples: list[_Sample]


class _Report(msgspec.Struct, array_like=True):
    """What a worker tells the others of itself."""

    families: list[_Family]
    recent: list[CountedPeriod]


class WorkerMetrics(InitPlugin):
    """The metrics of this process, and those of the other workers: `request.app.plugins.get(WorkerMetrics)`."""

    def __init__(self) -> None:
        self._app: Litestar | None = None

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        app_config.lifespan.append(self._lifespan)
        return app_config

    async def collect(self) -> list[Metric]:
        """Return the metrics of all workers, each with its number as a label; without it if there is but one."""
        worker = this_worker()
        if worker is None:
            return list(self._own_metrics())
        reports = {worker.number: self._report()} | await _reports_of(worker.others())
        return list(_merge({number: report.families for number, report in sorted(reports.items())}))

    async def recent(self) -> RecentRequests:
        """Return the recent requests of all workers."""
        worker = this_worker()
        if worker is None:
            return self._requests.recent
        reports = await _reports_of(worker.others())
        return RecentRequests.merged([self._requests.recent.counted(), *(one.recent for one in reports.values())])

    @property
    def _requests(self) -> RequestMetrics:
        assert self._app is not None, "the application has started"
        return self._app.plugins.get(RequestMetrics)

    def _own_metrics(self) -> Iterable[Metric]:
        assert self._app is not None, "the application has started"
        return chain(REGISTRY.collect(), self._requests.collect(), ProcessCollector(self._app).collect())

    def _report(self) -> _Report:
        return _Report([_family(metric) for metric in self._own_metrics()], self._requests.recent.counted())

    @asynccontextmanager
    async def _lifespan(self, app: Litestar) -> AsyncIterator[None]:
        self._app = app
        async with AsyncExitStack() as stack:
            if (worker := this_worker()) is not None:
                # A worker that died has left it.
                worker.socket.unlink(missing_ok=True)
                await stack.enter_async_context(await asyncio.start_unix_server(self._answer, worker.socket))
            yield

    async def _answer(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(msgspec.msgpack.encode(self._report()))
        writer.close()


def _family(metric: Metric) -> _Family:
    samples = [_Sample(sample.name, dict(sample.labels), float(sample.value)) for sample in metric.samples]
    return _Family(metric.name, metric.documentation, metric.type, samples)


async def _reports_of(sockets: dict[int, Path]) -> dict[int, _Report]:
    """Return what the workers at these sockets say; those that do not answer are left out."""
    found = await asyncio.gather(*(_ask(number, path) for number, path in sockets.items()))
    return {number: report for number, report in zip(sockets, found, strict=True) if report is not None}


async def _ask(number: int, path: Path) -> _Report | None:
    try:
        async with asyncio.timeout(_TIMEOUT):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                return msgspec.msgpack.decode(await reader.read(), type=_Report)
            finally:
                writer.close()
    except (OSError, TimeoutError, msgspec.DecodeError) as exc:
        # It starts, stops or hangs: what Prometheus has of it ends here, and goes on when it answers again.
        log.warning("a worker does not tell its metrics", worker=number, error=type(exc).__name__)
        return None


def _merge(families: dict[int, list[_Family]]) -> Iterator[Metric]:
    """Yield each family once, with the samples of all workers."""
    merged: dict[str, Metric] = {}
    for number, found in families.items():
        for family in found:
            metric = merged.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                metric.add_sample(sample.name, {**sample.labels, _LABEL: str(number)}, sample.value)
    yield from merged.values()


class Collected:
    """Metrics that were collected, as a collector."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> list[Metric]:
        return self._metrics

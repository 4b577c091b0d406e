"""The process as Prometheus reads it: its release, its connections, statements, streams and replicas."""

from collections.abc import Iterator
from importlib.metadata import version
from platform import python_version

from litestar import Litestar
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from app import __version__
from app.api.stream_hub import StreamPlugin
from app.core.duration_histogram import DurationHistogram
from app.db.plugin import DatabasePlugin
from app.db.replicas.selection import Replicas
from app.db.statement_times import STATEMENT_TIMES
from app.postgres.pool import PoolUsage
from app.services.streams import EVENT_DELAYS

_BUILD = {"version": __version__, "python": python_version()} | {
    name: version(name) for name in ("litestar", "sqlalchemy", "asyncpg")
}


class ProcessCollector:
    """Collects the metrics of an application that has started."""

    def __init__(self, app: Litestar) -> None:
        self._database = app.plugins.get(DatabasePlugin)
        self._streams = app.plugins.get(StreamPlugin)

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("plimsoll_build", "The release that serves, and what it stands on.", _BUILD)
        yield from _pools(self._database.pool_usages())
        yield _histogram("plimsoll_statement_duration_seconds", "Time until a statement was answered.", STATEMENT_TIMES)
        yield GaugeMetricFamily("plimsoll_streams_open", "Streams that are open.", value=self._streams.open_streams)
        yield _histogram(
            "plimsoll_event_delay_seconds",
            "Time from the writing of an event until it was sent to a stream that follows live.",
            EVENT_DELAYS,
        )
        if (replicas := self._database.replicas) is not None:
            yield from _replicas(replicas)


def _pools(usages: dict[str, PoolUsage]) -> Iterator[Metric]:
    labels = ["server"]
    limit = GaugeMetricFamily("plimsoll_pool_limit", "Connections that a pool may have.", labels=labels)
    in_use = GaugeMetricFamily("plimsoll_pool_in_use", "Connections of a pool in use.", labels=labels)
    waiting = GaugeMetricFamily("plimsoll_pool_waiting", "Who waits for a connection of a pool.", labels=labels)
    waits = CounterMetricFamily("plimsoll_pool_waits", "How often a connection was waited for.", labels=labels)
    seconds = CounterMetricFamily(
        "plimsoll_pool_wait_seconds", "Time for which connections were waited for.", labels=labels
    )
    for name, usage in usages.items():
        limit.add_metric([name], usage.limit)
        in_use.add_metric([name], usage.in_use)
        waiting.add_metric([name], usage.waiting)
        waits.add_metric([name], usage.waits)
        seconds.add_metric([name], usage.wait_seconds)
    yield from (limit, in_use, waiting, waits, seconds)


def _histogram(name: str, documentation: str, found: DurationHistogram) -> Metric:
    return HistogramMetricFamily(name, documentation, buckets=found.buckets(), sum_value=found.seconds)


def _replicas(replicas: Replicas) -> Iterator[Metric]:
    read = GaugeMetricFamily("plimsoll_replica_read", "Whether a replica is read.", labels=["replica"])
    lag = GaugeMetricFamily(
        "plimsoll_replica_lag_seconds",
        "How far a replica may be behind the primary, at most; +Inf where nobody can tell.",
        labels=["replica"],
    )
    for replica in replicas.all:
        read.add_metric([replica.name], replica.fault is None)
        lag.add_metric([replica.name], replica.lag)
    yield read
    yield lag

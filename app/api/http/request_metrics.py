"""Counts every request by operation, method and status, and how long each took until its answer began.

It stands around the whole application, since sign-in, admission and routing answer requests as well. What the server
itself refuses is `plimsoll_connections_refused_total`.
"""

from collections.abc import Iterator
from http import HTTPMethod
from time import perf_counter

from litestar.plugins import InitPlugin
from litestar.types import HTTPScope, Message, Send
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from app.api.http.recent_requests import RecentRequests
from app.core.duration_histogram import DurationHistogram

# In a handler's `opt`: it is asked by the operator's machines, so that no client feels how long it takes.
PROBE = "probe"
# The operation of a request that no route takes, and the method of one that is not HTTP's.
UNKNOWN = "unknown"
# The status of a request that ended without an answer: its client went away, or the server stopped.
UNANSWERED = "none"
_SERVER_ERROR = 500
_METHODS = frozenset(HTTPMethod)
_LABELS = ("operation", "method", "status")


class _Series:
    """The count of requests with the same labels."""

    __slots__ = ("count", "durations", "is_error", "is_probe")

    def __init__(self, durations: DurationHistogram, *, is_error: bool, is_probe: bool) -> None:
        self.count = 0
        self.durations = durations
        self.is_error = is_error
        self.is_probe = is_probe


class RequestMetrics(InitPlugin):
    """The requests of this process: `request.app.plugins.get(RequestMetrics)`."""

    def __init__(self) -> None:
        self.recent = RecentRequests()
        self.in_progress = 0
        # By route template, method and status, which every request has at hand; by the labels in the other two.
        self._by_route: dict[tuple[str | None, str, int], _Series] = {}
        self._by_labels: dict[tuple[str, str, str], _Series] = {}
        self._durations: dict[tuple[str, str], DurationHistogram] = {}

    def count(self, scope: HTTPScope, method: str, status: int, seconds: float) -> None:
        """Count a request; the status is 0 where it was not answered."""
        series = self._by_route.get((scope.get("path_template"), method, status))
        if series is None:
            series = self._series_of(scope, method, status)
        series.count += 1
        series.durations.add(seconds)
        if not series.is_probe:
            self.recent.add(seconds, is_error=series.is_error)

    def _series_of(self, scope: HTTPScope, method: str, status: int) -> _Series:
        """Return the series of a route's first request with this method and status."""
        template: str | None = scope.get("path_template")
        handler = scope.get("route_handler")
        operation = getattr(handler, "operation_id", None) or template or UNKNOWN
        known_method = method if method in _METHODS else UNKNOWN
        labels = (str(operation), known_method, str(status) if status else UNANSWERED)
        if (series := self._by_labels.get(labels)) is None:
            durations = self._durations.setdefault(labels[:2], DurationHistogram())
            is_probe = handler is not None and bool(handler.opt.get(PROBE))
            series = _Series(durations, is_error=status >= _SERVER_ERROR, is_probe=is_probe)
            self._by_labels[labels] = series
        if known_method == method:
            self._by_route[template, method, status] = series
        return series

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "plimsoll_requests_in_progress", "Requests whose answer has not begun.", value=self.in_progress
        )
        requests = CounterMetricFamily("plimsoll_requests", "Requests by operation, method and status.", labels=_LABELS)
        for labels, series in self._by_labels.items():
            requests.add_metric(labels, series.count)
        yield requests
        # Always there, so that the first failure counts: of a series that has just appeared, Prometheus knows no rate.
        failed = (one.count for one in self._by_labels.values() if one.is_error and not one.is_probe)
        yield CounterMetricFamily(
            "plimsoll_requests_failed", "Requests answered with 5xx; without the probes.", value=sum(failed)
        )
        durations = HistogramMetricFamily(
            "plimsoll_request_duration_seconds", "Time until the answer of a request began.", labels=_LABELS[:2]
        )
        for names, found in self._durations.items():
            durations.add_metric(names, found.buckets(), found.seconds)
        yield durations


class MeasuredRequest:
    """One request. It is counted when its answer begins, so that a stream counts by what its reader waited for."""

    __slots__ = ("_begin", "_is_counted", "_method", "_metrics", "_scope", "_send")

    def __init__(self, metrics: RequestMetrics, scope: HTTPScope, method: str, send: Send) -> None:
        self._metrics = metrics
        self._scope = scope
        self._method = method
        self._send = send
        self._is_counted = False
        self._begin = perf_counter()
        metrics.in_progress += 1

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.count(message["status"])
        await self._send(message)

    def count(self, status: int) -> None:
        """Count the request, once: by the first status."""
        if not self._is_counted:
            self._is_counted = True
            self._metrics.in_progress -= 1
            self._metrics.count(self._scope, self._method, status, perf_counter() - self._begin)

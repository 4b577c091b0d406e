"""The tracer of this process, and the thread that sends its spans to a collector by OTLP over HTTP."""

import atexit
import logging
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.attributes.service_attributes import SERVICE_NAME, SERVICE_VERSION
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.trace.propagation import tracecontext

from app import __version__

# Seconds at the end of a process in which the last spans are sent: a collector that is away must not keep it.
_FLUSH_SECONDS = 2.0
# Characters of a path or a `User-Agent`, unless OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT says otherwise: thousands of
# spans wait in memory while the collector is away, and clients choose these texts.
_LONGEST_VALUE = 1024


class Tracing:
    """A provider of OpenTelemetry, and its tracer for this application."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._flush: threading.Thread | None = None
        self.tracer = provider.get_tracer("plimsoll", __version__)

    def flush(self) -> None:
        """Send what is not sent yet, within two seconds; after a flush that took longer, do nothing."""
        if self._flush is not None and self._flush.is_alive():
            return
        # A thread, since the SDK's own flush has no limit; a daemon, which the process does not wait for.
        self._flush = threading.Thread(target=self._provider.force_flush, daemon=True)
        self._flush.start()
        self._flush.join(_FLUSH_SECONDS)

    @contextmanager
    def span(self, name: str, attributes: dict[str, Any]) -> Iterator[Span]:
        """Open a span within this context. An error is recorded by its type alone: its text may hold values."""
        with self.tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield span
            except BaseException as exc:
                set_error(span, exc)
                raise


def set_error(span: Span, exc: BaseException) -> None:
    """Record the type of an error in the span."""
    kind = type(exc)
    span.set_attribute(ERROR_TYPE, f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."))
    span.set_status(Status(StatusCode.ERROR))


@cache
def process_tracing() -> Tracing:
    """Return the tracing of this process, which sends what is left when the process ends."""
    named = OTELResourceDetector().detect().attributes
    resource = Resource.create({SERVICE_NAME: "plimsoll", SERVICE_VERSION: __version__, **named})
    # The sampler is that of OTEL_TRACES_SAMPLER; the queue and its delay are those of OTEL_BSP_….
    _keep_secrets_out_of_logs()
    _say_nothing_of_headers()
    limits = SpanLimits()
    if limits.max_span_attribute_length is None:
        limits = SpanLimits(max_span_attribute_length=_LONGEST_VALUE)
    provider = TracerProvider(resource=resource, shutdown_on_exit=False, span_limits=limits)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracing = Tracing(provider)
    atexit.register(tracing.flush)
    return tracing


def _keep_secrets_out_of_logs() -> None:
    """Hide what OpenTelemetry would log of a collector's URL, which may hold a token, and of the headers for it."""
    # Both are idempotent: a logger has a filter once.
    logging.getLogger("opentelemetry.util.re").addFilter(_hide_values)
    logging.getLogger(OTLPSpanExporter.__module__).addFilter(_name_errors)


def _say_nothing_of_headers() -> None:
    """Log no warning of a wrong `traceparent` or `tracestate`: any client could fill the log with its text."""
    for module in (trace.span, tracecontext):
        logging.getLogger(module.__name__).setLevel(logging.ERROR)


def _hide_values(record: logging.LogRecord) -> bool:
    record.args = ("(not shown)",)
    return True


def _name_errors(record: logging.LogRecord) -> bool:
    if isinstance(record.args, tuple):
        record.args = tuple(type(arg).__name__ if isinstance(arg, BaseException) else arg for arg in record.args)
    return True


def add_trace_ids(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add the ids of the current span to what is logged within it; a processor of structlog."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = trace.format_trace_id(context.trace_id)
        event["span_id"] = trace.format_span_id(context.span_id)
    return event

"""The spans of this process in memory, and a collector that receives those of another one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.core.tracing.provider import Tracing
from tests.support.waiting import PATIENCE

_EXPORTER = InMemorySpanExporter()
_PROVIDER = TracerProvider(shutdown_on_exit=False)
_PROVIDER.add_span_processor(SimpleSpanProcessor(_EXPORTER))
# In place of `process_tracing()`.
IN_MEMORY = Tracing(_PROVIDER)


class Spans:
    """The spans that have ended since this was made."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        _EXPORTER.clear()

    def all(self) -> list[ReadableSpan]:
        return list(_EXPORTER.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.all() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        (found,) = self.named(name)
        return found

    def below(self, parent: ReadableSpan) -> list[ReadableSpan]:
        """Return the children in the order in which they began."""
        assert parent.context is not None
        wanted = parent.context.span_id
        found = [one for one in self.all() if one.parent and one.parent.span_id == wanted]
        return sorted(found, key=lambda span: span.start_time or 0)

    @property
    def as_text(self) -> str:
        return "\n".join(span.to_json() for span in self.all())


class Collector:
    """What a collector has received by OTLP over HTTP, of all processes that know its URL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[ExportTraceServiceRequest] = []
        self.received = threading.Condition()

    def spans(self) -> list[Span]:
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def wait_for(self, name: str) -> Span:
        """Return the first span of this name, once there is one."""
        with self.received:
            self.received.wait_for(lambda: name in {span.name for span in self.spans()}, PATIENCE)
        return next(span for span in self.spans() if span.name == name)

    def resource(self) -> dict[str, str]:
        """Return what the first request says about the process that sent it."""
        found = self.requests[0].resource_spans[0].resource.attributes
        return {one.key: one.value.string_value for one in found}


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on the loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            assert self.path == "/v1/traces"
            with collector.received:
                collector.requests.append(ExportTraceServiceRequest.FromString(body))
                collector.received.notify_all()
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield collector
        server.shutdown()
        thread.join()

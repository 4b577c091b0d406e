"""Spans of statements by OpenTelemetry, for SQLAlchemy's and for those that are handed to the driver.

A span has a summary of its statement (`SELECT tasks`): neither the text, which may hold values, nor the parameters.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

from opentelemetry.semconv.attributes import db_attributes as db
from opentelemetry.semconv.attributes.server_attributes import SERVER_ADDRESS, SERVER_PORT
from opentelemetry.trace import Span, SpanKind, get_current_span
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.tracing.provider import Tracing, set_error
from app.db.request.prepared import STATEMENT_SPANS
from app.postgres.errors import sqlstate_of
from app.postgres.url.database_url import DatabaseURL

_LITERAL = re.compile(r"'(?:[^']|'')*'|--[^\n]*")
_OPERATION = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_FIRST_WORD = re.compile(r"\s*(\w+)")
_TABLE = re.compile(r'\b(?:FROM|INTO|UPDATE)\s+(?:ONLY\s+)?"?([a-z_][\w.]*)', re.IGNORECASE)
_SPAN = "_plimsoll_span"


class Summary(NamedTuple):
    """The operation of a statement, and the first table that it names, if it names one."""

    operation: str
    table: str | None

    def __str__(self) -> str:
        return f"{self.operation} {self.table}" if self.table else self.operation


@lru_cache(maxsize=1024)
def summarize(sql: str) -> Summary:
    """Return the summary of a statement; for one with several parts, that of the first part."""
    bare = _LITERAL.sub("", sql)
    found = _OPERATION.search(bare) or _FIRST_WORD.match(bare)
    if found is None:
        return Summary("", None)
    table = _TABLE.search(bare, found.start())
    return Summary(found[1].upper(), table[1] if table else None)


class StatementSpans:
    """The spans of one engine's statements. A statement outside of a span that is sampled has none."""

    def __init__(self, tracing: Tracing, url: DatabaseURL) -> None:
        self._tracer = tracing.tracer
        self._common: dict[str, Any] = {db.DB_SYSTEM_NAME: db.DbSystemNameValues.POSTGRESQL.value}
        if url.database is not None:
            self._common[db.DB_NAMESPACE] = url.database
        if url.hosts:
            self._common[SERVER_ADDRESS] = url.hosts[0].name
            if not url.hosts[0].is_socket:
                self._common[SERVER_PORT] = url.port

    def observe(self, engine: AsyncEngine) -> None:
        """Have each statement of the engine recorded."""
        engine.sync_engine.update_execution_options(**{STATEMENT_SPANS: self})
        event.listen(engine.sync_engine, "before_cursor_execute", self._before)
        event.listen(engine.sync_engine, "after_cursor_execute", self._after)
        event.listen(engine.sync_engine, "handle_error", self._failed)

    @contextmanager
    def span(self, sql: str) -> Iterator[None]:
        """Record what runs in this context as the statement."""
        span = self._start(sql)
        try:
            yield
        except BaseException as exc:
            _end(span, exc)
            raise
        _end(span)

    def _start(self, sql: str) -> Span | None:
        if not get_current_span().is_recording():
            return None
        summary = summarize(sql)
        attributes = {
            **self._common,
            db.DB_OPERATION_NAME: summary.operation,
            db.DB_QUERY_SUMMARY: str(summary),
        }
        if summary.table:
            attributes[db.DB_COLLECTION_NAME] = summary.table
        return self._tracer.start_span(str(summary) or "statement", kind=SpanKind.CLIENT, attributes=attributes)

    def _before(self, *args: Any) -> None:  # noqa: ANN401 - SQLAlchemy's: connection, cursor, SQL, values, context, …
        setattr(args[4], _SPAN, self._start(args[2]))

    def _after(self, *args: Any) -> None:  # noqa: ANN401 - as above
        _end(getattr(args[4], _SPAN, None))

    def _failed(self, failure: ExceptionContext) -> None:
        _end(getattr(failure.execution_context, _SPAN, None), failure.original_exception)


def _end(span: Span | None, exc: BaseException | None = None) -> None:
    if span is None:
        return
    if exc is not None:
        set_error(span, exc)
        if (state := sqlstate_of(exc)) is not None:
            span.set_attribute(db.DB_RESPONSE_STATUS_CODE, state)
    span.end()

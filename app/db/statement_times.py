"""How long the statements of this process take: SQLAlchemy's by its events; `request/prepared.py` measures its own."""

from time import perf_counter
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.duration_histogram import DurationHistogram

STATEMENT_TIMES = DurationHistogram()


def measure_statements(engine: AsyncEngine) -> None:
    """Measure the statements that SQLAlchemy sends, those that fail included."""
    event.listen(engine.sync_engine, "before_cursor_execute", _begin)
    event.listen(engine.sync_engine, "after_cursor_execute", _end)
    event.listen(engine.sync_engine, "handle_error", _on_error)


def _begin(connection: Any, cursor: Any, sql: str, parameters: Any, context: Any, many: bool) -> None:  # noqa: ANN401, ARG001 - SQLAlchemy's
    context.began_at = perf_counter()


def _end(connection: Any, cursor: Any, sql: str, parameters: Any, context: Any, many: bool) -> None:  # noqa: ANN401, ARG001 - SQLAlchemy's
    STATEMENT_TIMES.add(perf_counter() - context.began_at)


def _on_error(failure: ExceptionContext) -> None:
    began_at = getattr(failure.execution_context, "began_at", None)
    if began_at is not None:
        STATEMENT_TIMES.add(perf_counter() - began_at)

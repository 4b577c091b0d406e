"""Structured logging: one line per event on standard error, with the request id. Readable in dev, JSON elsewhere.

No SQL, statement parameter, URL query or driver's detail reaches a log. An exception is logged with its type, its text
and the places that it passed, without source lines. If its text may hold SQL, only the SQLSTATE is logged.
"""

import logging
import os
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog

from app.core.settings import LogFormat, Settings
from app.core.tracing import trace_processors

_SQL_CARRIERS = ("sqlalchemy.", "asyncpg.", "psycopg.", "advanced_alchemy.")
_HANDLER_NAME = "plimsoll"


class _StandardError(logging.Handler):
    """A handler that looks up standard error for each record: it may be replaced after logging was configured."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:  # noqa: BLE001 - logging must not fail what it reports on
            self.handleError(record)


class _WithoutQuery(logging.Filter):
    """A filter that removes the query from uvicorn's access records: a webhook's sender may put a secret there."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(arg.partition("?")[0] if isinstance(arg, str) else arg for arg in record.args)
        return True


class _WithoutStart(logging.Filter):
    """A filter that removes what uvicorn says while it starts, so that the banner is the last that people see."""

    _LEFT_OUT = ("Started server process", "Waiting for application startup", "Application startup complete")

    def filter(self, record: logging.LogRecord) -> bool:
        return not record.msg.startswith(self._LEFT_OUT)


def configure_logging(settings: Settings) -> None:
    """Send structlog's and the standard library's records through one handler; calling it again replaces it."""
    is_brief = settings.logs_briefly
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        *trace_processors(settings),
        *([] if is_brief else [structlog.stdlib.add_logger_name]),
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if is_brief else "iso", utc=not is_brief),
        _describe_exception,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = _StandardError()
    handler.set_name(_HANDLER_NAME)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(settings.log_format),
            ],
        )
    )
    # For a record that cannot be written, logging would print a traceback with everything that the record holds.
    logging.raiseExceptions = False
    root = logging.getLogger()
    root.handlers = [kept for kept in root.handlers if kept.get_name() != _HANDLER_NAME] + [handler]
    root.setLevel(settings.log_level)
    _configure_libraries(settings)


def _configure_libraries(settings: Settings) -> None:
    """Send the records of libraries through the same handler, and leave out what nobody needs."""
    access = logging.getLogger("uvicorn.access")
    access.filters = [kept for kept in access.filters if not isinstance(kept, _WithoutQuery)] + [_WithoutQuery()]
    # uvicorn installs handlers of its own. They are removed, so that its records reach ours.
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate, logger.level = [], True, logging.NOTSET
    server = logging.getLogger("uvicorn.error")
    server.filters = [kept for kept in server.filters if not isinstance(kept, _WithoutStart)]
    if settings.logs_briefly:
        server.addFilter(_WithoutStart())
    # Without a handler uvicorn makes no access records at all, which saves an eighth of the work of a small request.
    access.propagate = settings.log_requests
    # The migration engine logs its own events.
    logging.getLogger("alembic.runtime").setLevel(logging.WARNING)
    # SQLAlchemy logs our pool's events under our class's name. Its own loggers are at WARNING, too.
    logging.getLogger("app.postgres.pool").setLevel(logging.WARNING)


def _renderer(log_format: LogFormat) -> structlog.types.Processor:
    if log_format is LogFormat.JSON:
        return structlog.processors.JSONRenderer()
    colors = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    return structlog.dev.ConsoleRenderer(
        colors=colors, pad_level=False, exception_formatter=structlog.dev.plain_traceback
    )


def _describe_exception(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    info = event.pop("exc_info", None)
    if not info:
        return event
    if info is True:
        info = sys.exc_info()
    exc = info if isinstance(info, BaseException) else info[1]
    if exc is not None:
        event["exception"] = "\n".join(_lines(exc))
    return event


def _lines(exc: BaseException) -> list[str]:
    lines: list[str] = []
    seen: set[int] = set()
    current: BaseException | None = exc
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = traceback.extract_tb(current.__traceback__)
        lines.append(_summary(current))
        lines.extend(f"  at {frame.filename}:{frame.lineno} in {frame.name}" for frame in reversed(frames))
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        if current is not None:
            lines.append("caused by")
    return lines


def _summary(exc: BaseException) -> str:
    kind = type(exc)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    if name.startswith(_SQL_CARRIERS):
        state = getattr(exc, "sqlstate", None) or getattr(getattr(exc, "orig", None), "sqlstate", None)
        return f"{name} (SQLSTATE {state})" if state else name
    return f"{name}: {exc}"

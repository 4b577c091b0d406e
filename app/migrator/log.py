"""The engine's log where the program has configured none."""

from collections.abc import MutableMapping
from typing import Any

import structlog


def log_through_logging() -> None:
    """Hand what the engine logs to the standard library's `logging`, unless structlog is configured already.

    structlog itself would print on standard output, which is for data.
    """
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, _render],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def _render(_: object, __: str, event: MutableMapping[str, Any]) -> str:
    words = str(event.pop("event"))
    values = ", ".join(f"{name}: {value}" for name, value in event.items())
    return f"{words} ({values})" if values else words

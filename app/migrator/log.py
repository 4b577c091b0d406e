"""The engine's log where the program has configured none."""

import structlog


def log_through_logging() -> None:
    """Hand what the engine logs to the standard library's `logging`, unless structlog is configured already.

    structlog itself would print on standard output, which is for data.
    """
    if structlog.is_configured():
        return
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.processors.KeyValueRenderer(key_order=["event"])],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )

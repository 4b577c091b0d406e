"""What a start says of its migrations where people read the log: one line, in place of one for each step.

LOG_LEVEL=debug, and programs that read JSON, still have a line for each.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import structlog

from app.core.settings import Settings
from app.core.slow_work import tell_when_slow
from app.migrator.config import MigratorConfig
from app.migrator.spans import APPLY_REVISION, MAKE_PARTITIONS, Attributes, OpenSpan

# The loggers of the engine that have an INFO line for each step.
_DETAILED = ("app.migrator.execution.executor", "app.migrator.partitions.maintenance")
log = structlog.stdlib.get_logger(__name__)


@contextmanager
def progress_told(settings: Settings, config: MigratorConfig) -> Iterator[MigratorConfig]:
    """Yield the configuration with which to migrate; tell of slow migrations, and at the end what was done."""
    if not settings.logs_briefly:
        yield config
        return
    progress = _Progress(config.open_span)
    with _without_details(), tell_when_slow(progress.tell):
        try:
            yield replace(config, open_span=progress.open_span)
        finally:
            progress.tell_done()


@contextmanager
def _without_details() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _DETAILED]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


class _Progress:
    """Counts what the engine has done, by its spans, which `open_span` opens all the same."""

    def __init__(self, open_span: OpenSpan) -> None:
        self._open_span = open_span
        self._revisions = 0
        self._partitions = 0
        self._current: str | None = None
        self._began = time.monotonic()

    @contextmanager
    def open_span(self, name: str, attributes: Attributes) -> Iterator[Attributes]:
        if name == APPLY_REVISION:
            self._current = str(attributes["revision"])
        with self._open_span(name, attributes) as known:
            yield known
        if name == APPLY_REVISION:
            self._revisions += 1
            self._current = None
        elif name == MAKE_PARTITIONS:
            self._partitions += int(known["partitions"])

    def tell(self) -> None:
        if self._current is None:
            log.info("waiting for the database")
        else:
            log.info("migrating", revision=self._current, applied=self._revisions)

    def tell_done(self) -> None:
        counted = (("applied", self._revisions, "revision"), ("made", self._partitions, "partition"))
        done = [f"{verb} {number} {noun}{'s' * (number != 1)}" for verb, number, noun in counted if number]
        if done:
            summary = f"{', '.join(done)} in {time.monotonic() - self._began:.1f} s"
            log.info(summary)

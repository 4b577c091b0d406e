"""The progress of `litestar demo seed`: a bar on a terminal, otherwise a log line every few seconds."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_LOG_SECONDS = 5.0
Report = Callable[[int], None]

log = structlog.stdlib.get_logger(__name__)


@contextmanager
def progress_report(tasks: int, *, as_json: bool) -> Iterator[Report]:
    """Yield a function that is called with the number of tasks written so far."""
    if as_json or not sys.stderr.isatty():
        yield _log_progress(tasks)
        return
    columns = (TextColumn("Tasks"), BarColumn(), TaskProgressColumn(show_speed=True), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TextColumn("left:"), TimeRemainingColumn())
    with Progress(*columns, *times, console=Console(stderr=True)) as bars:
        bar = bars.add_task("Tasks", total=tasks)
        yield lambda written: bars.update(bar, completed=written)


def _log_progress(tasks: int) -> Report:
    began = last = time.monotonic()

    def report(written: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _LOG_SECONDS:
            last = now
            log.info(
                "the demo is being written", tasks=written, of=tasks, tasks_per_second=round(written / (now - began))
            )

    return report

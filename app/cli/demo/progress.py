"""The progress of `litestar demo seed`: a bar on a terminal, otherwise a log line every few seconds."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from rich import progress
from rich.console import Console

_LOG_SECONDS = 5.0
Report = Callable[[int], None]

log = structlog.stdlib.get_logger(__name__)


@contextmanager
def progress_report(tasks: int, *, as_json: bool) -> Iterator[Report]:
    """Yield a function that is called with the number of tasks written so far."""
    if as_json or not sys.stderr.isatty():
        yield _log_progress(tasks)
        return
    columns = (
        progress.TextColumn("Tasks"),
        progress.BarColumn(),
        progress.TaskProgressColumn(show_speed=True),
        progress.MofNCompleteColumn(),
    )
    times = (progress.TimeElapsedColumn(), progress.TextColumn("left:"), progress.TimeRemainingColumn())
    with progress.Progress(*columns, *times, console=Console(stderr=True)) as bars:
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

"""The progress of a command that writes much: a bar on a terminal, otherwise a log line every few seconds."""

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
def progress_report(what: str, total: int, *, as_json: bool) -> Iterator[Report]:
    """Yield a function that is called with the number of tasks, or what it is, that are written so far."""
    if as_json or not sys.stderr.isatty():
        yield _log_progress(what, total)
        return
    columns = (
        progress.TextColumn(what.capitalize()),
        progress.BarColumn(),
        progress.TaskProgressColumn(show_speed=True),
        progress.MofNCompleteColumn(),
    )
    times = (progress.TimeElapsedColumn(), progress.TextColumn("left:"), progress.TimeRemainingColumn())
    with progress.Progress(*columns, *times, console=Console(stderr=True)) as bars:
        bar = bars.add_task(what, total=total)
        yield lambda written: bars.update(bar, completed=written)


def _log_progress(what: str, total: int) -> Report:
    began = last = time.monotonic()

    def report(written: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _LOG_SECONDS:
            last = now
            rate = round(written / (now - began))
            log.info("data is being written", **{what: written, "of": total, f"{what}_per_second": rate})

    return report

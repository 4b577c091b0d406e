"""Show the progress of a backfill: a bar on a terminal, else a log line now and then, or lines of JSON."""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import msgspec
import structlog
from rich.console import Console
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from ..backfill.executor import Report
from ..backfill.progress import Progress
from ..revisions.history import Outcome

_JSON_SECONDS = 1.0
_LOG_SECONDS = 5.0

log = structlog.stdlib.get_logger(__name__)


def report_progress(as_json: bool) -> AbstractContextManager[Report]:
    """Return a context manager that yields the function to call with each batch's progress."""
    if as_json:
        return _throttle(_write_json, _JSON_SECONDS)
    return _bars() if sys.stderr.isatty() else _throttle(_log, _LOG_SECONDS)


@contextmanager
def _throttle(tell: Report, seconds: float) -> Iterator[Report]:
    last = time.monotonic()

    def report(progress: Progress) -> None:
        nonlocal last
        now = time.monotonic()
        if progress.outcome is not Outcome.RUNNING or now - last >= seconds:
            last = now
            tell(progress)

    yield report


def _write_json(progress: Progress) -> None:
    sys.stdout.write(msgspec.json.encode(progress).decode() + "\n")
    sys.stdout.flush()


def _log(progress: Progress) -> None:
    # The backfill itself logs its end.
    if progress.outcome is Outcome.RUNNING:
        log.info(
            "a backfill is running",
            backfill=progress.name,
            rows=progress.rows_seen,
            of=progress.total,
            rows_per_second=progress.rows_per_second,
            seconds_left=progress.seconds_left,
        )


@contextmanager
def _bars() -> Iterator[Report]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.completed:,} {task.fields[of]}"),
        TextColumn("{task.fields[speed]:,.0f} rows/s"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    # Log lines go above the bar: rich takes standard error over for as long as it is shown.
    with Bars(*columns, console=Console(stderr=True)) as bars:
        tasks: dict[str, TaskID] = {}

        def report(progress: Progress) -> None:
            left = "" if progress.seconds_left is None else f"{_clock(progress.seconds_left)} left"
            if progress.name not in tasks:
                tasks[progress.name] = bars.add_task(progress.name, total=progress.total, of="", speed=0.0, left="")
            bars.update(
                tasks[progress.name],
                completed=progress.rows_seen,
                total=bar_length(progress),
                of=_describe_rows(progress),
                speed=progress.rows_per_second,
                left=left,
            )

        yield report


def bar_length(progress: Progress) -> float:
    """Return the length at which the bar is full only at the end, however low the estimate was."""
    return progress.total if progress.outcome is Outcome.DONE else max(progress.total, progress.rows_seen / 0.99)


def _describe_rows(progress: Progress) -> str:
    if progress.outcome is Outcome.DONE:
        return f"of {progress.total:,} rows"
    return f"of about {progress.total:,} rows" if progress.rows_seen < progress.total else "rows, more than estimated"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"

"""A progress bar for a person at a terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from ..backup import manifest


@contextmanager
def show_progress(as_json: bool) -> Iterator[manifest.Report]:
    """Yield a function that shows a bar for each step on standard error; it does nothing if that is no terminal."""
    if as_json or not sys.stderr.isatty():
        yield manifest.silent
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[detail]}"), console=Console(stderr=True)) as bars:
        steps = {}

        def report(progress: manifest.BackupProgress) -> None:
            step = progress.step
            if step not in steps:
                steps[step] = bars.add_task(step, detail="")
            # A step with nothing to do is complete; rich would show 0 %.
            done, total = (progress.done, progress.total) if progress.total else (1, 1)
            bars.update(steps[step], completed=done, total=total, detail=progress.detail)

        yield report

"""`uv run python -m tests.mutation`"""

import sys
import time
from pathlib import Path

import click

from tests.mutation.record import Record, RecordError, record
from tests.mutation.run import SURVIVORS, BrokenTestsError, Options, Result, run_mutants, write_survivors
from tests.support.processes import ROOT


@click.group()
def main() -> None:
    """Puts small faults into the code, one at a time, and lists those that no test notices."""


@main.command("record", context_settings={"ignore_unknown_options": True})
@click.option("--add", is_flag=True, help="Keep what was recorded of other tests.")
@click.option("--of", multiple=True, help="A module or a directory to record, others are not; for several, once each.")
@click.argument("pytest_arguments", nargs=-1, type=click.UNPROCESSED)
def _record(add: bool, of: tuple[str, ...], pytest_arguments: tuple[str, ...]) -> None:
    """Records which tests run which lines: the whole suite, or what pytest's arguments name. Takes several minutes."""
    sys.exit(record(pytest_arguments, of, add=add))


@main.command("run")
@click.option("--minutes", default=30.0, show_default=True, help="Stop after that; the next run goes on.")
@click.option("--budget", default=30.0, show_default=True, help="Seconds of tests for each fault, the quickest first.")
@click.option("--tests", multiple=True, help="Tests to run beside those recorded; may be given several times.")
@click.option("--again", is_flag=True, help="Take the faults that have survived, and no others.")
@click.argument("modules", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def _run(minutes: float, budget: float, tests: tuple[str, ...], again: bool, modules: tuple[Path, ...]) -> None:
    """Puts the faults into the modules, or into all those of a directory, and writes those that survive to a file."""
    files = [file for module in modules for file in (sorted(module.rglob("*.py")) if module.is_dir() else [module])]
    paths = [str(file.resolve().relative_to(ROOT)) for file in files]
    options = Options(until=time.monotonic() + 60 * minutes, budget=budget, tests=tests, survivors=again)
    try:
        run_mutants(paths, Record.load(), options, _tell)
    finally:
        alive = write_survivors()
    click.echo(f"{alive} survivors: {SURVIVORS.relative_to(ROOT)}")


def _tell(result: Result) -> None:
    click.echo(f"{result.outcome:9} {result.key}" + (f"  [{result.by}]" if result.by else ""))


if __name__ == "__main__":
    try:
        main()
    except (RecordError, BrokenTestsError) as exc:
        sys.exit(str(exc))

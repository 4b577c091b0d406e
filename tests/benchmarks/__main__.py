"""`uv run python -m tests.benchmarks`"""

import json
import signal
import subprocess
import sys
from collections.abc import Callable

import click
import httpx
from rich.console import Console

from app.core.logging import configure_logging
from app.core.settings import Settings
from tests.benchmarks import growth, memory, metrics, mix, overload, pooled, requests, revisions, starting, streams
from tests.benchmarks.bench import Bench, Effort, opened
from tests.benchmarks.load import FailedRequestsError
from tests.benchmarks.results import Outcome
from tests.benchmarks.table import as_table

# Each gives one row of the table or several.
ROWS: dict[str, Callable[[Bench], list[Outcome]]] = {
    "board": requests.get_board,
    "list": requests.list_tasks,
    "create": requests.create_task,
    "update": requests.update_task,
    "mix": mix.mix,
    "depth": growth.deep_page,
    "grown": growth.grown,
    "pgbouncer": pooled.pgbouncer,
    "streams": streams.streams,
    "overload": overload.overload,
    "start": starting.start,
    "upgrade": starting.upgrade,
    "revisions": revisions.many_revisions,
    "lint": revisions.linted,
    "memory": memory.memory,
    "metrics": metrics.metrics,
}


@click.command()
@click.option(
    "--only", "names", multiple=True, type=click.Choice([*ROWS]), help="This row; may be given several times."
)
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="Turns of each contestant.")
@click.option("--seconds", default=3.0, show_default=True, help="Length of a turn.")
@click.option("--quick", is_flag=True, help="Three rounds of two seconds, for a look while working.")
@click.option("--large", is_flag=True, help="With 10,000,000 tasks where a row is about size: takes long.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def main(names: tuple[str, ...], rounds: int, seconds: float, quick: bool, large: bool, as_json: bool) -> None:
    """Measures the service against small programs that do the same work with less in between, in turns.

    Exits with 1 where a goal is not met.
    """
    effort = Effort(rounds, seconds, large=large)
    if quick:
        effort = effort._replace(rounds=3, seconds=2.0, requests=2_000)
    configure_logging(Settings(log_level="WARNING"))
    # What was started is ended then, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    outcomes: list[Outcome] = []
    console = Console(stderr=as_json, width=None if sys.stdout.isatty() else 140)
    with opened(effort) as bench:
        for name in names or ROWS:
            with console.status(name):
                outcomes += _measured(name, bench)
    if as_json:
        click.echo(json.dumps([outcome.as_json() for outcome in outcomes], indent=2, ensure_ascii=False))
    else:
        console.print(as_table(outcomes))
    sys.exit(not all(outcome.is_met for outcome in outcomes))


def _measured(name: str, bench: Bench) -> list[Outcome]:
    """What stands in the way of one row does not take the others."""
    try:
        return ROWS[name](bench)
    except (FailedRequestsError, RuntimeError, subprocess.SubprocessError, httpx.HTTPError) as exc:
        return [Outcome(name, "It could not be measured", "nothing", {}, note=f"{type(exc).__name__}: {exc}")]


if __name__ == "__main__":
    main()

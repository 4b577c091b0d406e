"""`uv run python -m tests.benchmarks`"""

import json
import sys
from collections.abc import Callable

import click
from rich.console import Console

from app.core.config import Settings
from app.core.logging import configure_logging
from tests.benchmarks import growth, memory, requests, revisions, starting, streams
from tests.benchmarks.bench import Bench, Effort, opened
from tests.benchmarks.results import Outcome
from tests.benchmarks.servers import SERVERS
from tests.benchmarks.table import as_table

# Each gives one row of the table or several.
ROWS: dict[str, Callable[[Bench], list[Outcome]]] = {
    "board": requests.get_board,
    "list": requests.list_tasks,
    "create": requests.create_task,
    "update": requests.update_task,
    "depth": growth.deep_page,
    "grown": growth.grown,
    "streams": streams.streams,
    "start": starting.start,
    "upgrade": starting.upgrade,
    "revisions": revisions.many_revisions,
    "memory": memory.memory,
}


@click.command()
@click.option(
    "--only", "names", multiple=True, type=click.Choice([*ROWS]), help="This row; may be given several times."
)
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1), help="Turns of each contestant.")
@click.option("--seconds", default=3.0, show_default=True, help="Length of a turn.")
@click.option("--quick", is_flag=True, help="Three rounds of two seconds, for a look while working.")
@click.option("--large", is_flag=True, help="With 10,000,000 tasks where a row is about size: takes long.")
@click.option("--server", default="litestar", show_default=True, type=click.Choice([*SERVERS]), help="Who serves all.")
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def main(
    names: tuple[str, ...], rounds: int, seconds: float, quick: bool, large: bool, server: str, as_json: bool
) -> None:
    """Measures the service against small programs that do the same work with less in between, in turns.

    Exits with 1 where a goal is not met.
    """
    effort = Effort(rounds, seconds, large=large)
    if quick:
        effort = effort._replace(rounds=3, seconds=2.0, requests=10_000)
    configure_logging(Settings(log_level="WARNING"))
    outcomes: list[Outcome] = []
    console = Console(stderr=as_json, width=None if sys.stdout.isatty() else 140)
    with opened(effort, server) as bench:
        for name in names or ROWS:
            with console.status(name):
                outcomes += ROWS[name](bench)
    if as_json:
        click.echo(json.dumps([outcome.as_json() for outcome in outcomes], indent=2, ensure_ascii=False))
    else:
        console.print(as_table(outcomes))
    sys.exit(not all(outcome.is_met for outcome in outcomes))


if __name__ == "__main__":
    main()

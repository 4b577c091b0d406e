"""The command `backfill`."""

from collections.abc import Iterable

import rich_click as click
from rich.table import Table

from ..backfill.control import pause, resume, retry
from ..backfill.definition import MOST_ROWS
from ..backfill.runs import run
from ..backfill.status import BackfillState, BackfillStatus, read_backfills
from ..backfill.throttle import Throttle
from ..backfill.watcher import watch
from ..config import MigratorConfig
from .backfill_progress import report_progress
from .options import as_json, current_config
from .rows import print_json, print_rows

_CONTROLS = {"pause": pause, "resume": resume, "retry": retry}
_COLOURS = {BackfillState.DONE: "green", BackfillState.NOT_NEEDED: "green", BackfillState.FAILED: "red"}


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "every", is_flag=True, help="Run every backfill whose revision is applied and that is not done.")
@click.option(
    "--batch-size", type=click.IntRange(1, MOST_ROWS), help="Rows of one transaction. Default: what its file says."
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0),
    help="Rows per second at most; 0: no rest between batches. Default: a rest as long as the batch took.",
)
@click.option("--watch", "watches", is_flag=True, help="Run what is due, and wait for more, until SIGTERM.")
@click.option("--pause", "control", flag_value="pause", help="Have every process stop NAME after the batch under way.")
@click.option("--resume", "control", flag_value="resume", help="Let NAME, which is paused, run again; starts nothing.")
@click.option("--retry", "control", flag_value="retry", help="Let --watch run NAME again, which has failed.")
@as_json
def backfill(
    names: tuple[str, ...],
    every: bool,
    batch_size: int | None,
    rate: float | None,
    watches: bool,
    control: str | None,
    as_json: bool,
) -> None:
    """Run the backfills NAME, one after the other; without a NAME, show where each stands.

    A backfill changes the rows of a table in small batches, beside the traffic. It can be interrupted (Ctrl-C) and
    killed, and started from two places: the same command goes on where it was, and does no row twice. If one fails, the
    others run. With --json a line of JSON about once a second, and one at the end of each. What --pause, --resume and
    --retry say is kept in the database, and every process obeys it.

    Exit codes: 0 every one that was asked for is done, or --watch was stopped by a signal; 1 one waits for its revision
    or is paused; 2 a wrong setting or option, or a name that is not known; 3 one failed; 4 the database cannot be
    reached; 130 or 143 interrupted.
    """
    if bool(names) + every + watches > 1:
        raise click.UsageError("Give names, or --all, or --watch.")
    if control and not names:
        raise click.UsageError(f"--{control} needs a NAME.")
    config = current_config()
    if control:
        _CONTROLS[control](config, names)
        return
    if not names and not every and not watches:
        _list(config, as_json)
        return
    with report_progress(as_json) as report:
        throttle = Throttle(batch_size, rate)
        if watches:
            watch(config, throttle, report)
        else:
            run(config, names or None, throttle, report)


def _list(config: MigratorConfig, as_json: bool) -> None:
    found = read_backfills(config)
    if as_json:
        print_json(found)
    elif found:
        print_backfills(found)
    else:
        click.echo("This release has no backfill (migrations/backfills/).")


def print_backfills(found: Iterable[BackfillStatus]) -> None:
    """Print a row for each backfill."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("state", "name", "rows", "changed", "last batch (UTC)", "after", "required by", "what"):
        table.add_column(title, justify="right" if title in {"rows", "changed"} else "left")
    for row in found:
        table.add_row(*_cells(row), style=_COLOURS.get(row.state, "yellow"))
    print_rows(table)


def _cells(row: BackfillStatus) -> tuple[str, ...]:
    return (
        row.state,
        row.name,
        "" if row.rows_seen is None else f"{row.rows_seen:,} of {row.total:,}",
        "" if row.rows_changed is None else f"{row.rows_changed:,}",
        f"{row.last_batch_at:%Y-%m-%d %H:%M:%S}" if row.last_batch_at else "",
        row.after,
        ", ".join(row.required_by),
        row.error or row.description,
    )

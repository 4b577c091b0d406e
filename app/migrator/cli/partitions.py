"""The command `partitions`."""

import sys

import msgspec
import rich_click as click
from rich.table import Table

from ..command_names import command
from ..partitions.maintenance import Partitioning, maintain, preview_maintenance
from ..partitions.state import Action, KeptLonger, Partition, PartitionState, PartitionStep
from ..partitions.tables import is_partitioned
from ..units import Months
from .options import as_json, current_config
from .rows import print_json, print_rows, row_console

_WORDS = {
    PartitionStep.MAKE: "a partition for what comes",
    PartitionStep.SPLIT: "partitions for what the default holds",
    PartitionStep.DROP: "older than is kept",
}


class PartitionedTable(msgspec.Struct, frozen=True, kw_only=True):
    """A table with its partitions; `keep_months` is null if every row is kept, `default` the default partition."""

    table: str
    keep_months: Months | None
    default: str | None
    partitions: tuple[Partition, ...]


class PartitionReport(msgspec.Struct, frozen=True, kw_only=True):
    """What there is, what this run has done, and what is left to be done; `left` has also what only `--drop` does."""

    database: str
    tables: tuple[PartitionedTable, ...]
    done: tuple[Action, ...]
    left: tuple[Action, ...]
    kept_longer: tuple[KeptLonger, ...]


@click.command()
@click.option("--apply", is_flag=True, help="Make the partitions to come, and split what the default partition holds.")
@click.option("--drop", is_flag=True, help="With --apply: drop the partitions that are older than is kept.")
@click.option(
    "--keep-months",
    type=click.IntRange(1, 1200),
    help="Months before this one that are kept, of each table. Default: what the settings say of it.",
)
@as_json
def partitions(apply: bool, drop: bool, keep_months: int | None, as_json: bool) -> None:
    """Show the monthly partitions of the tables that only grow, and what is to be done; changes nothing.

    With --apply it is done, but for what would be dropped: that takes --drop, too. It can be started from everywhere at
    once, and killed at any moment: the next run goes on.

    Exit codes: 0; 1 there is something to drop, and --apply was not told to; 2 a wrong setting or option; 3 it could
    not be done, or another process holds the lock; 4 the database cannot be reached; 130 or 143 interrupted.
    """
    if drop and not apply:
        raise click.UsageError("--drop goes with --apply; without both, this shows what would be dropped.")
    config = current_config()
    found = maintain(config, keep_months, may_drop=drop) if apply else preview_maintenance(config, keep_months)
    if as_json:
        print_json(_report(found))
    else:
        _show(found)
    if found.clocks is not None:
        click.echo(f"{found.clocks}: as long as it is, --apply makes and drops nothing.", err=True)
    if apply and found.drops:
        click.echo(
            f"{len(found.drops)} partition(s) are older than is kept: --drop drops them and their rows.", err=True
        )
        sys.exit(1)


def _report(found: Partitioning) -> PartitionReport:
    return PartitionReport(
        database=found.database,
        tables=tuple(
            PartitionedTable(table=one.table, keep_months=one.kept, default=one.default, partitions=one.partitions)
            for one in found.tables
        ),
        done=found.done,
        left=found.left,
        kept_longer=found.kept_longer,
    )


def _show(found: Partitioning) -> None:
    console = row_console()
    if not found.tables:
        console.print(_no_table(), markup=False)
        return
    for state in found.tables:
        console.print(f"{state.table}:", style="bold", markup=False)
        _print_partitions(state)
    for done, actions in (("done", found.done), ("to do", found.left)):
        for action in actions:
            console.print(f"{done}: {_describe_action(action)}", markup=False)
    for kept in found.kept_longer:
        console.print(_describe_kept(kept), markup=False)
    if not found.done and not found.left:
        console.print("Nothing to do.", markup=False)


def _print_partitions(state: PartitionState) -> None:
    rows = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("partition", "from (UTC)", "until before", "rows, about"):
        rows.add_column(title, justify="right" if title.startswith("rows") else "left")
    for partition in state.partitions:
        rows.add_row(*_cells(partition))
    rows.add_row(state.default or "(no default)", "", "", "some" if state.holds_rows else "0")
    print_rows(rows)


def _describe_kept(kept: KeptLonger) -> str:
    rows = "some rows" if kept.rows is None else f"{kept.rows:,} rows"
    delete = f"DELETE FROM {kept.table} WHERE created_at < '{kept.kept_from:%Y-%m-%d}Z'"  # noqa: S608 - only shown
    return (
        f"kept: {rows} of {kept.partition} are older than is kept, and go with the newer ones in it, from"
        f" {kept.dropped_from:%Y-%m} on; to be rid of them earlier:\n  {delete}"
    )


def _no_table() -> str:
    """Return why there is nothing to show: no model is partitioned, or the database has none of their tables yet."""
    if any(map(is_partitioned, current_config().metadata.tables.values())):
        return f"No table is partitioned yet: `{command('upgrade')}`."
    return "No model says that its table is partitioned by month."


def _cells(partition: Partition) -> tuple[str, ...]:
    begin, end = (f"{time:%Y-%m-%d}" if time else "" for time in (partition.begin, partition.end))
    return partition.name, begin, end, f"{partition.rows:,}"


def _describe_action(action: Action) -> str:
    rows = "" if action.rows is None else f", {action.rows:,} rows"
    return f"{action.step} {action.partition}{rows} ({_WORDS[action.step]})"

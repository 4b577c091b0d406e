"""What `upgrade --dry-run` shows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import indent

import rich_click as click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ..backfill.status import BackfillState
from ..config import MigratorConfig
from ..execution.data_loss import LossKind
from ..phase import Phase
from ..preview.dry_run import DryRun, read_dry_run, with_rehearsal
from ..preview.effects import RequiredBackfill, RevisionEffects, TableEffect
from ..preview.rehearsal import Outcome, RehearsedRevision
from .options import require_terminal
from .rows import print_json, print_rows, row_console

_INDENT = 2
_UNITS = ("B", "kB", "MB", "GB", "TB")
_STEP = 1024


def run_dry_run(config: MigratorConfig, revision: str, phase: Phase, options: "DryRunOptions") -> int:
    """Show what the upgrade would do, run it and roll it back if that is asked for, and return the exit code."""
    found = read_dry_run(config, revision, phase)
    if not options.as_json:
        show_dry_run(found)
    if options.executes and found.revisions:
        _confirm_execution(config, found, options)
        found = with_rehearsal(config, found, revision)
        if not options.as_json:
            show_rehearsal(found.rehearsal or ())
    if options.as_json:
        print_json(found)
    return found.exit_code


@dataclass(frozen=True)
class DryRunOptions:
    """What the command line asks for beside the revision."""

    executes: bool
    accepts_locks: bool
    as_json: bool
    no_prompt: bool


def _confirm_execution(config: MigratorConfig, found: DryRun, options: DryRunOptions) -> None:
    if options.accepts_locks or (options.no_prompt and config.allows_data_loss):
        return
    if options.no_prompt:
        raise click.UsageError("--execute-and-roll-back locks tables as the upgrade does: add --accept-locks.")
    require_terminal("--accept-locks")
    count = f"{len(found.revisions)} revision(s)"
    click.confirm(f"Run {count} in {found.database}, and roll them back? Traffic may wait.", abort=True, err=True)


def show_rehearsal(went: Sequence[RehearsedRevision]) -> None:
    """Show how long each revision took, and for how long it stopped traffic; all was rolled back."""
    console = row_console()
    console.print("\nRun in a transaction that was rolled back:", style="bold")
    table = Table("revision", "outcome", box=None, pad_edge=False, header_style="dim")
    table.add_column("took", justify="right")
    table.add_column("traffic that waited")
    for one in went:
        stopped = (f"{lock.stops} of {lock.table} {lock.seconds:.3f} s" for lock in one.locks if lock.stops)
        took = "" if one.seconds is None else f"{one.seconds:.3f} s"
        table.add_row(one.revision, one.outcome, took, one.reason or ", ".join(stopped), style=_OUTCOMES[one.outcome])
    print_rows(table)


_OUTCOMES = {Outcome.EXECUTED: "", Outcome.NOT_EXECUTED: "yellow", Outcome.FAILED: "red"}


def show_dry_run(found: DryRun) -> None:
    console = row_console()
    console.print(f"{found.database} ({found.server}); nothing was run or changed", markup=False)
    contracts = sum(each.phase is Phase.CONTRACT for each in found.revisions)
    count = f"{len(found.revisions)} revision(s), {contracts} contract," if found.revisions else "Nothing"
    console.print(f"{count} would be applied after {', '.join(found.current) or 'nothing'}.", markup=False)
    if found.under_way:
        console.print(f"The schema is being changed at this moment by {found.under_way}.", markup=False)
    for revision in found.revisions:
        _show_revision(revision, console)
    _show_partitions(found, console)
    if found.refused:
        where = f" before {found.refused_at}" if found.refused_at else ""
        click.echo(f"The upgrade would stop{where}: {found.refused}", err=True)


def _show_revision(effects: RevisionEffects, console: Console) -> None:
    title = Text.assemble("\n", (effects.revision, "bold"), f"  {effects.phase}  {effects.message}")
    console.print(title)
    for loss in effects.losses:
        may = "may lose" if loss.kind is LossKind.UNKNOWN else "loses"
        _print(console, f"{may} {str(loss).removesuffix(f' (revision {loss.revision})')}", "red")
    for backfill in effects.backfills:
        _print(console, f"requires the backfill {_describe_backfill(backfill)}", "yellow")
    for unknown in effects.unknown:
        _print(console, f"may lock, read and change more: {unknown}", "yellow")
    if effects.runs_outside:
        _print(console, "runs outside of a transaction, each statement by itself")
    if effects.tables:
        _show_tables(effects.tables)
    elif effects.sql is not None:
        _print(console, "locks no table that is there before it")
    for statement in effects.sql or ():
        console.print(Text(indent(f"{statement};", " " * _INDENT), style="cyan"))


def _print(console: Console, text: str, style: str = "") -> None:
    console.print(Padding(Text(text, style=style), (0, 0, 0, _INDENT), expand=False))


def _describe_backfill(backfill: RequiredBackfill) -> str:
    if backfill.state is BackfillState.WAITING:
        return f"{backfill.name}, which can run once its own revision is applied"
    rows = "" if backfill.rows_seen is None else f", {backfill.rows_seen:,} of {backfill.total or 0:,} rows"
    return f"{backfill.name}: {backfill.state}{rows}"


def _show_tables(effects: Iterable[TableEffect]) -> None:
    table = Table("table", "lock", "waits", box=None, pad_edge=False, header_style="dim")
    for title in ("rows, about", "size"):
        table.add_column(title, justify="right")
    for one in effects:
        parts = f" and {one.partitions} partition(s)" if one.partitions else ""
        size = "" if one.bytes is None else _bytes(one.bytes)
        rows = f"{one.rows:,}" if one.rows is not None else "not analyzed" if one.exists else "not there yet"
        work = f"{one.table}{parts}" + (f" ({', '.join(one.work)})" if one.work else "")
        table.add_row(work, one.lock, one.stops or "", rows, size, style="red" if one.stops and one.work else "")
    print_rows(table)


def _bytes(size: float) -> str:
    unit = 0
    while size >= _STEP and unit < len(_UNITS) - 1:
        size, unit = size / _STEP, unit + 1
    return f"{size:,.0f} {_UNITS[unit]}"


def _show_partitions(found: DryRun, console: Console) -> None:
    if found.partitions is None:
        console.print("\nWhich partitions are missing is not known: a table is in use.")
    elif found.partitions:
        console.print("\nThen partitions:", style="bold")
        for action in found.partitions:
            _print(console, f"{action.step} {action.partition}")

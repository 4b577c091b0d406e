"""The command `status`."""

import sys
from collections.abc import Iterable, Iterator

import rich_click as click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..execution.data_loss import LossKind
from ..status import EXIT_CODES, RevisionState, RevisionStatus, Status, Verdict, read_status
from .backfill import print_backfills
from .options import as_json, current_config
from .rows import print_json, print_rows, row_console

# What stands above the revisions of a state, and their colour; the first to need care.
_SECTIONS = {
    RevisionState.CHECKSUM_CHANGED: ("Changed after they were applied", "red"),
    RevisionState.MISSING_FILE: ("Applied without a file in this release", "red"),
    RevisionState.PENDING: ("Pending, the next first", "yellow"),
    RevisionState.APPLIED: ("Applied, the last first", "green"),
}
_LAST = 5
_CODES = ", ".join(f"{code} {verdict}" for verdict, code in EXIT_CODES.items())


@click.command(
    help=f"""Show where the database stands against the revisions of this release; changes nothing.

    First the verdict, then each revision that is pending, the last {_LAST} that were applied, and the backfills that
    are to be run. A revision without a file was applied by a newer release; one that was changed is not what was
    applied.

    Exit codes: 0; with --check, of the verdict: {_CODES}. 2 a wrong setting or option; 3 the revisions cannot be read;
    4 the database cannot be reached.
    """
)
@click.option("--check", is_flag=True, help="End with the exit code of the verdict.")
@click.option("--all", "every", is_flag=True, help=f"Show every revision that was applied, not the last {_LAST} alone.")
@as_json
def status(check: bool, every: bool, as_json: bool) -> None:
    found = read_status(current_config())
    if as_json:
        print_json(found)
    else:
        _show(found, row_console(), every=every)
    if check:
        sys.exit(found.exit_code)


def _show(found: Status, console: Console, *, every: bool) -> None:
    colour = "green" if found.verdict is Verdict.UP_TO_DATE else "yellow"
    console.print(Text.assemble((found.verdict, f"bold {colour}"), f": {found.detail}\n"))
    summary = Table(box=None, pad_edge=False, show_header=False)
    for line in _summary(found):
        summary.add_row(*line)
    print_rows(summary)
    for state in _SECTIONS:
        _show_section(found, console, state, None if every or state is not RevisionState.APPLIED else _LAST)
    if found.losses:
        console.print("\nWhat applying them loses:", style="bold")
        for loss in found.losses:
            console.print(f"{'perhaps ' if loss.kind is LossKind.UNKNOWN else ''}{loss}", markup=False)
    if found.backfill_states:
        console.print("\nBackfills to run:", style="bold")
        print_backfills(found.backfill_states)


def _summary(found: Status) -> Iterator[tuple[str, str]]:
    names = {row.revision: f"{row.revision}  {row.message or ''}" for row in found.revisions}
    yield "database", f"{found.database} ({found.server})"
    for revision in found.current or ("nothing",):
        yield "current", names.get(revision, revision)
    pending = [row.revision for row in found.revisions if row.state is RevisionState.PENDING]
    yield "next", names[pending[0]] if pending else "nothing"


def _show_section(found: Status, console: Console, state: RevisionState, limit: int | None) -> None:
    rows = [row for row in found.revisions if row.state is state]
    if not rows:
        return
    title, colour = _SECTIONS[state]
    if state is RevisionState.APPLIED:
        rows.reverse()
    shown = rows[:limit]
    count = f"{len(rows)}" if len(shown) == len(rows) else f"{len(shown)} of {len(rows)}; --all shows them all"
    console.print(f"\n{title} ({count}):", style="bold")
    _print_revisions(shown, colour)


def _print_revisions(rows: Iterable[RevisionStatus], colour: str) -> None:
    table = Table("revision", "phase", "message", "applied at (UTC)", "took", "by", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*_cells(row), style=colour)
    print_rows(table)


def _cells(row: RevisionStatus) -> tuple[str, ...]:
    return (
        row.revision,
        row.phase or "?",
        row.message or "",
        f"{row.applied_at:%Y-%m-%d %H:%M}" if row.applied_at else "",
        "" if row.duration is None else f"{row.duration:.3f} s",
        row.by or "",
    )

"""The command `status`."""

import sys

import msgspec
import rich_click as click
from rich.console import Console
from rich.table import Table

from ..status import EXIT_CODES, RevisionState, RevisionStatus, Status, Verdict, read_status
from .options import as_json, current_config, print_rows, row_console

_COLOURS = {
    RevisionState.APPLIED: "green",
    RevisionState.PENDING: "yellow",
    RevisionState.MISSING_FILE: "red",
    RevisionState.CHECKSUM_CHANGED: "red",
}
_CODES = ", ".join(f"{code} {verdict}" for verdict, code in EXIT_CODES.items())


@click.command(
    help=f"""Show where the database stands against the revisions of this release; changes nothing.

    A row a revision: applied, pending, missing file (a newer release has applied it), checksum changed (the file is not
    what was applied); then a verdict in one line.

    Exit codes: 0; with --check, of the verdict: {_CODES}. 2 a wrong setting or option; 3 the revisions cannot be read;
    4 the database cannot be reached.
    """
)
@click.option("--check", is_flag=True, help="End with the exit code of the verdict.")
@as_json
def status(check: bool, as_json: bool) -> None:
    found = read_status(current_config())
    if as_json:
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    else:
        _show(found, row_console())
    if check:
        sys.exit(found.exit_code)


def _show(found: Status, console: Console) -> None:
    console.print(f"{found.database} ({found.server})", markup=False)
    console.print(f"{', '.join(found.current) or 'nothing'} → {', '.join(found.heads) or 'no revision'}", markup=False)
    titles = ("state", "revision", "phase", "message", "applied at (UTC)", "took", "by")
    table = Table(*titles, box=None, pad_edge=False, header_style="bold")
    for row in found.revisions:
        table.add_row(*_cells(row), style=_COLOURS[row.state])
    print_rows(table)
    colour = "green" if found.verdict is Verdict.UP_TO_DATE else "yellow"
    console.print(f"[bold {colour}]{found.verdict}[/]: ", end="")
    console.print(found.detail, markup=False)


def _cells(row: RevisionStatus) -> tuple[str, ...]:
    return (
        row.state,
        row.revision,
        row.phase or "?",
        row.message or "",
        f"{row.applied_at:%Y-%m-%d %H:%M}" if row.applied_at else "",
        "" if row.duration is None else f"{row.duration:.3f} s",
        row.by or "",
    )

"""The command `doctor`."""

import sys
from collections import Counter
from itertools import groupby

import msgspec
import rich_click as click
from click import get_current_context
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..doctor.checks import most_important
from ..doctor.finding import Finding, Severity
from .options import as_json
from .rows import print_json

# For each severity: its mark, the mark for a terminal without Unicode, and the colour.
_MARKS = {
    Severity.OK: ("✓", "ok", "green"),
    Severity.NOTE: ("·", "--", "cyan"),
    Severity.WARNING: ("!", "!!", "yellow"),
    Severity.PROBLEM: ("✗", "XX", "red"),
}
_INDENT = "     "


@click.command()
@as_json
def doctor(as_json: bool) -> None:
    """Look for what keeps the database from being migrated, and say what to type next.

    For the first minutes after a migration failed at start-up, or whenever something seems wrong: the settings and
    where each came from, the way to the server (name, TCP, TLS, login, database), the server, the role's privileges,
    the revisions and how the last migration ended, who blocks whom, long transactions, broken indexes, disk and WAL.

    It changes nothing, and what can be looked at is looked at even where half of it is broken. It needs no setting
    that only a server needs.

    Exit codes: 0 nothing worse than a warning; 1 at least one problem.
    """
    findings: list[Finding] = get_current_context().obj["examine"]()
    if as_json:
        print_json(findings)
    else:
        _print(findings, Console(highlight=False, markup=False, emoji=False))
    sys.exit(any(finding.severity is Severity.PROBLEM for finding in findings))


def _print(findings: list[Finding], console: Console) -> None:
    for group, members in groupby(findings, lambda finding: finding.group):
        console.print(Text(f"\n{group}", style="bold"))
        # Several checks may find the same, for instance that they could not run: it is printed once.
        for finding in dict.fromkeys(msgspec.structs.replace(member, check="") for member in members):
            _print_one(finding, console)
    _print_end(findings, console)


def _print_one(finding: Finding, console: Console) -> None:
    mark, plain, style = _MARKS[finding.severity]
    told = Text(finding.seen, style="" if finding.severity in {Severity.OK, Severity.NOTE} else style)
    if finding.why:
        told.append(f"\n{finding.why}", style="dim")
    row = Table.grid(padding=(0, 1))
    row.add_column(width=len(_INDENT) - 1, justify="right")
    row.add_column()
    row.add_row(Text(plain if console.options.ascii_only else mark, style=style), told)
    console.print(row)
    if finding.next_command:
        _print_command(finding.next_command, console)


def _print_command(command: str, console: Console) -> None:
    # Not broken into lines, so that it can be copied.
    console.print(Text(f"{_INDENT}$ {command}", style="cyan"), soft_wrap=True)


def _print_end(findings: list[Finding], console: Console) -> None:
    counts = Counter(finding.severity for finding in findings)
    told = [
        f"{counts[severity]} {severity}{'s' if counts[severity] > 1 else ''}"
        for severity in (Severity.PROBLEM, Severity.WARNING)
        if counts[severity]
    ]
    console.print(Text(f"\n{', '.join(told) or 'Nothing is wrong'}.", style="bold"))
    if first := most_important(findings):
        console.print(Text(f"First: {first.seen}"))
        _print_command(first.next_command, console)

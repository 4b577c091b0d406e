"""The command `drift`."""

import sys
import textwrap
from collections.abc import Iterator

import rich_click as click

from ..command_names import command
from ..drift.difference import Difference
from ..drift.report import BLOCKED, LOSES_DATA, Drift, as_sql, read_drift
from .options import as_json, current_config
from .rows import print_json, row_console

_STYLES = ((LOSES_DATA, "red"), ("--   ", "default"), ("--", "bold"))


@click.command()
@as_json
def drift(as_json: bool) -> None:
    """Show how the live schema differs from the models of this release; changes nothing.

    Prints each difference, and then the SQL that would mend them all, in the order to run it. The output as a whole is
    SQL for `psql -v ON_ERROR_STOP=1`: read it first. What loses data is a comment, marked `-- loses data:`.

    Exit codes: 0 no difference; 14 drifted; 1 the comparison could not be made (the message says what it needs); 2 a
    wrong setting or option; 3 the revisions cannot be read; 4 the database cannot be reached.
    """
    found = read_drift(current_config())
    if as_json:
        print_json(found)
    else:
        console = row_console()
        for line in _lines(found):
            style = next((style for start, style in _STYLES if line.startswith(start)), "cyan")
            for part in _wrapped(line, console.width):
                console.print(part, style=style, markup=False, soft_wrap=True)
    sys.exit(found.exit_code)


def _wrapped(line: str, width: int) -> list[str]:
    """Return a comment as several, between two words; SQL stays one line, so that it can be copied."""
    if not line.startswith("-- ") or line.startswith((LOSES_DATA, BLOCKED)):
        return [line]
    indent = f"--{' ' * 11}" if line.startswith("--   ") else "-- "
    return textwrap.wrap(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=False
    )


def _lines(found: Drift) -> Iterator[str]:
    yield f"-- {found.database} ({found.server})"
    if found.pending:
        yield (
            f"-- {len(found.pending)} revision(s) are pending: {', '.join(found.pending)}. The comparison is with the"
            f" models of this release: `{command('upgrade')}` may mend it."
        )
    if found.unknown:
        yield (
            f"-- The database has revision(s) of a newer release: {', '.join(found.unknown)}. The comparison is with"
            " the models of this release, and what follows would take it back to them."
        )
    if found.not_compared:
        yield f"-- {found.not_compared}"
    if not found.differences:
        yield "-- No difference from the models."
        return
    yield f"-- {len(found.differences)} difference(s) from the models:"
    for difference in found.differences:
        yield from _difference(difference)
    yield "-- The SQL that would mend it, from the first to the last statement:"
    yield from as_sql(found.script)


def _difference(difference: Difference) -> Iterator[str]:
    yield f"-- {difference.kind} {difference.name}"
    sides = (("live", difference.live, "missing"), ("models", difference.models, "unknown"))
    for side, definition, absent in sides:
        first, *rest = (definition if definition is not None else absent).split("\n")
        yield f"--   {side + ':':8}{first}"
        yield from (f"--   {line}" for line in rest)

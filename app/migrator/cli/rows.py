"""Print what a command has found: as rows that fit the terminal, or as one JSON document."""

import io
import sys
from collections.abc import Sequence
from dataclasses import replace

import msgspec
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

# Wider than a row of any table: a program reads a row as one line.
_PIPE_WIDTH = 10_000
_BETWEEN_COLUMNS = 2
_INDENT = 4
# A column of text is not squeezed below this.
_LEAST_TEXT = 24


def print_json(found: object) -> None:
    """Print the document on standard output."""
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")


def row_console() -> Console:
    """Return a console on standard output, where a character that the locale lacks becomes a question mark."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else _PIPE_WIDTH)


def print_rows(table: Table) -> None:
    """Print the rows so that no word is broken; into a pipe or a file, each on one line.

    Where the terminal is too narrow, the last columns that do not fit stand under their row, each after its title.
    """
    console = row_console()
    titles = [str(column.header) for column in table.columns]
    columns = [[" ".join(str(cell).splitlines()) for cell in column.cells] for column in table.columns]
    rows = list(zip(*columns, strict=True))
    widths = [max(map(cell_len, (title, *column))) for title, column in zip(titles, columns, strict=True)]
    fitting = _count_fitting(titles, columns, widths, console.width)
    if fitting == len(titles):
        console.print(_side_by_side(table, widths, rows, range(len(rows))), markup=False)
        return
    for number, row in enumerate(rows):
        console.print(_side_by_side(table, widths[:fitting], [row], [number]), markup=False)
        rest = zip(titles[fitting:], row[fitting:], strict=True)
        if below := ", ".join(f"{title}: {cell}" if title else cell for title, cell in rest if cell):
            style = table.rows[number].style or ""
            console.print(Padding(Text(below, style=style), (0, 0, 0, _INDENT), expand=False))


def _count_fitting(
    titles: Sequence[str], columns: Sequence[Sequence[str]], widths: Sequence[int], available: int
) -> int:
    """Return how many columns fit side by side if only the last of them is wrapped; 1 at least."""
    fitting = 1
    for position, column in enumerate(columns):
        longest_word = max(cell_len(word) for text in (titles[position], *column) for word in text.split(" "))
        if max(longest_word, min(widths[position], _LEAST_TEXT)) <= available:
            fitting = position + 1
        available -= widths[position] + _BETWEEN_COLUMNS
    return fitting


def _side_by_side(table: Table, widths: Sequence[int], rows: Sequence[Sequence[str]], numbers: Sequence[int]) -> Table:
    """Return the first columns of these rows; only the last one is wrapped. The titles stand above the first row."""
    show_header = table.show_header and 0 in numbers
    part = Table(box=None, pad_edge=False, show_header=show_header, header_style=table.header_style)
    for column, width in zip(table.columns, widths, strict=False):
        part.columns.append(replace(column.copy(), width=width, no_wrap=True))
    part.columns[-1] = replace(part.columns[-1], width=None, no_wrap=False)
    for number, row in zip(numbers, rows, strict=True):
        part.add_row(*row[: len(widths)], style=table.rows[number].style)
    return part

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
    cells = [[str(cell) for cell in column.cells] for column in table.columns]
    fitting = _count_fitting(cells, [str(column.header) for column in table.columns], console.width)
    if fitting == len(table.columns):
        for column in table.columns[:-1]:
            column.no_wrap = True
        console.print(table, markup=False)
        return
    for number, row in enumerate(zip(*cells, strict=True)):
        _print_folded(console, table, number, row, fitting)


def _count_fitting(cells: Sequence[Sequence[str]], titles: Sequence[str], width: int) -> int:
    """Return how many columns fit side by side if only the last of them is wrapped; 1 at least."""
    fitting, left = 1, width
    for position, column in enumerate(cells):
        whole = [titles[position], *column]
        longest_word = max(cell_len(word) for text in whole for word in text.split(" "))
        natural = max(map(cell_len, whole))
        if max(longest_word, min(natural, _LEAST_TEXT)) <= left:
            fitting = position + 1
        left -= natural + _BETWEEN_COLUMNS
    return fitting


def _print_folded(console: Console, table: Table, number: int, row: Sequence[str], fitting: int) -> None:
    """Print the first cells side by side, and below them the other ones that are not empty."""
    style = table.rows[number].style
    line = Table(box=None, pad_edge=False, show_header=number == 0, header_style=table.header_style)
    for position, column in enumerate(table.columns[:fitting]):
        is_last = position == fitting - 1
        natural = max(map(cell_len, (str(column.header), *map(str, column.cells))))
        line.columns.append(replace(column.copy(), width=None if is_last else natural, no_wrap=not is_last))
    line.add_row(*row[:fitting], style=style)
    console.print(line, markup=False)
    titles = [str(column.header) for column in table.columns]
    below = [f"{title}: {cell}" for title, cell in zip(titles[fitting:], row[fitting:], strict=True) if cell]
    if below:
        console.print(Padding(Text(", ".join(below), style=style or ""), (0, 0, 0, _INDENT), expand=False))

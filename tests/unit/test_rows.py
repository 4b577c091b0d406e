"""Rows on a terminal of any width, and in a pipe."""

import io
import sys

import pytest
from rich.table import Table

from app.migrator.cli.rows import print_rows
from tests.support.terminal import Terminal, lines_on

TABLES: dict[str, tuple[tuple[str, ...], list[tuple[str, ...]]]] = {
    "text at the end": (
        ("state", "name", "rows", "what"),
        [
            ("pending", "tasks_organization", "1,000 of 12,000", "Tasks from before they carried it [get it] :smile:"),
            ("done", "tags", "", "Tags."),
        ],
    ),
    "words alone": (
        ("id", "subject", "email"),
        [("6e1f0a52-7ad1-4d4c-9d5e-0d3f1a2b3c4d", "a-subject-without-any-space", "starbuck@example.org")],
    ),
    "text in the middle": (
        ("revision", "message", "applied at", "by"),
        [("5d1d2d0a3e3b", "The organization of webhook payloads is not null.", "2026-11-30 19:09", "root@vm as me")],
    ),
}


def printed(monkeypatch: pytest.MonkeyPatch, name: str, stream: io.StringIO) -> list[str]:
    titles, rows = TABLES[name]
    table = Table(*titles, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*row, style="green")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", stream)
    print_rows(table)
    assert ("\x1b[" in stream.getvalue()) is stream.isatty()
    return lines_on(stream)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("columns", [45, 60, 80, 100, 200])
def test_no_word_is_broken_and_no_line_is_too_long(monkeypatch: pytest.MonkeyPatch, name: str, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = printed(monkeypatch, name, Terminal())
    assert max(map(len, lines)) <= columns
    words = " ".join(lines).replace(", ", " ").split()
    for cell in (cell for row in TABLES[name][1] for cell in row):
        assert set(cell.split()) <= set(words), cell


def test_what_does_not_fit_stands_below_its_row_with_its_title(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    assert printed(monkeypatch, "text in the middle", Terminal()) == [
        "revision      message",
        "5d1d2d0a3e3b  The organization of webhook payloads is not null.",
        "    applied at: 2026-11-30 19:09, by: root@vm as me",
    ]


def test_empty_cells_are_left_out_below_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    lines = printed(monkeypatch, "text at the end", Terminal())
    assert lines[-2:] == ["done     tags", "    what: Tags."]


def test_row_without_titles_has_none_below_it_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "46")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row("database", "a-host-with-a-long-name.example:5432/app")
    print_rows(table)
    assert [line.strip() for line in lines_on(terminal) if line] == [
        "database",
        "a-host-with-a-long-name.example:5432/app",
    ]


def test_text_of_several_lines_is_one_line_of_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", written := io.StringIO())
    table = Table("message", "by", box=None, pad_edge=False)
    table.add_row("Tasks have a due date,\nand a time.", "me")
    print_rows(table)
    assert lines_on(written)[1:] == ["Tasks have a due date, and a time.  me"]


def test_pipe_gets_each_row_on_one_line_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    for name, (_, rows) in TABLES.items():
        _, *lines = printed(monkeypatch, name, io.StringIO())
        assert [line.split()[0] for line in lines] == [row[0] for row in rows]
        assert all(line.endswith(row[-1]) for line, row in zip(lines, rows, strict=True))

"""What several commands share: options, a question before a change, rows on standard output."""

import io
import sys

import rich_click as click
from click import get_current_context
from rich.console import Console
from rich.table import Table

from ..config import MigratorConfig

_PIPE_WIDTH = 200
# Wider than a row of any table.
_ROW_WIDTH = 10_000

no_prompt = click.option("--no-prompt", is_flag=True, help="Do not ask; for scripts and jobs.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, and nothing else.")


def current_config() -> MigratorConfig:
    """Return the configuration of the running command's group."""
    config: MigratorConfig = get_current_context().obj["config"]
    return config


def row_console() -> Console:
    """Return a console on standard output, where a character that the locale lacks becomes a question mark."""
    return _console(None if sys.stdout.isatty() else _PIPE_WIDTH)


def print_rows(table: Table) -> None:
    """Print each row on one line; a narrower terminal wraps it, so that ids stay whole and can be copied."""
    _console(_ROW_WIDTH).print(table, markup=False)


def _console(width: int | None) -> Console:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return Console(highlight=False, width=width)


def confirm(question: str, no_prompt: bool) -> None:
    """Ask the question and return on yes; exit with code 1 on no.

    Raises UsageError where there is no terminal to ask on.
    """
    if no_prompt:
        return
    require_terminal("--no-prompt")
    click.confirm(question, abort=True, err=True)


def require_terminal(instead: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError(f"There is no terminal to ask on: add {instead}.")

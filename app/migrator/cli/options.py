"""What several commands have in common: options, asking before they change something, rows on standard output."""

import io
import sys

import rich_click as click
from click import get_current_context
from rich.console import Console
from rich.table import Table

from ..config import MigratorConfig

_PIPE_WIDTH = 200
# More than a row of any table has.
_ROW_WIDTH = 10_000

no_prompt = click.option("--no-prompt", is_flag=True, help="Do not ask; for scripts and jobs.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, and nothing else.")


def current_config() -> MigratorConfig:
    """Return the configuration of the command group that is being run."""
    config: MigratorConfig = get_current_context().obj["config"]
    return config


def row_console() -> Console:
    """Of standard output. What a locale without Unicode lacks is a question mark."""
    return _console(None if sys.stdout.isatty() else _PIPE_WIDTH)


def print_rows(table: Table) -> None:
    """A line a row, which a narrower terminal wraps: nothing is cut or folded, so that ids can be copied."""
    _console(_ROW_WIDTH).print(table, markup=False)


def _console(width: int | None) -> Console:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    return Console(highlight=False, width=width)


def confirm(question: str, no_prompt: bool) -> None:
    """Returns if the answer is yes. No is exit code 1; a question without a terminal to ask on is a usage error."""
    if no_prompt:
        return
    require_terminal("--no-prompt")
    click.confirm(question, abort=True, err=True)


def require_terminal(instead: str) -> None:
    if not sys.stdin.isatty():
        raise click.UsageError(f"There is no terminal to ask on: add {instead}.")

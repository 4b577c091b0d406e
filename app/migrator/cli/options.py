"""What several commands share: options, and a question before a change."""

import sys

import rich_click as click
from click import get_current_context

from ..config import MigratorConfig

no_prompt = click.option("--no-prompt", is_flag=True, help="Do not ask; for scripts and jobs.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, and nothing else.")


def current_config() -> MigratorConfig:
    """Return the configuration of the running command's group."""
    config: MigratorConfig = get_current_context().obj["config"]
    return config


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

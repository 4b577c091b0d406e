"""What several commands share: options, and a question before a change."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import rich_click as click
from click import get_current_context

from ..config import MigratorConfig

no_prompt = click.option("--no-prompt", is_flag=True, help="Do not ask; for scripts and jobs.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, and nothing else.")
_SCHEMAS = Path(__file__).parents[1] / "schemas"
F = TypeVar("F", bound=Callable[..., Any])


def as_json(command: F) -> F:
    """Give the command `--json`, and `--json-schema`, which prints the schema of that and does nothing else."""
    schema = click.option(
        "--json-schema",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=_print_schema,
        help="Print the JSON Schema of what --json prints.",
    )
    return json_option(schema(command))


def _print_schema(ctx: click.Context, param: click.Parameter, value: bool) -> None:  # noqa: ARG001 - click's signature
    if value:
        click.echo((_SCHEMAS / f"{ctx.command.name}.json").read_text(encoding="utf-8"), nl=False)
        ctx.exit()


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

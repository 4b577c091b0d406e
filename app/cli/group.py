"""What the groups of commands have in common."""

import sys
from typing import Any

import rich_click as click

from app.core.errors import AppError
from app.migrator.cli.group import DatabaseGroup


class DataGroup(DatabaseGroup):
    """As `litestar database`: what goes wrong is one message and an exit code. A rule that says no is exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        try:
            return super().invoke(ctx)
        except AppError as exc:
            told = "; ".join([exc.detail, *(f"{problem.pointer} {problem.detail}" for problem in exc.errors)])
            click.echo(f"Error: {told}", err=True)
            sys.exit(1)

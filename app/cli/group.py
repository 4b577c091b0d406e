"""The click group of commands that work on the data."""

import sys
from typing import Any

import rich_click as click

from app.core.errors import AppError
from app.migrator.cli.group import ErrorReportingGroup


class DataGroup(ErrorReportingGroup):
    """A group that turns an error into one message and an exit code; a rule of the services is exit code 1."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        try:
            return super().invoke(ctx)
        except AppError as exc:
            message = "; ".join([exc.detail, *(f"{problem.pointer} {problem.detail}" for problem in exc.errors)])
            click.echo(f"Error: {message}", err=True)
            sys.exit(1)

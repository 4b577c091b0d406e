"""The group of the engine's commands, each of which is imported only when it is called."""

import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import rich_click as click
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from click import get_current_context

from ...postgres.errors import MigrationFailedError
from ...postgres.exit_codes import errors_end_the_program
from ..command_names import command
from ..config import MigratorConfig
from ..revisions.loading import join_heads

if TYPE_CHECKING:
    # Only `doctor` imports it.
    from ..doctor.finding import Finding

# The commands that are not in the module of their name.
_MODULES = dict.fromkeys(("history", "heads", "branches", "show-current-revision", "check"), "revisions")
COMMANDS = (
    "status",
    *_MODULES,
    "show",
    "make-migrations",
    "upgrade",
    "downgrade",
    "backfill",
    "partitions",
    "drift",
    "schema",
    "lint",
    "diff",
    "doctor",
    "backup",
    "restore",
    "squash",
)


class ErrorReportingGroup(click.RichGroup):
    """A command group that turns errors into one message and an exit code that a script can use."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        try:
            with errors_end_the_program():
                return super().invoke(ctx)
        except CommandError as exc:
            click.echo(f"Error: {exc}{_next_step(str(exc))}", err=True)
            # An unknown revision has the same code in every command; the other errors mean no, as in `check`.
            sys.exit(MigrationFailedError.exit_code if isinstance(exc.__cause__, RevisionError) else 1)


class MigratorGroup(ErrorReportingGroup):
    """The group of the engine's commands, beside those that are added to it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._import(COMMANDS)
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands:
            # For an unknown name click suggests the nearest of all.
            self._import([cmd_name] if cmd_name in COMMANDS else COMMANDS)
        return super().get_command(ctx, cmd_name)

    def _import(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.commands:
                module = import_module(f".{_MODULES.get(name, name).replace('-', '_')}", __package__)
                self.add_command(getattr(module, name.replace("-", "_")))


def load_for_command(load: Callable[[], MigratorConfig], examine: Callable[[], "list[Finding]"]) -> dict[str, Any]:
    """Return the object for click's context: the configuration, or for `doctor` the function that examines.

    `doctor` finds wrong settings itself, so it loads none here.
    """
    if get_current_context().invoked_subcommand == "doctor":
        return {"examine": examine}
    return {"config": load()}


def _next_step(message: str) -> str:
    """Return the command to type after a message of Alembic's that does not name one."""
    if message.startswith("Target database is not up to date"):
        return f" First: `{command('upgrade')}`."
    if message.startswith("Multiple heads are present"):
        return f" Join them: `{join_heads()}`."
    return ""

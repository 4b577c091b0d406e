"""The group `litestar database`: Advanced Alchemy's commands over our Alembic configuration, and ours."""

import contextlib
import sys
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

import rich
import rich_click as click
from advanced_alchemy.cli import add_migration_commands
from advanced_alchemy.config import AlembicAsyncConfig, SQLAlchemyAsyncConfig
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from litestar.cli._utils import LitestarGroup
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.config import Settings
from app.db.database import open_migration_database
from app.migrator.cli.options import require_terminal
from app.migrator.revisions.loading import JOIN_HEADS, ROOT, VERSION_TABLE
from app.models import metadata
from app.postgres.engine import create_unpooled_engine
from app.postgres.errors import DatabaseError, MigrationFailedError
from app.postgres.settings_error import SettingsError

# Advanced Alchemy's that go past the lock and the revisions, would make a second environment, or take part of a backup.
_LEFT_OUT = ("drop-all", "ensure-version", "init", "list-templates", "dump-data")
# Advanced Alchemy's that ask for a message where none is given.
_ASK_FOR_A_MESSAGE = ("make-migrations", "merge")
# What to type after Alembic's messages that do not say so.
_NEXT = {
    "Target database is not up to date": " First: `litestar database upgrade`.",
    "Multiple heads are present": f" Join them: `{JOIN_HEADS}`.",
}
# Each in the module of its name.
_OURS = ("status", "upgrade", "downgrade", "backfill", "partitions", "drift", "lint", "doctor", "backup", "restore")


class DatabaseGroup(LitestarGroup):
    """Turns what goes wrong into one message and an exit code that a script can use."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        try:
            return super().invoke(ctx)
        except (DatabaseError, SettingsError) as exc:
            click.echo(f"Error: {exc}", err=True)
            sys.exit(exc.exit_code)
        except CommandError as exc:
            remedy = next((remedy for start, remedy in _NEXT.items() if str(exc).startswith(start)), "")
            click.echo(f"Error: {exc}{remedy}", err=True)
            # A revision that is not among the files is one code for every command; what is left is a no, as of `check`.
            sys.exit(MigrationFailedError.exit_code if isinstance(exc.__cause__, RevisionError) else 1)
        except KeyboardInterrupt:
            # While nothing is under way; click would make it exit code 1, which is that of a no.
            click.echo("Interrupted.", err=True)
            sys.exit(130)


class _WithOurs(DatabaseGroup):
    """Its own commands and ours, which are imported when they are asked for: a run is one of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        self._import(_OURS)
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.commands:
            # A name that is none is compared with all of them.
            self._import([cmd_name] if cmd_name in _OURS else _OURS)
        return super().get_command(ctx, cmd_name)

    def _import(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self.commands:
                self.add_command(getattr(import_module(f"app.migrator.cli.{name}"), name))


def database_group(load: Callable[[], Settings]) -> click.Group:
    """The command group `database` (also `db`); what `load` raises is said by the command that is run."""

    @click.group(cls=_WithOurs, name="database", aliases=["db"])
    def group(ctx: click.Context) -> None:
        """Look at the schema of the database, and change it safely.

        Works on the database of MIGRATION_DATABASE_URL, or else of DATABASE_URL. `alembic …` does the same work with
        the same revisions.
        """
        # What is wrong with the settings is for doctor to find.
        if ctx.invoked_subcommand != "doctor":
            ctx.obj = {"app": ctx.obj, **_prepared(ctx, load())}

    add_migration_commands(group)
    for name in (*_LEFT_OUT, *_OURS):
        group.commands.pop(name, None)
    for name in _ASK_FOR_A_MESSAGE:
        _ask_only_on_a_terminal(group.commands[name])
    return group


def _prepared(ctx: click.Context, settings: Settings) -> dict[str, Any]:
    # What Advanced Alchemy's commands say, too: standard output is for data, such as the SQL of `stamp --sql`.
    rich.reconfigure(stderr=True)
    held = contextlib.ExitStack()
    ctx.call_on_close(held.close)

    def engine(*_: object, **__: object) -> AsyncEngine:
        url = held.enter_context(open_migration_database(settings))
        return create_unpooled_engine(url, settings.db_connect_timeout)

    return {"configs": [_alchemy_config(engine)], "settings": settings}


def _ask_only_on_a_terminal(command: click.Command) -> None:
    ask: Callable[..., Any] | None = command.callback

    def run(**parameters: Any) -> Any:  # noqa: ANN401 - the command's own
        if parameters["message"] is None and not parameters["no_prompt"]:
            require_terminal("--message or --no-prompt")
        return ask(**parameters) if ask else None

    command.callback = run


def _alchemy_config(engine: Any) -> SQLAlchemyAsyncConfig:  # noqa: ANN401 - typed by Advanced Alchemy as a str's consumer
    return SQLAlchemyAsyncConfig(
        # Never used: the engine is made from the settings, and by the first command that wants one.
        connection_string="postgresql+asyncpg://",
        create_engine_callable=engine,
        metadata=metadata,
        alembic_config=AlembicAsyncConfig(
            script_config=str(ROOT / "alembic.ini"),
            script_location=str(ROOT / "migrations"),
            version_table_name=VERSION_TABLE,
            compare_type=True,
        ),
    )

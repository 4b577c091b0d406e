"""`litestar database …`: Advanced Alchemy's commands over our Alembic configuration, a few lines a command of ours."""

import contextlib
import sys
from typing import Any

import rich_click as click
from advanced_alchemy.cli import add_migration_commands
from advanced_alchemy.config import AlembicAsyncConfig, SQLAlchemyAsyncConfig
from alembic.util import CommandError
from litestar.cli._utils import LitestarGroup
from sqlalchemy.ext.asyncio import AsyncEngine

from app.core.config import Settings
from app.core.errors import SettingsError
from app.db.engine import create_unpooled_engine, database
from app.db.errors import DatabaseError
from app.db.migrations import runner
from app.db.migrations.config import ROOT, VERSION_TABLE
from app.models import metadata

# Advanced Alchemy's that go past the lock and the revisions, or would make a second environment.
_LEFT_OUT = ("drop-all", "init")


class DatabaseGroup(LitestarGroup):
    """Turns what goes wrong into one message and an exit code that a script can use."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's signature
        try:
            return super().invoke(ctx)
        except (DatabaseError, SettingsError) as exc:
            click.echo(f"Error: {exc}", err=True)
            sys.exit(exc.exit_code)
        except CommandError as exc:
            click.echo(f"Error: {exc}", err=True)
            sys.exit(1)


def database_group(settings: Settings) -> click.Group:
    """The command group `database` (also `db`) for these settings."""
    held = contextlib.ExitStack()

    def engine(*_: object, **__: object) -> AsyncEngine:
        url = held.enter_context(database(settings))
        return create_unpooled_engine(url, settings.db_connect_timeout)

    @click.group(cls=DatabaseGroup, name="database", aliases=["db"])
    def group(ctx: click.Context) -> None:
        """Look at the schema of the database, and change it safely.

        Works on the database of DATABASE_URL. `alembic …` does the same work with the same revisions.
        """
        ctx.obj = {"app": ctx.obj, "configs": [_alchemy_config(engine)], "settings": settings}
        ctx.call_on_close(held.close)

    add_migration_commands(group)
    for name in _LEFT_OUT:
        group.commands.pop(name)
    for command in (upgrade, downgrade):
        group.add_command(command)
    return group


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


_no_prompt = click.option("--no-prompt", is_flag=True, help="Do not ask; for scripts and jobs.")
_sql = click.option("--sql", is_flag=True, help="Print the SQL on standard output and connect to nothing.")


@click.command()
@click.argument("revision", default="head")
@_sql
@_no_prompt
def upgrade(ctx: click.Context, revision: str, sql: bool, no_prompt: bool) -> None:
    """Apply the revisions up to REVISION (default: head).

    Exit codes: 0 applied or nothing to do; 1 declined; 2 a wrong setting or option; 3 a revision failed and was rolled
    back, or is not known; 4 the database cannot be reached.
    """
    if not sql:
        _confirm(f"Upgrade the database to {revision}?", no_prompt)
    runner.upgrade(ctx.obj["settings"], revision, sql=sql)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("revision", default="-1")
@_sql
@_no_prompt
def downgrade(ctx: click.Context, revision: str, sql: bool, no_prompt: bool) -> None:
    """Revert to REVISION (default: -1, one step back). With --sql: a range FROM:TO.

    A downgrade can lose data: prefer restoring a backup or a new revision that mends (migrations/README.md).
    Exit codes as of `upgrade`.
    """
    if not sql:
        _confirm(f"Downgrade the database to {revision}? Data may be lost.", no_prompt)
    runner.downgrade(ctx.obj["settings"], revision, sql=sql)


def _confirm(question: str, no_prompt: bool) -> None:
    if no_prompt:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("There is no terminal to ask on: add --no-prompt.")
    click.confirm(question, abort=True, err=True)

"""The group `litestar database`: Advanced Alchemy's commands with the engine's configuration, and the engine's own."""

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import rich
import rich_click as click
from advanced_alchemy.cli import add_migration_commands
from advanced_alchemy.config import AlembicAsyncConfig, SQLAlchemyAsyncConfig
from click import get_current_context
from sqlalchemy.ext.asyncio import AsyncEngine

from ...postgres.engine import create_unpooled_engine
from ..config import MigratorConfig
from ..revisions.alembic_config import alembic_config
from .group import COMMANDS, MigratorGroup, load_for_command
from .options import require_terminal

if TYPE_CHECKING:
    # Only `doctor` imports it.
    from ..doctor.finding import Finding

# Advanced Alchemy's commands that bypass the lock or the revisions, make a second environment, or back up only a part.
_LEFT_OUT = ("drop-all", "ensure-version", "init", "list-templates", "dump-data")


def database_group(load: Callable[[], MigratorConfig], examine: Callable[[], "list[Finding]"]) -> click.Group:
    """Return the command group `database` (also `db`); the called command reports what `load` raises.

    `examine` is the function that `doctor` calls.
    """

    @click.group(cls=MigratorGroup, name="database", aliases=["db"])
    def group() -> None:
        """Look at the schema of the database, and change it safely.

        Works on the database of MIGRATION_DATABASE_URL, or else of DATABASE_URL. `alembic …` does the same work with
        the same revisions.
        """
        ctx = get_current_context()
        ctx.obj = {"app": ctx.obj, **load_for_command(load, examine)}
        if config := ctx.obj.get("config"):
            ctx.obj["configs"] = [_alchemy_config(_engine(ctx, config), config)]

    add_migration_commands(group)
    for name in (*_LEFT_OUT, *COMMANDS):
        group.commands.pop(name, None)
    _ask_only_on_a_terminal(group.commands["merge"])
    return group


def _engine(ctx: click.Context, config: MigratorConfig) -> Callable[..., AsyncEngine]:
    # Advanced Alchemy's messages go there, too: standard output is for data, such as the SQL of `stamp --sql`.
    rich.reconfigure(stderr=True)
    held = contextlib.ExitStack()
    ctx.call_on_close(held.close)

    def engine(*_: object, **__: object) -> AsyncEngine:
        url = held.enter_context(config.open_database())
        return create_unpooled_engine(url, config.connect_timeout, config.application)

    return engine


def _ask_only_on_a_terminal(command: click.Command) -> None:
    # It asks for a message if none is given.
    ask: Callable[..., Any] | None = command.callback

    def run(**parameters: Any) -> Any:  # noqa: ANN401 - the command's own
        if parameters["message"] is None and not parameters["no_prompt"]:
            require_terminal("--message or --no-prompt")
        return ask(**parameters) if ask else None

    command.callback = run


def _alchemy_config(engine: Any, config: MigratorConfig) -> SQLAlchemyAsyncConfig:  # noqa: ANN401 - typed by Advanced Alchemy as a str's consumer
    return SQLAlchemyAsyncConfig(
        # Never used: the first command that needs an engine creates it from the settings.
        connection_string="postgresql+asyncpg://",
        create_engine_callable=engine,
        metadata=config.metadata,
        alembic_config=AlembicAsyncConfig(
            script_config=str(config.alembic_ini),
            script_location=alembic_config(config).get_alembic_option("script_location", "migrations"),
            version_table_name=config.version_table,
            version_table_schema=config.version_table_schema,
            compare_type=True,
        ),
    )

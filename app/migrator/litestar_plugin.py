"""Plug the engine into a Litestar application, with Advanced Alchemy's `SQLAlchemyPlugin` or without it."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from litestar.config.app import AppConfig
from litestar.plugins import CLIPlugin, InitPlugin

from .config import MigratorConfig
from .execution.startup import upgrade_at_start
from .phase import Phase
from .revisions.alembic_config import read_config

if TYPE_CHECKING:
    from click import Group

    from .doctor.finding import Finding


class MigratorPlugin(InitPlugin):
    """A plugin that gives an application `litestar database …`, and upgrades the database when the application starts.

    `alembic_ini` names the project's Alembic configuration, whose `env.py` calls `run_environment`. `at_start` is the
    last phase that a start applies; with None it applies nothing. List it after `SQLAlchemyPlugin`, whose command group
    it replaces.
    """

    def __init__(self, alembic_ini: Path | str = "alembic.ini", *, at_start: Phase | None = None) -> None:
        self._load = cache(lambda: read_config(Path(alembic_ini)))
        self._at_start = at_start

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Have the application upgrade its database before it serves, and add the commands."""
        # SQLAlchemyPlugin has already added its commands: the last plugin wins.
        app_config.plugins.append(_Commands(self._load))
        if self._at_start is not None:
            app_config.on_startup.insert(0, self._upgrade)
        return app_config

    async def _upgrade(self) -> None:
        assert self._at_start is not None, "on_app_init"
        await upgrade_at_start(self._load(), self._at_start)


class _Commands(CLIPlugin):
    """The command group `database`."""

    def __init__(self, load: Callable[[], MigratorConfig]) -> None:
        self._load = load

    def on_cli_init(self, cli: "Group") -> None:
        # Imported here because a server needs no command line.
        from .cli.litestar_group import database_group  # noqa: PLC0415

        cli.add_command(database_group(self._load, self._examine))

    def _examine(self) -> "list[Finding]":
        # Imported here because no other command needs it.
        from .cli.main import examine_config  # noqa: PLC0415

        return examine_config(self._load())

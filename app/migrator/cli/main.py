"""The engine's command line for a project that has no other: `python -m plimsoll_migrator`."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import rich_click as click
from click import get_current_context

from ..config import MigratorConfig
from ..log import log_through_logging
from ..revisions.alembic_config import read_config
from .group import MigratorGroup, load_for_command

if TYPE_CHECKING:
    from ..doctor.finding import Finding


@click.group(cls=MigratorGroup)
@click.option(
    "-c",
    "--config",
    "alembic_ini",
    type=click.Path(path_type=Path),
    default=Path("alembic.ini"),
    show_default=True,
    help="Alembic's configuration; its env.py says which database and which models.",
)
def main(alembic_ini: Path) -> None:
    """Look at the schema of the database, and change it safely.

    `alembic …` does the rest: stamp, merge.
    """
    log_through_logging()
    load = cache(lambda: read_config(alembic_ini))
    get_current_context().obj = load_for_command(load, lambda: examine_config(load()))


def examine_config(config: MigratorConfig) -> "list[Finding]":
    """Return the findings of `doctor` about the project's database."""
    # Imported here because no other command needs it.
    from ..doctor.checks import examine  # noqa: PLC0415
    from ..doctor.finding import CheckLimits  # noqa: PLC0415
    from ..doctor.target import ConnectionTarget  # noqa: PLC0415

    with config.open_database() as url:
        return examine(config, [ConnectionTarget(url.variable, url)], CheckLimits())

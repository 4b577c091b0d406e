"""A small Alembic project of somebody else's, with the engine in its env.py, for tests within this process."""

import textwrap
from pathlib import Path

from app.migrator import MigratorConfig, read_config

ENV = """\
import sqlalchemy as sa

from app.migrator import MigratorConfig, Phase, run_environment

metadata = sa.MetaData()
{models}

run_environment(lambda: MigratorConfig.from_environment(metadata, default_phase=Phase.EXPAND{fields}))
"""
REVISION = """\
import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {before!r}
{extra}

def upgrade():
{upgrade}


def downgrade():
{downgrade}
"""
TEMPLATE = """\
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}

def upgrade():
    ${upgrades if upgrades else "pass"}

def downgrade():
    ${downgrades if downgrades else "pass"}
"""


class PlainProject:
    """A project in the folder `root`, which has no revisions and no models yet; `ini` is its alembic.ini."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ini = root / "alembic.ini"
        self.head: str | None = None
        self.versions = root / "migrations" / "versions"
        self.versions.mkdir(parents=True)
        self.ini.write_text("[alembic]\nscript_location = %(here)s/migrations\n")
        (root / "migrations" / "script.py.mako").write_text(TEMPLATE)
        self.define()

    def define(self, models: str = "", fields: str = "") -> None:
        """Write env.py with the code of these models, and these fields of MigratorConfig."""
        code = ENV.format(models=textwrap.dedent(models), fields=f", {fields}" if fields else "")
        (self.root / "migrations" / "env.py").write_text(code)

    def add(self, revision: str, upgrade: str, downgrade: str = "pass", extra: str = "") -> str:
        """Write the next revision, and return its id."""
        code = REVISION.format(
            revision=revision,
            before=self.head,
            extra=extra,
            upgrade=textwrap.indent(textwrap.dedent(upgrade), "    "),
            downgrade=textwrap.indent(textwrap.dedent(downgrade), "    "),
        )
        (self.versions / f"{len(list(self.versions.glob('*.py'))):04}.py").write_text(code)
        self.head = revision
        return revision

    @property
    def config(self) -> MigratorConfig:
        """Return the configuration that the project's env.py hands over."""
        return read_config(self.ini)

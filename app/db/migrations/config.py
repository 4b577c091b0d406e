"""Where the revisions are, and the Alembic configuration that every way of migrating uses."""

from pathlib import Path
from typing import TextIO

from alembic.config import Config
from alembic.script import ScriptDirectory

from app.core.config import Settings

ROOT = Path(__file__).resolve().parents[3]
VERSION_TABLE = "alembic_version"
_SETTINGS = "settings"


def alembic_config(settings: Settings, output: TextIO | None = None) -> Config:
    """Alembic's configuration, with the Settings that `migrations/env.py` then uses instead of reading them again."""
    config = Config(ROOT / "alembic.ini", output_buffer=output, attributes={_SETTINGS: settings})
    if output is not None:
        config.stdout = output
    return config


def settings_of(config: Config) -> Settings:
    """The Settings of a configuration of ours; of one made by the `alembic` command, the environment's."""
    settings = config.attributes.get(_SETTINGS)
    return settings if isinstance(settings, Settings) else Settings.load()


def scripts(settings: Settings) -> ScriptDirectory:
    return ScriptDirectory.from_config(alembic_config(settings))


def has_revisions(directory: ScriptDirectory) -> bool:
    return directory.get_base() is not None or bool(directory.get_bases())

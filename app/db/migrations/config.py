"""Where the revisions are, and the Alembic configuration that every way of migrating uses."""

import hashlib
import traceback
from pathlib import Path

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from app.core.config import Phase, Settings
from app.db.errors import MigrationFailedError, cause_of

ROOT = Path(__file__).resolve().parents[3]
VERSION_TABLE = "alembic_version"
_SETTINGS = "settings"


def alembic_config(settings: Settings) -> Config:
    """Alembic's configuration, with the Settings that `migrations/env.py` then uses instead of reading them again."""
    return Config(ROOT / "alembic.ini", attributes={_SETTINGS: settings})


def settings_of(config: Config) -> Settings:
    """The Settings of a configuration of ours; of one made by the `alembic` command, the environment's."""
    settings = config.attributes.get(_SETTINGS)
    return settings if isinstance(settings, Settings) else Settings.load()


def scripts(settings: Settings) -> ScriptDirectory:
    """The revisions, read. Raises MigrationFailedError, which names the file that cannot be."""
    return checked(ScriptDirectory.from_config(alembic_config(settings)))


def checked(directory: ScriptDirectory) -> ScriptDirectory:
    """The directory itself, once its files have been read, which Alembic puts off. Raises as `scripts`."""
    try:
        directory.get_bases()
    except CommandError as exc:
        raise MigrationFailedError(f"The revisions cannot be read: {exc}") from exc
    except Exception as exc:
        files = [frame.filename for frame in traceback.extract_tb(exc.__traceback__)]
        files += [exc.filename] if isinstance(exc, SyntaxError) and exc.filename else []
        ours = [file for file in files if Path(file).parent.name == "versions"]
        where = ours[-1] if ours else directory.dir
        raise MigrationFailedError(f"{where} cannot be imported: {type(exc).__name__}: {cause_of(exc)}") from exc
    for script in directory.walk_revisions():
        phase_of(script)
    return directory


def phase_of(script: Script) -> Phase:
    """What the revision declares itself to be. Raises MigrationFailedError where it declares nothing."""
    try:
        return Phase(str(getattr(script.module, "phase", None)))
    except ValueError:
        raise MigrationFailedError(
            f"Revision {script.revision} ({script.path}) declares no phase. Write"
            ' `phase = "expand"` if the previous release still works after it, or else `phase = "contract"`.'
        ) from None


def checksum_of(script: Script) -> str:
    """SHA-256 of the revision's file, in hexadecimal digits."""
    return hashlib.sha256(Path(script.path).read_bytes()).hexdigest()


def has_revisions(directory: ScriptDirectory) -> bool:
    return bool(directory.get_bases())

"""Where the revisions are, and the Alembic configuration that every way of migrating uses."""

import hashlib
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import MultipleHeads, RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection

from app.core.config import Phase, Settings
from app.db.settings import load_settings
from app.migrator.backfill.definition import check_definitions
from app.migrator.revisions.ids import REMEDY, faults_of_ids
from app.migrator.session.signals import Breaker
from app.postgres.errors import MigrationFailedError, cause_of
from app.postgres.settings_error import SettingsError

ROOT = Path(__file__).resolve().parents[3]
VERSION_TABLE = "alembic_version"
HISTORY_TABLE = "schema_history"
BACKFILL_TABLE = "schema_backfills"
# The engine's own: no model, and no difference between the models and a database.
ENGINE_TABLES = frozenset({VERSION_TABLE, HISTORY_TABLE, BACKFILL_TABLE})


# Said once, so that the offline and the online mode cannot come to differ.
OPTIONS: dict[str, Any] = {
    "version_table": VERSION_TABLE,
    "transaction_per_migration": True,
}
_SETTINGS = "settings"
_SCOPE = "scope"
# The arguments that `alembic -x` takes.
_ACCEPTED = "accept-data-loss"
_PHASES = {f"phase={phase}": phase for phase in Phase}


@dataclass(frozen=True)
class Scope:
    """How far a command may go: the last phase that it applies, and whether a downgrade may lose data.

    `automatic` is said by start-up, where nobody has asked for the revisions. With `preview` nothing is changed: it is
    called with the revisions that would be reverted, and the connection to look at what they hold. `agreed` are those
    that somebody was shown, and no others are applied or reverted; without it, those that were to be when the command
    began.
    `breaker` is for who may want to break it off from another thread.
    """

    phase: Phase = Phase.CONTRACT
    accept_data_loss: bool = False
    automatic: bool = False
    preview: Callable[[Connection, list[Script]], None] | None = None
    agreed: frozenset[str] | None = None
    breaker: Breaker | None = None


def alembic_config(settings: Settings, scope: Scope | None = None) -> Config:
    """Alembic's configuration, with what `migrations/env.py` then uses instead of reading it from the environment."""
    return Config(ROOT / "alembic.ini", attributes={_SETTINGS: settings, _SCOPE: scope or Scope()})


def scope_of(config: Config) -> Scope:
    """The scope of a configuration of ours; of the `alembic` command, what its `-x` arguments say.

    Raises SettingsError for one that there is not.
    """
    scope = config.attributes.get(_SCOPE)
    if isinstance(scope, Scope):
        return scope
    # As they stand: what `accept-data-loss=no` means is not to be guessed.
    arguments = getattr(config.cmd_opts, "x", None) or ()
    unknown = [argument for argument in arguments if argument != _ACCEPTED and argument not in _PHASES]
    if unknown:
        raise SettingsError(f"-x {unknown[0]}", "is not known", "There are: -x phase=expand, -x accept-data-loss.")
    phases = [_PHASES[argument] for argument in arguments if argument in _PHASES]
    return Scope(phases[-1] if phases else Phase.CONTRACT, accept_data_loss=_ACCEPTED in arguments)


def settings_of(config: Config) -> Settings:
    """The Settings of a configuration of ours; of one made by the `alembic` command, the environment's."""
    settings = config.attributes.get(_SETTINGS)
    return settings if isinstance(settings, Settings) else load_settings(serving=False)


def require_destination(revision: str) -> None:
    """Raises MigrationFailedError for what is no place to go to: nothing, or a range, which is for printed SQL."""
    if not revision or ":" in revision:
        raise MigrationFailedError(
            f"{revision!r} names no revision. `litestar database history` lists them, and `head` is the newest; a range"
            " FROM:TO is for --sql."
        )


def scripts(settings: Settings) -> ScriptDirectory:
    """The revisions, read. Raises MigrationFailedError, which names the file that cannot be."""
    return checked(unread_scripts(settings))


def unread_scripts(settings: Settings) -> ScriptDirectory:
    """Return the revisions before any file is read."""
    return ScriptDirectory.from_config(alembic_config(settings))


def checked(directory: ScriptDirectory) -> ScriptDirectory:
    """The directory itself, once its files have been read, which Alembic puts off. Raises as `scripts`."""
    for fault in faults_of_ids(directory):
        raise MigrationFailedError(f"{fault.path}: the revision id {fault.revision!r} {fault.what}. {REMEDY}")
    try:
        directory.get_bases()
    except (CommandError, RevisionError) as exc:
        raise MigrationFailedError(f"The revisions cannot be read: {exc}") from exc
    # Of a module that ends the program, too: with its exit code nothing would have been done, and nobody told.
    except (Exception, SystemExit) as exc:
        files = [frame.filename for frame in traceback.extract_tb(exc.__traceback__)]
        files += [exc.filename] if isinstance(exc, SyntaxError) and exc.filename else []
        ours = [file for file in files if Path(file).parent.name == "versions"]
        if not ours and isinstance(exc, KeyError):
            raise MigrationFailedError(
                f"The revisions cannot be read: one comes after {exc} (down_revision), of which there is no file."
            ) from exc
        where = ours[-1] if ours else directory.dir
        raise MigrationFailedError(f"{where} cannot be imported: {type(exc).__name__}: {cause_of(exc)}") from exc
    for script in directory.walk_revisions():
        phase_of(script)
        if not callable(getattr(script.module, "upgrade", None)):
            raise MigrationFailedError(f"Revision {script.revision} ({script.path}) has no upgrade().")
    check_definitions(directory)
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


JOIN_HEADS = "litestar database merge heads --message 'join the heads'"


def several_heads(directory: ScriptDirectory) -> str | None:
    """Return what is to be said of more heads than one, and None where there is one."""
    heads = directory.get_heads()
    if len(heads) < 2:  # noqa: PLR2004 - one is right
        return None
    return (
        f"there are {len(heads)} heads ({', '.join(heads)}), so that `head` does not say which is meant. Join them:"
        f" `{JOIN_HEADS}` (or `alembic merge heads -m 'join the heads'`), then upgrade"
    )


def in_words(exc: CommandError | RevisionError, directory: ScriptDirectory) -> str:
    """Return Alembic's message, or a better one where it says nothing of what to do."""
    if isinstance(exc, MultipleHeads) or isinstance(exc.__cause__, MultipleHeads):
        return f"Nothing was done: {several_heads(directory) or exc}."
    if str(exc) == "Ambiguous walk":
        return "Several revisions lie there: name the one that is meant. `litestar database history` lists them."
    return str(exc)


def oldest_first(directory: ScriptDirectory) -> list[Script]:
    return list(directory.walk_revisions())[::-1]


def is_within(script: Script, phase: Phase) -> bool:
    """Whether an upgrade that goes no further than `phase` applies the revision."""
    return phase is Phase.CONTRACT or phase_of(script) is Phase.EXPAND


def checksum_of(script: Script) -> str:
    """SHA-256 of the revision's file, in hexadecimal digits."""
    return hashlib.sha256(Path(script.path).read_bytes()).hexdigest()


def has_revisions(directory: ScriptDirectory) -> bool:
    return bool(directory.get_bases())

"""Find and load the revisions, with the Alembic configuration that every command uses."""

import hashlib
import io
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import MultipleHeads, RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection

from ...postgres.errors import MigrationFailedError, error_summary
from ...postgres.settings_error import SettingsError
from ..alembic_lock import ALEMBIC_LOCK
from ..backfill.definition import check_definitions
from ..command_names import command
from ..config import MigratorConfig
from ..engine_tables import version_table_options
from ..phase import Phase
from ..signals import Canceller
from .ids import REMEDY, find_id_faults

_CONFIG = "migrator"
_TOML, _TOML_SECTION = "pyproject.toml", "[tool.alembic"
_OPTIONS = "scope"
_CONFIG_REQUEST = "asking for the configuration"
# The arguments for `alembic -x`.
_ACCEPT_DATA_LOSS = "accept-data-loss"
_PHASES = {f"phase={phase}": phase for phase in Phase}
_OUR_ARGUMENTS = (_ACCEPT_DATA_LOSS, "phase")
# Two names that are less alike than this are so by chance.
_ALIKE = 0.8


def alembic_options() -> dict[str, Any]:
    """Return the options of Alembic's context, which are the same for the offline and the online mode."""
    return {**version_table_options(), "transaction_per_migration": True}


@dataclass(frozen=True)
class RunOptions:
    """How far one command may go.

    `phase` is the last phase that it applies. `accept_data_loss` lets a downgrade lose data. `automatic` is set by a
    start, for which nobody has asked by name. `agreed` are the revisions that somebody was shown: no others are applied
    or reverted. Without it these are the ones that were planned when the command began. With `preview` nothing is
    changed: it is called with a connection and the revisions that would be reverted. `canceller` is for a caller that
    may want to stop the command from another thread.
    """

    phase: Phase = Phase.CONTRACT
    accept_data_loss: bool = False
    automatic: bool = False
    preview: Callable[[Connection, list[Script]], None] | None = None
    agreed: frozenset[str] | None = None
    canceller: Canceller | None = None


def alembic_config(config: MigratorConfig, options: RunOptions | None = None) -> Config:
    """Return Alembic's configuration, with the engine's, which `env.py` uses instead of reading the environment."""
    assert config.alembic_ini is not None, "read_config and env.py set it"
    return _read_files(config.alembic_ini, {_CONFIG: config, _OPTIONS: options or RunOptions()})


def _read_files(file: Path, attributes: dict[str, Any]) -> Config:
    """Return Alembic's configuration from its ini file, its section of pyproject.toml, or both, as Alembic does."""
    ini = file.with_name("alembic.ini") if file.name == _TOML else file
    beside = (file.with_name(_TOML), Path(_TOML))
    toml = next((found for found in beside if found.is_file() and _TOML_SECTION in found.read_text()), None)
    return Config(ini if ini.is_file() else None, toml_file=toml, attributes=attributes)


def run_options_of(config: Config) -> RunOptions:
    """Return the options of the engine's own command, or those that the `-x` arguments of `alembic` give.

    What another argument means is the project's affair. Raises SettingsError for one that is nearly ours: a downgrade
    or a contract revision must not rest on a slip.
    """
    options = config.attributes.get(_OPTIONS)
    if isinstance(options, RunOptions):
        return options
    # Only these exact words: the meaning of `accept-data-loss=no` must not be guessed.
    arguments = getattr(config.cmd_opts, "x", None) or ()
    for argument in arguments:
        name = argument.partition("=")[0].lower().replace("_", "-")
        is_ours = argument == _ACCEPT_DATA_LOSS or argument in _PHASES
        if not is_ours and get_close_matches(name, _OUR_ARGUMENTS, cutoff=_ALIKE):
            raise SettingsError(f"-x {argument}", "is not known", "There are: -x phase=expand, -x accept-data-loss.")
    phases = [_PHASES[argument] for argument in arguments if argument in _PHASES]
    return RunOptions(phases[-1] if phases else Phase.CONTRACT, accept_data_loss=_ACCEPT_DATA_LOSS in arguments)


def handed_config(alembic: Config) -> MigratorConfig | None:
    """Return the configuration that one of the engine's own commands hands to `env.py`; None under `alembic`."""
    config = alembic.attributes.get(_CONFIG)
    return config if isinstance(config, MigratorConfig) else None


def read_config(alembic_ini: Path) -> MigratorConfig:
    """Return the configuration that the project's `env.py` hands over; run no revision. Raises SettingsError."""
    found: list[MigratorConfig] = []
    alembic = _read_files(alembic_ini, {_CONFIG_REQUEST: found})
    if alembic.config_file_name is None and alembic.toml_file_name is None:
        raise SettingsError(
            str(alembic_ini),
            "is not there, and no pyproject.toml with [tool.alembic]",
            "Name the file of the project: -c FILE.",
        )
    try:
        directory = ScriptDirectory.from_config(alembic)
        # In the mode of printed SQL an env.py that is not ours connects to nothing.
        offline = EnvironmentContext(alembic, directory, fn=lambda *_: [], as_sql=True, output_buffer=io.StringIO())
        with ALEMBIC_LOCK, offline:
            directory.run_env()
    except CommandError as exc:
        raise SettingsError(str(alembic_ini), f"cannot be used: {exc}", "`alembic heads` reads it, too.") from exc
    if not found:
        raise SettingsError(
            f"{directory.env_py_location}", "does not call run_environment()", "README.md of the engine has its lines."
        )
    return found[0]


def answer_config_request(alembic: Config, config: MigratorConfig) -> bool:
    """Hand the configuration to `read_config` and return True if that is what runs `env.py`."""
    asking = alembic.attributes.get(_CONFIG_REQUEST)
    if asking is None:
        return False
    asking.append(config)
    return True


def require_destination(revision: str) -> None:
    """Raise MigrationFailedError for an empty destination, and for a range, which only printed SQL takes."""
    if not revision or ":" in revision:
        raise MigrationFailedError(
            f"{revision!r} names no revision. `{command('history')}` lists them, and `head` is the newest; a range"
            " FROM:TO is for --sql."
        )


def load_revisions(config: MigratorConfig) -> ScriptDirectory:
    """Return the checked revisions; this process reads them again only after a file has changed.

    Raises MigrationFailedError, which names the file that cannot be read.
    """
    directory = open_revisions(config)
    state = (config.default_phase, _file_states(directory))
    if (loaded := _loaded.get(state)) is not None:
        return loaded
    check_revisions(directory, config.default_phase)
    _loaded.clear()
    _loaded[state] = directory
    return directory


# One entry at most: a server loads them several times at its start, and the files do not change afterwards.
_loaded: dict[object, ScriptDirectory] = {}


def _file_states(directory: ScriptDirectory) -> frozenset[tuple[str, int, int]]:
    """Return each file that is read, with the time of its last change in nanoseconds and its size in bytes."""
    folders = {Path(directory.dir), *map(Path, directory.version_locations)}
    files = {file: file.stat() for folder in folders for file in folder.rglob("*.py") if file.exists()}
    return frozenset((str(file), found.st_mtime_ns, found.st_size) for file, found in files.items())


def open_revisions(config: MigratorConfig) -> ScriptDirectory:
    """Return the directory of the revisions before any file is read."""
    return ScriptDirectory.from_config(alembic_config(config))


def check_revisions(directory: ScriptDirectory, default_phase: Phase | None = None) -> ScriptDirectory:
    """Read the files, which Alembic would put off, and return the directory. Raises what `load_revisions` raises.

    A revision that declares no phase gets the default one.
    """
    for fault in find_id_faults(directory):
        raise MigrationFailedError(f"{fault.path}: the revision id {fault.revision!r} {fault.what}. {REMEDY}")
    try:
        directory.get_bases()
    except (CommandError, RevisionError) as exc:
        raise MigrationFailedError(f"The revisions cannot be read: {exc}") from exc
    # SystemExit, too: a module that ends the program would end it without any message.
    except (Exception, SystemExit) as exc:
        files = [frame.filename for frame in traceback.extract_tb(exc.__traceback__)]
        files += [exc.filename] if isinstance(exc, SyntaxError) and exc.filename else []
        ours = [file for file in files if Path(file).parent.name == "versions"]
        if not ours and isinstance(exc, KeyError):
            raise MigrationFailedError(
                f"The revisions cannot be read: one comes after {exc} (down_revision), of which there is no file."
            ) from exc
        where = ours[-1] if ours else directory.dir
        raise MigrationFailedError(f"{where} cannot be imported: {type(exc).__name__}: {error_summary(exc)}") from exc
    for script in directory.walk_revisions():
        if default_phase is not None and not hasattr(script.module, "phase"):
            vars(script.module)["phase"] = default_phase
        phase_of(script)
        if not callable(getattr(script.module, "upgrade", None)):
            raise MigrationFailedError(f"Revision {script.revision} ({script.path}) has no upgrade().")
    check_definitions(directory)
    return directory


def phase_of(script: Script) -> Phase:
    """Return the phase that the revision declares. Raises MigrationFailedError where it declares none."""
    try:
        return Phase(str(getattr(script.module, "phase", None)))
    except ValueError:
        raise MigrationFailedError(
            f"Revision {script.revision} ({script.path}) declares no phase. Write"
            ' `phase = "expand"` if the previous release still works after it, or else `phase = "contract"`.'
        ) from None


def join_heads() -> str:
    """Return the command that joins several heads."""
    return f"{command('merge')} heads --message 'join the heads'"


def describe_several_heads(directory: ScriptDirectory) -> str | None:
    """Return a message that names the heads and says how to join them; None where there is one head."""
    heads = directory.get_heads()
    if len(heads) < 2:  # noqa: PLR2004 - one is right
        return None
    return (
        f"there are {len(heads)} heads ({', '.join(heads)}), so that `head` does not say which is meant. Join them:"
        f" `{join_heads()}` (or `alembic merge heads -m 'join the heads'`), then upgrade"
    )


def explain_alembic_error(exc: CommandError | RevisionError, directory: ScriptDirectory) -> str:
    """Return Alembic's message, or a better one where that does not say what to do."""
    if isinstance(exc, MultipleHeads) or isinstance(exc.__cause__, MultipleHeads):
        return f"Nothing was done: {describe_several_heads(directory) or exc}."
    if str(exc) == "Ambiguous walk":
        return f"Several revisions lie there: name the one that is meant. `{command('history')}` lists them."
    return str(exc)


def oldest_first(directory: ScriptDirectory) -> list[Script]:
    return list(directory.walk_revisions())[::-1]


def is_up_to(script: Script, phase: Phase) -> bool:
    """Return whether an upgrade that goes no further than `phase` applies the revision."""
    return phase is Phase.CONTRACT or phase_of(script) is Phase.EXPAND


def checksum_of(script: Script) -> str:
    """Return the SHA-256 of the revision's file in hexadecimal digits."""
    return hashlib.sha256(Path(script.path).read_bytes()).hexdigest()


def has_revisions(directory: ScriptDirectory) -> bool:
    return bool(directory.get_bases())

"""Hand the engine's configuration and the options of a command through Alembic's `Config`, to `env.py` and back."""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from ...postgres.settings_error import SettingsError
from ..autogenerate.rename_answers import RenameAnswers
from ..config import MigratorConfig
from ..engine_tables import version_table_options
from ..locking.alembic_lock import ALEMBIC_LOCK
from ..phase import Phase
from ..signals import Canceller

_CONFIG = "migrator"
_TOML, _TOML_SECTION = "pyproject.toml", "[tool.alembic"
_OPTIONS = "run_options"
_CONFIG_REQUEST = "asking for the configuration"
# The arguments for `alembic -x`.
_ACCEPT_DATA_LOSS = "accept-data-loss"
_PHASES = {f"phase={phase}": phase for phase in Phase}
_RENAMES = ("rename", "not-renamed")
_OUR_ARGUMENTS = (_ACCEPT_DATA_LOSS, "phase", *_RENAMES)
_THERE_ARE = "There are: -x phase=expand, -x accept-data-loss, -x rename=TABLE.OLD:NEW, -x not-renamed=TABLE.OLD:NEW."
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
    changed: it is called with a connection and the revisions that would be reverted. `rehearse` is called with those
    that would be applied, in place of applying them, when the lock is held. `canceller` is for a caller that may want
    to stop the command from another thread. `baselines` is the folder whose baselines count, instead of the project's.
    With `skips_empty` a generation without any operation writes no revision.
    """

    phase: Phase = Phase.CONTRACT
    accept_data_loss: bool = False
    automatic: bool = False
    preview: Callable[[Connection, list[Script]], None] | None = None
    rehearse: Callable[[Connection, list[Script]], None] | None = None
    agreed: frozenset[str] | None = None
    canceller: Canceller | None = None
    baselines: Path | None = None
    skips_empty: bool = False


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
        is_ours = is_ours or argument.startswith(tuple(f"{option}=" for option in _RENAMES))
        if not is_ours and get_close_matches(name, _OUR_ARGUMENTS, cutoff=_ALIKE):
            raise SettingsError(f"-x {argument}", "is not known", _THERE_ARE)
    phases = [_PHASES[argument] for argument in arguments if argument in _PHASES]
    return RunOptions(phases[-1] if phases else Phase.CONTRACT, accept_data_loss=_ACCEPT_DATA_LOSS in arguments)


def read_rename_answers(config: Config) -> RenameAnswers:
    """Return what the `-x` arguments of `alembic` say was renamed; what they leave open may be asked on a terminal."""
    arguments = getattr(config.cmd_opts, "x", None) or ()
    renamed, not_renamed = (
        tuple(argument.removeprefix(f"{option}=") for argument in arguments if argument.startswith(f"{option}="))
        for option in _RENAMES
    )
    return RenameAnswers(renamed, not_renamed, asks=config.cmd_opts is not None and sys.stdin.isatty())


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
    requested = alembic.attributes.get(_CONFIG_REQUEST)
    if requested is None:
        return False
    requested.append(config)
    return True

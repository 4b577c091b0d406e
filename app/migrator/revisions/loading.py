"""Find, check and load the revisions."""

import traceback
from copy import copy
from pathlib import Path

from alembic.script import Script, ScriptDirectory
from alembic.script.revision import MultipleHeads, ResolutionError, RevisionError, RevisionMap
from alembic.util import CommandError

from ...postgres.errors import MigrationFailedError, error_summary
from ..backfill.definition import check_definitions
from ..command_names import command
from ..config import MigratorConfig
from ..phase import Phase
from .alembic_config import alembic_config
from .baselines import check_baselines, is_baseline
from .ids import REMEDY, faults_of, ids_in_files, revision_files
from .requirements import requirements_of


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


def copy_revisions(config: MigratorConfig) -> RevisionMap:
    """Return the checked revisions for one command, which may add some. Raises what `load_revisions` raises."""
    scripts = sorted(load_revisions(config).walk_revisions(), key=lambda script: script.path)
    return RevisionMap(lambda: [copy(script) for script in scripts])


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
    declared = ids_in_files(revision_files(directory))
    for fault in faults_of(declared):
        raise MigrationFailedError(f"{fault.path}: the revision id {fault.revision!r} {fault.what}. {REMEDY}")
    check_baselines(directory, set(declared.values()))
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
        requirements_of(script)
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
    if isinstance(exc, ResolutionError):
        # As Alembic's commands say it.
        return f"Can't locate revision identified by {exc.argument!r}"
    return str(exc)


def oldest_first(directory: ScriptDirectory) -> list[Script]:
    return list(directory.walk_revisions())[::-1]


def is_up_to(script: Script, phase: Phase) -> bool:
    """Return whether an upgrade that goes no further than `phase` applies the revision.

    A baseline is always applied: it runs in an empty database alone, in which no earlier release works.
    """
    return phase is Phase.CONTRACT or is_baseline(script) or phase_of(script) is Phase.EXPAND


def has_revisions(directory: ScriptDirectory) -> bool:
    return bool(directory.get_bases())

"""Baselines: files of which each makes in an empty database what the revisions up to one of them make.

A baseline has the id of the last revision that it replaces, and no revision before it. While the replaced files are
there, Alembic knows nothing of it: an upgrade of an empty database takes it in their place, and all else sees the
revisions. When the replaced files are deleted, it moves into their folder, and is that revision.
"""

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import structlog
from alembic.script import Script, ScriptDirectory
from alembic.script.revision import RevisionMap
from alembic.util import load_python_file

from ...postgres.errors import MigrationFailedError, error_summary
from ..command_names import command
from .checksum import DIGITS, checksum_of
from .ids import id_in_file

FOLDER = "baselines"

log = structlog.stdlib.get_logger(__name__)


def replaced_checksums(script: Script) -> Mapping[str, str]:
    """Return the revisions that a baseline replaces, each with the beginning of its file's checksum; else none."""
    found = getattr(script.module, "replaces", None)
    return found if isinstance(found, dict) else {}


def made_by(script: Script) -> list[str]:
    """Return the revisions that this one makes: itself and, of a baseline, all that it replaces."""
    return sorted({script.revision, *replaced_checksums(script)})


def is_baseline(script: Script) -> bool:
    return bool(replaced_checksums(script))


def replaced_by(directory: ScriptDirectory) -> dict[str, Script]:
    """Return the revisions whose files are deleted, and the baseline that has taken the place of each."""
    known = list(directory.walk_revisions())
    ours = {script.revision for script in known}
    return {name: script for script in known for name in replaced_checksums(script) if name not in ours}


def find_baseline(directory: ScriptDirectory, planned: Collection[str], folder: Path | None = None) -> Script | None:
    """Return the baseline that replaces most of the planned revisions, and no other; None if there is none.

    `folder` is where to look instead of in the project's own. One that replaces what has changed since is left out.
    """
    deleted = set(replaced_by(directory))
    found = [one for one in load_baselines(directory, folder) if set(replaced_checksums(one)) <= {*planned, *deleted}]
    for script in sorted(found, key=lambda one: -len(replaced_checksums(one))):
        changed = changed_since(directory, script)
        if not changed:
            return script
        log.warning(
            "a baseline is not used, because revisions that it replaces have changed since it was written",
            baseline=script.path,
            changed=changed,
        )
    return None


def changed_since(directory: ScriptDirectory, baseline: Script) -> list[str]:
    """Return the revisions that have changed, have come or have gone since the baseline was written, oldest first."""
    deleted = replaced_by(directory)
    before = {name: checksum for name, checksum in replaced_checksums(baseline).items() if name not in deleted}
    now = {one.revision: checksum_of(one)[:DIGITS] for one in replaced_scripts(directory, baseline)}
    return [name for name in (*now, *(set(before) - set(now))) if before.get(name) != now.get(name)]


def replaced_scripts(directory: ScriptDirectory, baseline: Script) -> list[Script]:
    """Return the revisions that lead to the baseline's, oldest first; none where the baseline itself is that one."""
    known = {script.revision: script for script in directory.walk_revisions()}
    last = known.get(baseline.revision)
    if last is None or is_baseline(last):
        return []
    return list(directory.iterate_revisions(baseline.revision, "base"))[::-1]


def load_baselines(directory: ScriptDirectory, folder: Path | None = None) -> list[Script]:
    """Return the baselines of the folder, or else of the project's own. Raises MigrationFailedError."""
    return [load_baseline(path) for path in _files(directory, folder)]


def outdated_baselines(directory: ScriptDirectory) -> Iterator[tuple[Script, list[str]]]:
    """Yield each baseline that an upgrade leaves out, and the revisions that have changed.

    Raises MigrationFailedError.
    """
    for script in load_baselines(directory):
        if changed := changed_since(directory, script):
            yield script, changed


def check_baselines(directory: ScriptDirectory, known: Collection[str | None]) -> None:
    """Raise MigrationFailedError where a baseline's revision has no file, without importing any.

    `known` are the ids that the files of the revisions declare.
    """
    for path in _files(directory):
        revision = id_in_file(path)
        # A file may declare its id in another way.
        if revision not in known and None not in known:
            raise MigrationFailedError(
                f"{path}: there is no revision {revision!r}. If the files that the baseline replaces were deleted, move"
                f" it to them: `{command('squash')} {revision} --delete-replaced` does both."
            )


def describe_deleted(directory: ScriptDirectory, applied: Collection[str]) -> str | None:
    """Return what to do with a database that is at a revision whose file was deleted after a squash; else None."""
    replaced = replaced_by(directory)
    passed = sorted(set(applied) & set(replaced))
    if not passed:
        return None
    baseline = replaced[passed[0]]
    release = getattr(baseline.module, "release", "")
    return (
        f"The database is at revision {', '.join(passed)}, whose file this release has no more: it is one of those"
        f" that the baseline {baseline.revision} replaces. First upgrade the database with a release that has them,"
        f" such as {release or 'the one that was made before they were deleted'}, then with this one."
    )


def _files(directory: ScriptDirectory, folder: Path | None = None) -> list[Path]:
    return sorted((folder or Path(directory.dir) / FOLDER).glob("*.py"))


def load_baseline(path: Path) -> Script:
    """Return the baseline of the file. Raises MigrationFailedError."""
    try:
        module = load_python_file(path.parent, path.name)
        script = Script(module, module.revision, str(path))
        # Alembic fills in there what its steps ask a revision for.
        assert RevisionMap(lambda: [script]).bases
    except (Exception, SystemExit) as exc:
        raise MigrationFailedError(f"{path} cannot be used: {type(exc).__name__}: {error_summary(exc)}") from exc
    if script.revision not in replaced_checksums(script) or script.down_revision is not None:
        raise MigrationFailedError(
            f"{path} is no baseline: it replaces no revision of its own id, or comes after one."
            f" `{command('squash')}` writes one."
        )
    return script

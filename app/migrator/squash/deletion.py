"""Delete the revisions that a baseline replaces, when no database is on its way through them any more."""

from dataclasses import dataclass
from pathlib import Path

from alembic.script import ScriptDirectory

from ..config import MigratorConfig
from ..revisions.baselines import FOLDER, load_baseline, replaced_checksums
from ..revisions.checksum import DIGITS, file_checksum
from ..revisions.ids import id_in_file, revision_files
from ..revisions.loading import open_revisions
from .scratch import SquashRefusedError


@dataclass(frozen=True)
class Deleted:
    """A baseline that is among the revisions now, and the files that it has replaced."""

    path: Path
    files: tuple[Path, ...]


def delete_replaced(config: MigratorConfig, revision: str) -> Deleted:
    """Delete the revisions that the baseline of `revision` replaces, and move it to the others.

    It goes on where somebody has deleted some by hand. Raises SquashRefusedError where a file has changed since.
    """
    # Not loaded, because that fails where some are gone.
    directory = open_revisions(config)
    baseline = load_baseline(_path_of(directory, revision))
    replaced = replaced_checksums(baseline)
    files = {file: name for file in revision_files(directory) if (name := id_in_file(file)) in replaced}
    if changed := [str(file) for file, name in files.items() if file_checksum(file)[:DIGITS] != replaced[str(name)]]:
        raise SquashRefusedError(
            f"{', '.join(changed)} has changed since the baseline {baseline.path} was written, which may not make the"
            " same any more. Nothing was deleted."
        )
    last = next((file for file, name in files.items() if name == baseline.revision), None)
    folder = last.parent if last else Path([*directory.version_locations, directory.versions][0])
    path = folder / Path(baseline.path).name
    # First, so that a database is never without a way.
    path.write_bytes(Path(baseline.path).read_bytes())
    earlier = [file for file in Path(baseline.path).parent.glob("*.py") if id_in_file(file) in replaced]
    for file in (*files, *earlier):
        file.unlink()
    return Deleted(path, tuple(files))


def _path_of(directory: ScriptDirectory, revision: str) -> Path:
    found = [file for file in sorted((Path(directory.dir) / FOLDER).glob("*.py")) if id_in_file(file) == revision]
    if not found:
        raise SquashRefusedError(
            f"{Path(directory.dir) / FOLDER} has no baseline of revision {revision!r}. Nothing was deleted."
        )
    return found[0]

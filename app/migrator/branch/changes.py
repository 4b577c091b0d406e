"""Which revisions this branch adds, edits and takes away, against the commit in which it left another one."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from alembic.script import Script, ScriptDirectory

from ..revisions.ids import declared_id
from ..revisions.loading import oldest_first
from .git import GitError, Repository


@dataclass(frozen=True)
class BranchChanges:
    """The revisions of the working folder against those of `base`, a branch or commit.

    `merge_base` is the commit in which both were the same. `new` and `edited`, oldest first, are not there, or are
    other files there; `removed` are there and no longer here; `missing` has come to the base since, and is not here.
    """

    base: str
    merge_base: str
    new: tuple[Script, ...]
    edited: tuple[Script, ...]
    removed: tuple[str, ...]
    missing: tuple[str, ...]
    repository: Repository


def read_changes(directory: ScriptDirectory, base: str) -> BranchChanges:
    """Return what the working folder's revisions are against the base's. Raises GitError."""
    repository = Repository.around(Path(directory.dir))
    tip = repository.commit(base)
    merge_base = repository.merge_base(tip)
    scripts = oldest_first(directory)
    here = {script.revision for script in scripts}
    before = _revisions_at(repository, merge_base, directory)
    later = before if tip == merge_base else _revisions_at(repository, tip, directory)
    return BranchChanges(
        base=base,
        merge_base=merge_base,
        new=tuple(script for script in scripts if script.revision not in before),
        edited=tuple(script for script in scripts if _is_edited(script, before)),
        removed=tuple(sorted(before.keys() - here)),
        missing=tuple(sorted(later.keys() - before.keys() - here)),
        repository=repository,
    )


def _revisions_at(repository: Repository, commit: str, directory: ScriptDirectory) -> dict[str, bytes]:
    """Return the files of the commit's revisions by their ids: wherever they were, if the folder was another one."""
    folders = [_inside(repository, Path(folder)) for folder in directory.version_locations or [directory.versions]]
    names = {Path(script.path).name for script in directory.walk_revisions()}
    files = {path: content for path, content in repository.files(commit).items() if path.suffix == ".py"}
    chosen = [content for path, content in files.items() if any(path.is_relative_to(folder) for folder in folders)]
    chosen = chosen or [content for path, content in files.items() if path.name in names]
    contents = repository.read(chosen)
    found = ((declared_id(content.decode(errors="replace")), content) for content in contents.values())
    return {revision: content for revision, content in found if revision}


def _inside(repository: Repository, folder: Path) -> PurePosixPath:
    try:
        return PurePosixPath(folder.resolve().relative_to(repository.root.resolve()).as_posix())
    except ValueError:
        raise GitError(f"{folder} is outside of the repository {repository.root}, which has the other files.") from None


def _is_edited(script: Script, before: Mapping[str, bytes]) -> bool:
    old = before.get(script.revision)
    # A checkout may end its lines otherwise.
    return old is not None and old.replace(b"\r\n", b"\n") != Path(script.path).read_bytes().replace(b"\r\n", b"\n")

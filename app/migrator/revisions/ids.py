"""Check the ids that revision files declare: the server stores an id, and people type it."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from alembic.script import ScriptDirectory, write_hooks
from alembic.util import CommandError

# The length of `alembic_version.version_num`, a varchar, as Alembic makes it.
LONGEST = 32
# Alembic reads `@`, `-`, `+` and `:` as parts of a range, and writes the id into printed SQL as it is.
_ALLOWED = re.compile(r"[A-Za-z0-9_.]+")
_SYMBOLS = frozenset({"base", "current", "head", "heads"})
_DECLARED = re.compile(r"""^revision\s*(?::[^=\n]*)?=\s*(["'])(.*?)\1""", re.MULTILINE)

REMEDY = f"Choose another id: 1 to {LONGEST} letters, digits, `_` and `.` of ASCII, which no other file has."


class Fault(NamedTuple):
    """A file whose revision id is wrong; `what` completes "the id …"."""

    path: Path
    revision: str
    what: str


def find_id_faults(directory: ScriptDirectory) -> list[Fault]:
    """Return what is wrong with the ids of the files, without importing the files."""
    return list(faults_of(ids_in_files(revision_files(directory))))


def ids_in_files(files: Iterable[Path]) -> dict[Path, str | None]:
    """Return the id that each file declares as a plain string, without importing the files."""
    return {file: id_in_file(file) for file in files}


def revision_files(directory: ScriptDirectory) -> list[Path]:
    """Return the files in the folders of the revisions."""
    folders = map(Path, directory.version_locations or [directory.versions])
    pattern = "**/*.py" if directory.recursive_version_locations else "*.py"
    return sorted({file for folder in folders for file in folder.glob(pattern)})


def find_long_ids(directory: ScriptDirectory, longest: int) -> list[Fault]:
    """Return the revisions whose ids are longer than the database's column."""
    return [
        Fault(Path(script.path), script.revision, _describe_length(script.revision, longest))
        for script in directory.walk_revisions()
        if len(script.revision) > longest
    ]


def _describe_length(revision: str, longest: int) -> str:
    return f"has {len(revision)} characters, and the version table holds {longest}"


def widens_version_table(files: Iterable[Path]) -> bool:
    """Return whether one of the revisions' files names the column that holds the ids: only to make it longer."""
    return any("version_num" in file.read_text(errors="replace") for file in files)


def faults_of(declared: Mapping[Path, str | None]) -> Iterator[Fault]:
    """Yield what is wrong with the ids that the files declare."""
    times = Counter(declared.values())
    for file, revision in declared.items():
        if revision is not None and (what := _describe_fault(revision, times[revision])):
            yield Fault(file, revision, what)


def declared_id(code: str) -> str | None:
    """Return the id that the code of a revision declares as a plain string."""
    *_, last = [None, *_DECLARED.finditer(code)]
    return last[2] if last else None


def id_in_file(file: Path) -> str | None:
    return declared_id(file.read_text(errors="replace"))


def _describe_fault(revision: str, times: int) -> str:
    # The first rule that applies decides.
    rules = (
        (not revision, "is empty"),
        (not _ALLOWED.fullmatch(revision), "has characters that a command or printed SQL would misread"),
        (revision in _SYMBOLS, "is a word that commands take for something else"),
        (times > 1, f"is that of {times} files, of which only one would be run"),
    )
    return next((what for applies, what in rules if applies), "")


@write_hooks.register("revision_id")
def remove_file_with_faulty_id(path: str, options: dict[str, Any]) -> None:  # noqa: ARG001 - Alembic's signature
    """Remove the file that was just written (`--rev-id`) where no database could record it."""
    file = Path(path)
    files = sorted(file.parent.glob("*.py"))
    declared = ids_in_files(files)
    faults = [fault for fault in faults_of(declared) if fault.path == file]
    revision = declared[file] or ""
    has_long = any(len(declared[other] or "") > LONGEST for other in files if other != file)
    if len(revision) > LONGEST and not has_long and not widens_version_table(files):
        faults.append(Fault(file, revision, _describe_length(revision, LONGEST)))
    if faults:
        file.unlink()
        raise CommandError(f"The revision id {revision!r} {faults[0].what}. {REMEDY} No file was written.")

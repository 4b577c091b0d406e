"""Check the ids that revision files declare: the server stores an id, and people type it."""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from alembic.script import ScriptDirectory, write_hooks
from alembic.util import CommandError

# The length of `alembic_version.version_num`, a varchar.
_LONGEST = 32
# Alembic reads `@`, `-`, `+` and `:` as parts of a range, and writes the id into printed SQL as it is.
_ALLOWED = re.compile(r"[A-Za-z0-9_.]+")
_SYMBOLS = frozenset({"base", "current", "head", "heads"})
_DECLARED = re.compile(r"""^revision\s*(?::[^=\n]*)?=\s*(["'])(.*?)\1""", re.MULTILINE)

REMEDY = f"Choose another id: 1 to {_LONGEST} letters, digits, `_` and `.` of ASCII, which no other file has."


class Fault(NamedTuple):
    """A file whose revision id is wrong; `what` completes "the id …"."""

    path: Path
    revision: str
    what: str


def find_id_faults(directory: ScriptDirectory) -> list[Fault]:
    """Return what is wrong with the ids of the files, without importing the files."""
    folders = map(Path, directory.version_locations or [directory.versions])
    pattern = "**/*.py" if directory.recursive_version_locations else "*.py"
    return list(_faults(sorted({file for folder in folders for file in folder.glob(pattern)})))


def _faults(files: list[Path]) -> Iterator[Fault]:
    declared = {file: found for file in files if (found := _declared(file)) is not None}
    times = Counter(declared.values())
    for file, revision in declared.items():
        if what := _describe_fault(revision, times[revision]):
            yield Fault(file, revision, what)


def _declared(file: Path) -> str | None:
    """Return the id that the file declares as a plain string."""
    *_, last = [None, *_DECLARED.finditer(file.read_text(errors="replace"))]
    return last[2] if last else None


def _describe_fault(revision: str, times: int) -> str:
    # The first rule that applies decides.
    rules = (
        (not revision, "is empty"),
        (len(revision) > _LONGEST, f"has {len(revision)} characters, and the version table holds {_LONGEST}"),
        (not _ALLOWED.fullmatch(revision), "has characters that a command or printed SQL would misread"),
        (revision in _SYMBOLS, "is a word that commands take for something else"),
        (times > 1, f"is that of {times} files, of which only one would be run"),
    )
    return next((what for applies, what in rules if applies), "")


@write_hooks.register("revision_id")
def remove_file_with_faulty_id(path: str, options: dict[str, Any]) -> None:  # noqa: ARG001 - Alembic's signature
    """Remove the file that was just written (`--rev-id`) where no database could record it."""
    file = Path(path)
    for fault in _faults(sorted(file.parent.glob("*.py"))):
        if fault.path == file:
            file.unlink()
            raise CommandError(f"The revision id {fault.revision!r} {fault.what}. {REMEDY} No file was written.")

"""The files of backfills that a generation writes."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ..backfill import Backfill
from .rendering import python_literals

_FILE = '''"""{title}."""

from {package} import Backfill

backfill = Backfill(
    after="{after}",
    table={table},
    update={update},
    where={where},
)
'''
# The package that exports it, under the name that it has where it is installed.
_PACKAGE = Backfill.__module__.rpartition(".")[0]
_LONGEST_LINE = 120
_LONGEST_NAME = 63


@dataclass(frozen=True, kw_only=True)
class BackfillFile:
    """A file of `backfills/`; its fields are those of `Backfill`, and `title` is the file's docstring.

    `where` and `update` are SQL, with `{batch}` in `update`.
    """

    name: str
    title: str
    table: str
    update: str
    where: str


def backfill_name(table: str, column: str) -> str:
    """Return the name of a backfill that fills in a column."""
    words = re.sub(r"[^a-z0-9]+", "_", f"{table}_{column}".lower()).strip("_")
    return words if words[:1].isalpha() else f"fill_{words}".rstrip("_")


def unused_name(name: str, taken: Collection[str]) -> str:
    """Return the name, with a number behind it if there is such a backfill already."""
    number, found = 1, name[:_LONGEST_NAME]
    while found in taken:
        number += 1
        found = f"{name[: _LONGEST_NAME - 4]}_{number}"
    return found


def write_backfill(directory: Path, backfill: BackfillFile, after: str) -> None:
    """Write the file, which can run after the revision `after`."""
    folder = directory / "backfills"
    folder.mkdir(exist_ok=True)
    text = _FILE.format(
        title=backfill.title.replace("\\", "\\\\").replace('"""', '\\"""'),
        package=_PACKAGE,
        after=after,
        table=python_literals(backfill.table),
        update=_argument("update", backfill.update),
        where=_argument("where", backfill.where),
    )
    (folder / f"{backfill.name}.py").write_text(text)


def _argument(field: str, sql: str) -> str:
    pieces = python_literals(sql).splitlines()
    if len(pieces) == 1 and len(f"    {field}={pieces[0]},") <= _LONGEST_LINE:
        return pieces[0]
    return "\n    ".join(pieces)

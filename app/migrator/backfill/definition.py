"""What a backfill is, and which ones this release has: each is a file in `migrations/backfills/`."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from alembic.script import Script, ScriptDirectory
from alembic.util import load_python_file

from ...postgres.errors import DatabaseError, MigrationFailedError, error_summary
from ..revisions.baselines import replaced_by
from ..revisions.requirements import Requirement, parse_requirements

BATCH = "{batch}"
# Where a generated backfill wants what nobody but its maintainer can know.
VALUE = "{value}"
MOST_ROWS = 100_000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")


class UnknownBackfillError(DatabaseError):
    """No file of this release has a backfill of that name."""

    exit_code = 2


@dataclass(frozen=True, kw_only=True)
class Backfill:
    """Work on the rows of `table`, in batches along its primary key, to be done between two revisions.

    `update` is one statement with `{batch}` in its WHERE, which stands for the rows of a batch that are still to be
    done: those between two keys for which `where` holds. With `where` None no row shows whether it was done: only the
    record in the database does. `after` is the revision that made what the statement writes to. A transaction goes over
    `batch_size` rows. `requires` has what must be true before the first batch (revisions/requirements.py). `name`,
    `description` and `checksum` are filled in from the file's name, docstring and content.
    """

    table: str
    after: str
    update: str
    where: str | None = None
    batch_size: int = 1000
    requires: tuple[Requirement, ...] | tuple[tuple[str, str], ...] | tuple[str, str] = ()
    name: str = ""
    description: str = ""
    checksum: str = ""

    def __post_init__(self) -> None:
        texts = {"table": self.table, "after": self.after, "update": self.update, "where": self.where or "none"}
        for field, value in texts.items():
            if not isinstance(value, str) or not value.strip():
                raise ValueError(f"`{field}` is no text")
        if BATCH not in self.update:
            raise ValueError(f"`update` has no {BATCH} in its WHERE: it would change the whole table in every batch")
        if VALUE in self.update:
            raise ValueError(f"`update` has {VALUE} where the value of the old rows is to be written, as SQL")
        if not isinstance(self.batch_size, int) or not 1 <= self.batch_size <= MOST_ROWS:
            raise ValueError(f"`batch_size` is not a whole number from 1 to {MOST_ROWS}")
        parse_requirements(self.requires)

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        return parse_requirements(self.requires)


def load_backfills(directory: ScriptDirectory) -> dict[str, Backfill]:
    """Return the backfills of the directory by name, oldest `after` first.

    Raises MigrationFailedError, which names the file that is wrong.
    """
    order = {script.revision: position for position, script in enumerate(directory.walk_revisions())}
    replaced = {name: script.revision for name, script in replaced_by(directory).items()}
    if not order:
        # Without revisions the tables are made from the models, and there is nothing to run after.
        return {}
    read = [_read(path) for path in sorted(Path(directory.dir).glob("backfills/*.py"))]
    found = [replace(backfill, after=replaced.get(backfill.after, backfill.after)) for backfill in read]
    for backfill in found:
        if backfill.after not in order:
            raise MigrationFailedError(f"Backfill {backfill.name}: there is no revision {backfill.after} (`after`).")
    return {backfill.name: backfill for backfill in sorted(found, key=lambda b: -order[b.after])}


def named_backfills(directory: ScriptDirectory, names: Iterable[str]) -> list[Backfill]:
    """Return the backfills of these names. Raises UnknownBackfillError, and what `load_backfills` raises."""
    known = load_backfills(directory)
    for name in names:
        if name not in known:
            there_are = f"There are: {', '.join(known)}." if known else "There is none in migrations/backfills/."
            raise UnknownBackfillError(f"There is no backfill {name!r}. {there_are}")
    return [known[name] for name in names]


def required_backfills(script: Script) -> tuple[str, ...]:
    """Return the backfills that the revision says it needs (`requires_backfill`). Raises MigrationFailedError."""
    names = getattr(script.module, "requires_backfill", ())
    names = (names,) if isinstance(names, str) else names
    if not isinstance(names, tuple | list) or not all(isinstance(name, str) for name in names):
        raise MigrationFailedError(
            f"Revision {script.revision} ({script.path}): requires_backfill is no name of a backfill, nor a tuple."
        )
    return tuple(names)


def revisions_requiring(directory: ScriptDirectory, name: str) -> Iterator[Script]:
    """Return the revisions that say they need this backfill, newest first."""
    return (script for script in directory.walk_revisions() if name in required_backfills(script))


def check_definitions(directory: ScriptDirectory) -> None:
    """Raise MigrationFailedError if a file is wrong, or a revision requires a backfill that cannot run before it."""
    backfills = load_backfills(directory)
    for script in directory.walk_revisions():
        for name in required_backfills(script):
            if name not in backfills:
                raise MigrationFailedError(
                    f"Revision {script.revision} ({script.path}) requires the backfill {name!r}, which is not in"
                    f" {Path(directory.dir) / 'backfills'}."
                )
            earlier = {past.revision for past in directory.iterate_revisions(script.revision, "base")}
            if backfills[name].after not in earlier - {script.revision}:
                raise MigrationFailedError(
                    f"Revision {script.revision} ({script.path}) requires the backfill {name!r}, which can only run"
                    f" after {backfills[name].after}: that must come before it."
                )


def _read(path: Path) -> Backfill:
    if not _NAME.fullmatch(path.stem):
        raise MigrationFailedError(
            f"{path}: the name of a backfill, and so of its file, has small letters, digits and _ alone."
        )
    try:
        module = load_python_file(path.parent, path.name)
    except (Exception, SystemExit) as exc:
        raise MigrationFailedError(f"{path} cannot be used: {type(exc).__name__}: {error_summary(exc)}") from exc
    backfill = getattr(module, "backfill", None)
    if not isinstance(backfill, Backfill):
        raise MigrationFailedError(f"{path} defines no backfill: write `backfill = Backfill(…)`.")
    return replace(
        backfill,
        name=path.stem,
        description=(module.__doc__ or "").strip().partition("\n")[0],
        checksum=hashlib.sha256(path.read_bytes()).hexdigest(),
    )

"""Read what was done to the schema from the database itself: the table `schema_history`.

The table is the engine's own, like `alembic_version`, and not a model: it exists before the first revision runs.
Releases of different age share it, so columns are only ever added, and it is read by its columns' names.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile

from sqlalchemy import Connection, RowMapping, text

from ..engine_tables import HISTORY_TABLE
from ..phase import Phase

_EXISTS = text("SELECT to_regclass(:name) IS NOT NULL")
# `*`, because an earlier release's table may lack the newest columns.
_READ = text(f"SELECT * FROM {HISTORY_TABLE} ORDER BY id")  # noqa: S608 - a constant
_THERE = text("SELECT name FROM unnest(CAST(:names AS text[])) AS name WHERE to_regclass(name) IS NOT NULL")
# Before the name of an index, among the indexes of a step: it is not built but dropped, and may be gone already.
DROPPED = "dropped: "


class Outcome(StrEnum):
    """How a step ended.

    RUNNING is also what a killed migration leaves; the next one, which holds the lock then, changes it to INTERRUPTED.
    UNKNOWN stands for an outcome of a later release.
    """

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> "Outcome":  # noqa: ARG003 - of enum
        return cls.UNKNOWN


@dataclass(frozen=True)
class Entry:
    """One row of the table.

    `direction` is upgrade, downgrade, stamp or unstamp. `checksum` is the file's SHA-256. `indexes` are those that the
    step began to build CONCURRENTLY and that are there, or that it began to drop so, and partitions that it began to
    detach: no rollback undoes that.
    """

    id: int
    revision: str
    phase: Phase
    direction: str
    outcome: Outcome
    started_at: datetime
    duration: timedelta | None
    applied_by: str
    release: str
    checksum: str
    retries: int
    error: str | None
    indexes: tuple[str, ...]

    @property
    def is_in_force(self) -> bool:
        return self.outcome is Outcome.DONE and self.direction in {"upgrade", "stamp"}

    @property
    def is_half_done(self) -> bool:
        """Return whether the step began, did not end, and has left something that is not undone."""
        return self.outcome is not Outcome.DONE and self.direction == "upgrade" and bool(self.indexes)


def has_history(connection: Connection) -> bool:
    return bool(connection.scalar(_EXISTS, {"name": HISTORY_TABLE}))


def read_history(connection: Connection) -> tuple[Entry, ...]:
    """Return every row, oldest first; none where there is no table."""
    if not has_history(connection):
        return ()
    rows = connection.execute(_READ).mappings().all()
    begun = sorted({name for row in rows if row["outcome"] != Outcome.DONE for name in row.get("indexes", ())})
    built = [name for name in begun if not name.startswith(DROPPED)]
    there = set(connection.scalars(_THERE, {"names": built})) if built else set()
    return tuple(_entry(row, there | set(begun) - set(built)) for row in rows)


def _entry(row: RowMapping, left: Collection[str]) -> Entry:
    known = {field.name: row[field.name] for field in fields(Entry) if field.name in row}
    # An unknown phase of a later release counts as the one that needs more care.
    phase = Phase(row["phase"]) if row["phase"] in set(Phase) else Phase.CONTRACT
    indexes = tuple(name for name in row.get("indexes", ()) if name in left)
    return Entry(**{**known, "phase": phase, "outcome": Outcome(row["outcome"]), "indexes": indexes})


def last_completed(entries: Iterable[Entry]) -> dict[str, Entry]:
    return {entry.revision: entry for entry in entries if entry.outcome is Outcome.DONE}


def last_step(entries: Sequence[Entry]) -> Entry | None:
    """Return the newest step; a baseline's run, and not the stamps that it has left."""
    newest = entries[-1] if entries else None
    return next((run for run, stamps in baseline_runs(entries) if newest in stamps), newest)


def baseline_runs(entries: Sequence[Entry]) -> Iterator[tuple[Entry, list[Entry]]]:
    """Yield each run of a baseline with the stamps that it has left, of which its own is the last."""
    done = [entry for entry in entries if entry.outcome is Outcome.DONE]
    for position, run in enumerate(done, 1):
        if run.direction == "upgrade" and position < len(done) and done[position].direction == "stamp":
            stamps = list(takewhile(lambda entry: entry.direction == "stamp", done[position:]))
            names = [entry.revision for entry in stamps]
            if run.revision in names:
                yield run, stamps[: names.index(run.revision) + 1]


def steps_ahead_of(entries: Sequence[Entry], known: Collection[str]) -> dict[str, Entry]:
    """Return the last step of each revision that a newer release has put in force, or begun, on top of the known ones.

    Revisions older than the newest known one are left out: they were squashed into a known one, or stamped away.
    """
    newest = max((entry.id for entry in entries if entry.revision in known and entry.is_in_force), default=0)
    steps = [entry for entry in entries if entry.id > newest and entry.revision not in known]
    done = last_completed(steps)
    begun = [step for step in steps if step.revision not in done or step.id > done[step.revision].id]
    half = {step.revision: step for step in begun if step.is_half_done}
    return half | {name: step for name, step in done.items() if step.is_in_force}

"""Record in the database itself what was done to its schema: the table `schema_history`.

The table is the engine's own, like `alembic_version`, and not a model: it exists before the first revision runs.
Releases of different age share it, so columns are only ever added, and it is read by its columns' names.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import takewhile
from textwrap import dedent

from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, RowMapping, TextClause, text

from ..engine_tables import HISTORY_TABLE
from ..operator_name import current_operator
from ..phase import Phase
from .baselines import is_baseline, replaced_scripts
from .checksum import checksum_of
from .loading import oldest_first, phase_of

_INDEXES = "indexes text[] NOT NULL DEFAULT '{}'"
_CREATE = f"""
    CREATE TABLE IF NOT EXISTS {HISTORY_TABLE} (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT pk_{HISTORY_TABLE} PRIMARY KEY,
        revision text NOT NULL,
        phase text NOT NULL,
        direction text NOT NULL,
        outcome text NOT NULL,
        started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        duration interval,
        applied_by text NOT NULL,
        release text NOT NULL,
        checksum text NOT NULL,
        retries integer NOT NULL DEFAULT 0,
        error text,
        {_INDEXES}
    )
"""
_EXISTS = text("SELECT to_regclass(:name) IS NOT NULL")
_HAS_COLUMN = text("SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(:name) AND attname = :column)")
_INSERT = text(
    f"""INSERT INTO {HISTORY_TABLE} (revision, phase, direction, outcome, applied_by, release, checksum)
VALUES (:revision, :phase, :direction, :outcome, :by || ' as ' || current_user, :release, :checksum)"""  # noqa: S608
)
_INSERT_WITH_ID = text(f"{_INSERT.text} RETURNING id")
_FINISH = text(
    f"""
    UPDATE {HISTORY_TABLE}
    SET outcome = :outcome, retries = :retries, error = :error, duration = clock_timestamp() - started_at
    WHERE id = :id AND outcome = 'running'
    RETURNING duration
    """  # noqa: S608 - a constant
)
_NOTE_RETRIES = text(
    f"UPDATE {HISTORY_TABLE} SET retries = :retries WHERE id = :id AND outcome = 'running'"  # noqa: S608 - a constant
)
_NOTE_INDEX = text(f"UPDATE {HISTORY_TABLE} SET indexes = array_append(indexes, :index) WHERE id = :id")  # noqa: S608
_BEGUN_INDEXES = text(
    f"""
    SELECT unnest(indexes) FROM {HISTORY_TABLE}
    WHERE revision = :revision AND direction = :direction AND id > (
        SELECT coalesce(max(id), 0) FROM {HISTORY_TABLE} WHERE revision = :revision AND outcome = 'done'
    )
    """  # noqa: S608 - a constant
)
_INTERRUPT = text(f"UPDATE {HISTORY_TABLE} SET outcome = 'interrupted' WHERE outcome = 'running'")  # noqa: S608
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


@dataclass(frozen=True)
class StampChange:
    """The revisions that a stamp puts out of force and into force, oldest first."""

    out: tuple[Script, ...]
    into: tuple[Script, ...]

    @classmethod
    def between(cls, directory: ScriptDirectory, before: Iterable[str], after: Iterable[str]) -> "StampChange":
        old, new = _ancestors(directory, before), _ancestors(directory, after)
        return cls(
            tuple(script for script in old if script not in new), tuple(script for script in new if script not in old)
        )


def create_history(connection: Connection, directory: ScriptDirectory, heads: Iterable[str], release: str) -> None:
    """Create the table, or add the columns that it lacks.

    Call it under the migration lock, in a transaction. The revisions up to `heads`, which were applied before there was
    a history, are recorded as stamped.
    """
    if not has_history(connection):
        connection.execute(text(_CREATE))
        record_stamp(connection, StampChange.between(directory, (), heads), release)
    elif not connection.scalar(_HAS_COLUMN, {"name": HISTORY_TABLE, "column": "indexes"}):
        # Checked first, because ALTER TABLE blocks readers even if the column exists.
        connection.execute(text(f"ALTER TABLE {HISTORY_TABLE} ADD COLUMN {_INDEXES}"))


def create_table_as_sql() -> str:
    """Return the statement that creates the table, for a script that somebody else runs."""
    return dedent(_CREATE).strip()


def record_as_sql(script: Script, direction: str, release: str) -> TextClause:
    """Return the statement that records a step, for a script that somebody else runs."""
    return _INSERT.bindparams(**_values(script, direction, Outcome.DONE, release, by="a script"))


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


def mark_interrupted(connection: Connection) -> None:
    """Mark the steps that killed processes left as running.

    Call it under the migration lock, which such a process held.
    """
    connection.execute(_INTERRUPT)


def record_begin(connection: Connection, script: Script, direction: str, release: str) -> int:
    """Record that a step begins, and return the row's id. Commit it before the step runs."""
    return _insert(connection, script, direction, Outcome.RUNNING, release)


def record_retries(connection: Connection, entry: int, retries: int) -> None:
    """Record how often the step has been tried again, while it runs, for whoever watches. This commits."""
    with connection.begin():
        connection.execute(_NOTE_RETRIES, {"id": entry, "retries": retries})


def record_end(
    connection: Connection, entry: int, outcome: Outcome, *, retries: int = 0, error: str | None = None
) -> timedelta:
    """Record how a step ended, and return how long it took.

    DONE belongs in the step's own transaction, so that both are committed or neither is. Raises NoResultFound where
    another process has taken over meanwhile and marked this step as interrupted.
    """
    values = {"id": entry, "outcome": outcome, "retries": retries, "error": error}
    duration: timedelta = connection.execute(_FINISH, values).scalar_one()
    return duration


def record_begun(connection: Connection, entry: int, name: str, *, is_removed: bool) -> None:
    """Record that the step is about to build or drop an index, or detach a partition, CONCURRENTLY.

    No rollback undoes that.
    """
    for noted in (name, *([DROPPED + name] if is_removed else [])):
        connection.execute(_NOTE_INDEX, {"id": entry, "index": noted})


def begun_names(connection: Connection, revision: str, direction: str) -> set[str]:
    """Return what steps of the revision have begun so, in this direction, since it was last completed."""
    return set(connection.scalars(_BEGUN_INDEXES, {"revision": revision, "direction": direction}))


def record_stamp(connection: Connection, stamped: StampChange, release: str) -> None:
    """Record which revisions a stamp has put in force, or out of it, without running them."""
    for direction, scripts in (("unstamp", stamped.out), ("stamp", stamped.into)):
        for script in scripts:
            _insert(connection, script, direction, Outcome.DONE, release)


def record_replaced(connection: Connection, directory: ScriptDirectory, script: Script, release: str) -> None:
    """Record the revisions that a baseline has made in one step as stamped; nothing for another revision."""
    if is_baseline(script):
        record_stamp(connection, StampChange((), tuple(replaced_scripts(directory, script))), release)


def _ancestors(directory: ScriptDirectory, heads: Iterable[str]) -> list[Script]:
    """Return the heads and all revisions that lead to them, oldest first, as far as the directory has them."""
    known = {script.revision for script in directory.walk_revisions()}
    names = {one.revision for head in heads if head in known for one in directory.iterate_revisions(head, "base")}
    return [script for script in oldest_first(directory) if script.revision in names]


def _insert(connection: Connection, script: Script, direction: str, outcome: Outcome, release: str) -> int:
    values = _values(script, direction, outcome, release, by=current_operator())
    return int(connection.execute(_INSERT_WITH_ID, values).scalar_one())


def _values(script: Script, direction: str, outcome: Outcome, release: str, *, by: str) -> dict[str, str]:
    return {
        "revision": script.revision,
        "phase": phase_of(script).value,
        "direction": direction,
        "outcome": outcome.value,
        "by": by,
        "release": release,
        "checksum": checksum_of(script),
    }

"""Record in the database itself what is done to its schema: the table `schema_history`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from textwrap import dedent

from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection, TextClause, text

from ..engine_tables import HISTORY_TABLE
from ..operator_name import current_operator
from .baselines import is_baseline, replaced_scripts
from .checksum import checksum_of
from .history import DROPPED, Outcome, has_history
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

"""What was done to the schema, kept in the database itself: the table `schema_history`.

It is the engine's own, like `alembic_version`, and not a model: it is there before the first revision runs. Columns
are only ever added to it, and it is read by its columns' names, because releases of different age share it.
"""

import getpass
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from alembic.script import Script
from sqlalchemy import Connection, text

from app import __version__
from app.core.config import Phase
from app.db.migrations.config import checksum_of, phase_of

HISTORY_TABLE = "schema_history"

_CREATE = text(
    f"""
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
        error text
    )
    """
)
_EXISTS = text("SELECT to_regclass(:name) IS NOT NULL")
_INSERT = text(
    f"""
    INSERT INTO {HISTORY_TABLE} (revision, phase, direction, outcome, applied_by, release, checksum, duration)
    VALUES (:revision, :phase, :direction, :outcome, :by || ' as ' || current_user, :release, :checksum,
            CASE WHEN :outcome = 'done' THEN interval '0' END)
    RETURNING id
    """  # noqa: S608 - a constant
)
_FINISH = text(
    f"""
    UPDATE {HISTORY_TABLE}
    SET outcome = :outcome, retries = :retries, error = :error, duration = clock_timestamp() - started_at
    WHERE id = :id
    RETURNING duration
    """  # noqa: S608 - a constant
)
_INTERRUPT = text(f"UPDATE {HISTORY_TABLE} SET outcome = 'interrupted' WHERE outcome = 'running'")  # noqa: S608
_READ = text(
    f"""
    SELECT revision, phase, direction, outcome, started_at, duration, applied_by, release, checksum, retries, error
    FROM {HISTORY_TABLE} ORDER BY id
    """  # noqa: S608 - a constant
)


class Outcome(StrEnum):
    """RUNNING is also what a killed migration leaves; the next one, holding the lock, calls it INTERRUPTED."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Entry:
    """One row: `direction` is upgrade, downgrade, stamp or unstamp; `checksum` is the file's SHA-256."""

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

    @property
    def is_in_force(self) -> bool:
        return self.outcome is Outcome.DONE and self.direction in {"upgrade", "stamp"}


def create_history(connection: Connection) -> None:
    """Makes the table if it is not there yet; to be called under the migration lock, in a transaction."""
    if not has_history(connection):
        connection.execute(_CREATE)


def has_history(connection: Connection) -> bool:
    return bool(connection.scalar(_EXISTS, {"name": HISTORY_TABLE}))


def read_history(connection: Connection) -> tuple[Entry, ...]:
    """Every row, oldest first; none where there is no table."""
    if not has_history(connection):
        return ()
    return tuple(
        Entry(**{**row, "phase": Phase(row["phase"]), "outcome": Outcome(row["outcome"])})
        for row in connection.execute(_READ).mappings()
    )


def last_done(entries: Sequence[Entry]) -> dict[str, Entry]:
    """Of each revision the last step that was completed."""
    return {entry.revision: entry for entry in entries if entry.outcome is Outcome.DONE}


def interrupted_runs(connection: Connection) -> None:
    """Marks what a killed process left as running; to be called under the lock, which that process held."""
    connection.execute(_INTERRUPT)


def begin(connection: Connection, script: Script, direction: str) -> int:
    """Notes that a step begins, to be committed before it does; the row's id."""
    return _insert(connection, script, direction, Outcome.RUNNING)


def finish(
    connection: Connection, entry: int, outcome: Outcome, *, retries: int = 0, error: str | None = None
) -> timedelta:
    """Notes how a step ended: DONE belongs in the step's own transaction, so that both are there or neither is."""
    values = {"id": entry, "outcome": outcome, "retries": retries, "error": error}
    duration: timedelta = connection.execute(_FINISH, values).scalar_one()
    return duration


def note(connection: Connection, scripts: Sequence[Script], direction: str) -> None:
    """Notes that these revisions are in force (`stamp`), or no longer (`unstamp`), without having been run."""
    for script in scripts:
        _insert(connection, script, direction, Outcome.DONE)


def _insert(connection: Connection, script: Script, direction: str, outcome: Outcome) -> int:
    values = {
        "revision": script.revision,
        "phase": phase_of(script),
        "direction": direction,
        "outcome": outcome,
        "by": _who(),
        "release": __version__,
        "checksum": checksum_of(script),
    }
    entry: int = connection.execute(_INSERT, values).scalar_one()
    return entry


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # A container's user often has no name.
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"

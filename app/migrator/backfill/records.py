"""How far each backfill has come, kept in the database itself: the table `schema_backfills`.

The engine creates it, like `schema_history`, and columns are only ever added. Each batch locks its backfill's row and
advances it in its own transaction. So the record is never ahead of the rows nor behind them, and two processes that run
the same backfill take turns, even if a pooler gives each transaction another session.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec
from alembic.script import Script
from sqlalchemy import Connection, RowMapping, text

from ...postgres.errors import DatabaseError, MigrationFailedError
from ..command_names import command
from ..engine_tables import BACKFILL_TABLE
from ..operator_name import current_operator
from ..revisions.baselines import made_by
from ..revisions.history import Outcome
from .definition import Backfill

_CREATE = text(
    f"""
    CREATE TABLE IF NOT EXISTS {BACKFILL_TABLE} (
        name text CONSTRAINT pk_{BACKFILL_TABLE} PRIMARY KEY,
        after_revision text NOT NULL,
        outcome text NOT NULL,
        started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        finished_at timestamptz,
        cursor jsonb,
        rows_seen bigint NOT NULL DEFAULT 0,
        rows_changed bigint NOT NULL DEFAULT 0,
        total bigint NOT NULL,
        retries integer NOT NULL DEFAULT 0,
        applied_by text NOT NULL,
        release text NOT NULL,
        checksum text NOT NULL,
        error text,
        paused_at timestamptz
    )
    """
)
_EXISTS = text("SELECT to_regclass(:name) IS NOT NULL")
# IF NOT EXISTS fails in one of two sessions that create at once. Transaction lock, so that it works through a pooler.
_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtext(:name))")
_COLUMNS = (
    "name, outcome, started_at, updated_at, finished_at, cursor::text AS cursor, rows_seen, rows_changed, total,"
    " retries, applied_by, release, checksum, error,"
    # An older release has made the table without it.
    f" CAST(to_jsonb({BACKFILL_TABLE}) ->> 'paused_at' AS timestamptz) AS paused_at"
)
_READ = text(f"SELECT {_COLUMNS} FROM {BACKFILL_TABLE}")  # noqa: S608 - constants
_LOCK = text(f"SELECT {_COLUMNS} FROM {BACKFILL_TABLE} WHERE name = :name FOR UPDATE")  # noqa: S608 - constants
_BEGIN = text(
    f"""
    INSERT INTO {BACKFILL_TABLE} AS known (name, after_revision, outcome, total, applied_by, release, checksum)
    VALUES (:name, :after, 'running', :total, :by || ' as ' || current_user, :release, :checksum)
    ON CONFLICT (name) DO UPDATE SET outcome = 'running', error = NULL, applied_by = excluded.applied_by,
        release = excluded.release, checksum = excluded.checksum, updated_at = clock_timestamp()
    WHERE known.outcome <> 'done' AND (known.outcome <> 'failed' OR :retries_failed)
    """  # noqa: S608 - a constant
)
_ADVANCE = text(
    f"""
    UPDATE {BACKFILL_TABLE}
    SET outcome = 'running', error = NULL, updated_at = clock_timestamp(), cursor = CAST(:cursor AS jsonb),
        rows_seen = rows_seen + :seen, rows_changed = rows_changed + :changed, retries = retries + :retries,
        total = greatest(total, rows_seen + :seen)
    WHERE name = :name
    RETURNING {_COLUMNS}
    """  # noqa: S608 - constants
)
_START_OVER = text(
    f"""
    UPDATE {BACKFILL_TABLE}
    SET outcome = 'running', cursor = NULL, total = rows_seen + :total, finished_at = NULL,
        updated_at = clock_timestamp()
    WHERE name = :name AND outcome = :outcome AND cursor IS NOT DISTINCT FROM CAST(:cursor AS jsonb)
    """  # noqa: S608 - a constant
)
_FINISH = text(
    f"""
    UPDATE {BACKFILL_TABLE}
    SET outcome = 'done', finished_at = clock_timestamp(), updated_at = clock_timestamp(), total = rows_seen
    WHERE name = :name AND outcome <> 'done' AND cursor IS NOT DISTINCT FROM CAST(:cursor AS jsonb)
    """  # noqa: S608 - a constant
)
_FAIL = text(
    f"""
    UPDATE {BACKFILL_TABLE}
    SET outcome = 'failed', error = :error, updated_at = clock_timestamp()
    WHERE name = :name AND outcome = 'running'
    """  # noqa: S608 - a constant
)
_HAS_PAUSES = text(
    "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass(:name) AND attname = 'paused_at')"
)
_ADD_PAUSES = text(f"ALTER TABLE {BACKFILL_TABLE} ADD COLUMN IF NOT EXISTS paused_at timestamptz")
_PAUSE = text(
    f"""
    INSERT INTO {BACKFILL_TABLE} AS known
        (name, after_revision, outcome, total, applied_by, release, checksum, paused_at)
    VALUES (:name, :after, 'running', 0, :by || ' as ' || current_user, :release, :checksum, clock_timestamp())
    ON CONFLICT (name) DO UPDATE SET paused_at = coalesce(known.paused_at, excluded.paused_at)
    WHERE known.outcome <> 'done'
    """  # noqa: S608 - a constant
)
_RESUME = text(
    f"UPDATE {BACKFILL_TABLE} SET paused_at = NULL WHERE name = :name AND paused_at IS NOT NULL"  # noqa: S608
)
_RETRY = text(
    f"UPDATE {BACKFILL_TABLE} SET outcome = 'running', error = NULL WHERE name = :name AND outcome = 'failed'"  # noqa: S608
)
_FORGET = text(f"DELETE FROM {BACKFILL_TABLE} WHERE after_revision = ANY(:revisions)")  # noqa: S608

Cursor = Mapping[str, str]


class RevertedMeanwhileError(MigrationFailedError):
    """The revision that a backfill runs after was downgraded while it ran."""


class BackfillHeldError(DatabaseError):
    """The backfill is not to be run now; the batch under way was rolled back."""


class BackfillPausedError(BackfillHeldError):
    """Somebody has paused the backfill."""


class BackfillFailedMeanwhileError(BackfillHeldError):
    """Another process has run the backfill, and failed."""


@dataclass(frozen=True)
class Record:
    """One row; `cursor` is the last key that was done, by column and as text; None before the first batch.

    The outcome is still RUNNING after a run that was interrupted or killed: the next run continues it.
    """

    name: str
    outcome: Outcome
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None
    cursor: Cursor | None
    rows_seen: int
    rows_changed: int
    total: int
    retries: int
    applied_by: str
    release: str
    checksum: str
    error: str | None
    paused_at: datetime | None

    @property
    def is_paused(self) -> bool:
        return self.paused_at is not None and self.outcome is not Outcome.DONE


def has_records(connection: Connection) -> bool:
    """Return whether the table is there."""
    return bool(connection.scalar(_EXISTS, {"name": BACKFILL_TABLE}))


def read_records(connection: Connection) -> dict[str, Record]:
    """Return the records by the names of their backfills; none if there is no table."""
    if not has_records(connection):
        return {}
    return {row["name"]: _record(row) for row in connection.execute(_READ).mappings()}


def begin(
    connection: Connection, backfill: Backfill, total: int, release: str, *, retries_failed: bool = True
) -> Record:
    """Record that the backfill runs, unless it is done. Returns the record, locked until the transaction ends.

    Raises BackfillHeldError.
    """
    _create_table(connection)
    connection.execute(_BEGIN, {**_values(backfill, release), "total": total, "retries_failed": retries_failed})
    record = lock(connection, backfill.name)
    require_not_held(record, retries_failed=retries_failed)
    return record


def pause(connection: Connection, backfill: Backfill, release: str) -> bool:
    """Record that nobody is to run the backfill, also where nobody has yet. Returns False where it is done.

    It waits for the end of the batch under way, which holds the record.
    """
    _create_table(connection)
    if not connection.scalar(_HAS_PAUSES, {"name": BACKFILL_TABLE}):
        connection.execute(_ADD_PAUSES)
    return bool(connection.execute(_PAUSE, _values(backfill, release)).rowcount)


def resume(connection: Connection, name: str) -> bool:
    """Record that the backfill may run again. Returns False where it is not paused."""
    has_pauses = connection.scalar(_HAS_PAUSES, {"name": BACKFILL_TABLE})
    return bool(has_pauses and connection.execute(_RESUME, {"name": name}).rowcount)


def retry(connection: Connection, name: str) -> Outcome | None:
    """Record that the backfill is to be tried again, if it has failed. Returns how it stood; None: it was never run."""
    if not has_records(connection):
        return None
    row = connection.execute(_LOCK, {"name": name}).mappings().first()
    if row and row["outcome"] == Outcome.FAILED:
        connection.execute(_RETRY, {"name": name})
    return Outcome(row["outcome"]) if row else None


def lock(connection: Connection, name: str) -> Record:
    """Lock the record until the transaction ends, and return it. Raises RevertedMeanwhileError."""
    row = connection.execute(_LOCK, {"name": name}).mappings().first()
    if row is None:
        raise RevertedMeanwhileError(
            f"Backfill {name} was ended: its record is gone, because the revision that it runs after was reverted."
        )
    return _record(row)


def require_not_held(record: Record | None, *, retries_failed: bool) -> None:
    """Raise BackfillHeldError where somebody has paused the backfill, or it failed and is not to be tried again."""
    if record is None:
        return
    if record.is_paused:
        raise BackfillPausedError(
            f"Backfill {record.name} is paused since {record.paused_at:%Y-%m-%d %H:%M:%S}:"
            f" `{command('backfill')} {record.name} --resume` lets it go on."
        )
    if record.outcome is Outcome.FAILED and not retries_failed:
        raise BackfillFailedMeanwhileError(
            f"Backfill {record.name} has failed in another process: `{command('backfill')} {record.name} --retry` lets"
            " it run again."
        )


def advance(connection: Connection, name: str, cursor: Cursor, *, seen: int, changed: int, retries: int) -> Record:
    """Move the cursor. Call it in the transaction of the batch, which holds the lock."""
    values = {"name": name, "cursor": _json(cursor), "seen": seen, "changed": changed, "retries": retries}
    return _record(connection.execute(_ADVANCE, values).mappings().one())


def start_over(connection: Connection, record: Record, total: int) -> None:
    """Move the cursor before the first row, with `total` rows to come, unless somebody has advanced it meanwhile."""
    values = {"name": record.name, "outcome": record.outcome.value, "cursor": _json(record.cursor), "total": total}
    connection.execute(_START_OVER, values)


def finish(connection: Connection, record: Record) -> None:
    """Record that the backfill is done, unless somebody has advanced it meanwhile."""
    connection.execute(_FINISH, {"name": record.name, "cursor": _json(record.cursor)})


def fail(connection: Connection, name: str, error: str) -> None:
    """Record why the run failed, unless the backfill is done."""
    connection.execute(_FAIL, {"name": name, "error": error})


def forget(connection: Connection, script: Script) -> None:
    """Delete the records of the backfills that run after the revision, in the transaction that reverts it."""
    if has_records(connection):
        connection.execute(_FORGET, {"revisions": made_by(script)})


def _create_table(connection: Connection) -> None:
    if not has_records(connection):
        connection.execute(_ONE_AT_A_TIME, {"name": BACKFILL_TABLE})
        connection.execute(_CREATE)


def _values(backfill: Backfill, release: str) -> dict[str, str]:
    return {
        "name": backfill.name,
        "after": backfill.after,
        "checksum": backfill.checksum,
        "by": current_operator(),
        "release": release,
    }


def _record(row: RowMapping) -> Record:
    cursor = None if row["cursor"] is None else msgspec.json.decode(row["cursor"], type=dict[str, str])
    return Record(**{**row, "outcome": Outcome(row["outcome"]), "cursor": cursor})


def _json(cursor: Cursor | None) -> str | None:
    return None if cursor is None else msgspec.json.encode(cursor).decode()

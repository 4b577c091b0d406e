"""One batch of a backfill: the next rows along the primary key, changed and recorded in one transaction."""

import re
from dataclasses import dataclass

from sqlalchemy import Connection, text

from app.core.config import Settings
from app.migrator.backfill import state
from app.migrator.backfill.definition import BATCH, Backfill
from app.migrator.backfill.state import Cursor, Record
from app.migrator.revisions.history import Outcome
from app.migrator.sql.identifiers import quote
from app.postgres.errors import MigrationFailedError

# Seconds that a batch waits for a row in use. Less than PostgreSQL's deadlock_timeout (1 s), so that of a batch and a
# request that wait for each other it is the batch that gives way; and nobody waits longer behind a batch that waits.
_ROW_WAIT = 0.5
# A table with more rows is estimated instead.
_COUNTED_ROWS = 100_000
_ROWS_OF_PLAN = re.compile(r"rows=(\d+)")
_PRIMARY_KEY = text(
    """
    SELECT attribute.attname, format_type(attribute.atttypid, attribute.atttypmod)
    FROM pg_index AS index
    CROSS JOIN unnest(index.indkey) WITH ORDINALITY AS part (attnum, position)
    JOIN pg_attribute AS attribute ON attribute.attrelid = index.indrelid AND attribute.attnum = part.attnum
    WHERE index.indrelid = to_regclass(:name) AND index.indisprimary AND part.position <= index.indnkeyatts
    ORDER BY part.position
    """
)
_IS_TABLE = text("SELECT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass(:name) AND relkind IN ('r', 'p'))")
# Each holds for one transaction alone, so that a pooler's next client does not inherit it. A cursor's text must mean
# the same in every session.
_LIMIT = text(
    """
    SELECT set_config('statement_timeout', :statement, true), set_config('lock_timeout', :lock, true),
           set_config('idle_in_transaction_session_timeout', :idle, true), set_config('datestyle', 'ISO, YMD', true),
           set_config('timezone', 'UTC', true), set_config('intervalstyle', 'postgres', true),
           set_config('extra_float_digits', '1', true), set_config('bytea_output', 'hex', true),
           set_config('lc_monetary', 'C', true),
           -- Of PostgreSQL 17: through a pooler there is nothing else that ends one that is cut off in a statement.
           (SELECT set_config(name, :transaction, true) FROM pg_settings WHERE name = 'transaction_timeout')
    """
)
# How many statements of a batch may take as long as one may.
_LONG_STATEMENTS = 4
_NO_LIMIT = text("SELECT set_config('statement_timeout', '0', true)")


@dataclass(frozen=True)
class Done:
    """What a batch did; `at_end` where the table had no further row."""

    record: Record
    seen: int
    at_end: bool


class Batches:
    """The batches of one backfill. `rows` says which rows the last one was about."""

    def __init__(self, connection: Connection, settings: Settings, backfill: Backfill) -> None:
        self._backfill = backfill
        self._settings = settings
        name = quote(backfill.table)
        if not connection.scalar(_IS_TABLE, {"name": name}):
            raise MigrationFailedError(f"Backfill {backfill.name}: there is no table {backfill.table!r}.")
        found = connection.execute(_PRIMARY_KEY, {"name": name}).all()
        if not found:
            raise MigrationFailedError(f"Backfill {backfill.name}: table {backfill.table!r} has no primary key.")
        self._table = _colons_kept(name)
        self._types = {str(column): str(kind) for column, kind in found}
        self._columns = [_colons_kept(quote(column)) for column in self._types]
        self.rows = "no rows"

    def run(self, connection: Connection, size: int, retries: int) -> Done:
        """Changes the next `size` rows and moves the cursor, or does neither; `retries` is what to add to the record.

        Raises whatever the database answers, and RevertedMeanwhileError.
        """
        with connection.begin():
            # Waiting for the turn of another runner holds up nobody.
            limit(connection, self._settings)
            record = state.lock(connection, self._backfill.name)
            if record.outcome is Outcome.DONE:
                return Done(record, seen=0, at_end=True)
            limit(connection, self._settings, lock=min(_ROW_WAIT, self._settings.db_migrate_lock_timeout))
            last, seen = self._slice(connection, record.cursor, size)
            self.rows = _words(record.cursor, last)
            if last is not None:
                changed = self._change(connection, record.cursor, last)
                record = state.advance(
                    connection, self._backfill.name, last, seen=seen, changed=changed, retries=retries
                )
            return Done(record, seen, at_end=seen < size)

    def estimate(self, connection: Connection) -> int:
        """How many rows the table has: exactly where they are few."""
        few = f"SELECT count(*) FROM (SELECT FROM {self._table} LIMIT {_COUNTED_ROWS + 1}) AS few"  # noqa: S608
        counted = int(connection.scalar(text(few)) or 0)
        if counted <= _COUNTED_ROWS:
            return counted
        plan = connection.scalar(text(f"EXPLAIN SELECT FROM {self._table}"))
        rows = _ROWS_OF_PLAN.search(str(plan))
        return max(counted, int(rows[1]) if rows else 0)

    def _slice(self, connection: Connection, cursor: Cursor | None, size: int) -> tuple[Cursor | None, int]:
        """The last key of the next `size` rows, and how many there are; None and 0 at the end."""
        columns = ", ".join(self._columns)
        shown = ", ".join(f"CAST({column} AS text)" for column in self._columns)
        where = f"WHERE {self._compared('>', 'lower')}" if cursor else ""
        statement = f"""
            WITH slice AS (SELECT {columns} FROM {self._table} {where} ORDER BY {columns} LIMIT {size}),
                 counted AS (SELECT {columns}, row_number() OVER () AS position FROM slice)
            SELECT {shown}, position FROM counted ORDER BY position DESC LIMIT 1
        """  # noqa: S608 - names from the catalogue
        row = connection.execute(text(statement), self._values(lower=cursor)).first()
        return (dict(zip(self._types, row[:-1], strict=True)), int(row[-1])) if row else (None, 0)

    def _change(self, connection: Connection, cursor: Cursor | None, last: Cursor) -> int:
        conditions = [self._compared("<=", "upper")]
        if cursor:
            conditions.append(self._compared(">", "lower"))
        if self._backfill.where:
            # On a line of its own what ends in a comment ends there.
            conditions.append(f"({_colons_kept(self._backfill.where)}\n)")
        statement = _colons_kept(self._backfill.update).replace(BATCH, f"({' AND '.join(conditions)})")
        return connection.execute(text(statement), self._values(lower=cursor, upper=last)).rowcount

    def _compared(self, comparison: str, bound: str) -> str:
        """The rows on one side of a key, as a comparison of rows, which the key's index serves."""
        keys = ", ".join(f"{self._table}.{column}" for column in self._columns)
        # The cast from text spares the driver from knowing the type.
        casts = (
            f"CAST(CAST(:{bound}_{i} AS text) AS {_colons_kept(kind)})" for i, kind in enumerate(self._types.values())
        )
        return f"({keys}) {comparison} ({', '.join(casts)})"

    def _values(self, **bounds: Cursor | None) -> dict[str, str]:
        values: dict[str, str] = {}
        for bound, cursor in bounds.items():
            if cursor and cursor.keys() != self._types.keys():
                raise MigrationFailedError(
                    f"Backfill {self._backfill.name} was begun along the key ({', '.join(cursor)}), but that of"
                    f" {self._backfill.table} is ({', '.join(self._types)}) now: give it a new name."
                )
            values |= {f"{bound}_{i}": cursor[column] for i, column in enumerate(self._types)} if cursor else {}
        return values


def limit(connection: Connection, settings: Settings, *, lock: float = 0) -> None:
    """Limit the transaction and its statements, and the wait for each lock to so many seconds; 0 is no limit."""
    statement = settings.db_migrate_statement_timeout
    limits = {"statement": statement, "lock": lock, "idle": statement, "transaction": statement * _LONG_STATEMENTS}
    connection.execute(_LIMIT, {name: f"{round(seconds * 1000)}ms" for name, seconds in limits.items()})


def are_left(connection: Connection, backfill: Backfill) -> bool:
    """Whether the table has rows that are still to be done; where no row shows it, whether it has any row.

    In a transaction, whose statements have no time limit afterwards: this may read the whole table, and stops nobody.
    """
    connection.execute(_NO_LIMIT)
    table = _colons_kept(quote(backfill.table))
    condition = _colons_kept(backfill.where or "true")
    return bool(connection.scalar(text(f"SELECT EXISTS (SELECT FROM {table} WHERE {condition}\n)")))  # noqa: S608


def _colons_kept(sql: str) -> str:
    """SQL in which a colon is a colon, and no parameter."""
    return sql.replace(":", r"\:")


def _words(cursor: Cursor | None, last: Cursor | None) -> str:
    def key(of: Cursor) -> str:
        return ", ".join(f"{column} {value}" for column, value in of.items())

    if last is None:
        return "no rows"
    return f"the rows {f'after {key(cursor)} and ' if cursor else ''}up to {key(last)}"

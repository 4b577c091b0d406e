"""One batch of a backfill: the next rows along the primary key, changed and recorded in one transaction."""

import re
from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ...postgres.errors import MigrationFailedError
from ..config import MigratorConfig
from ..revisions.history import Outcome
from ..sql.quoting import escape_colons, quote
from . import records as stored
from .definition import BATCH, Backfill
from .failures import concerns_a_row
from .records import Cursor, Record

# The most seconds that a batch waits for a row: less than PostgreSQL's deadlock_timeout (1 s), so that the batch gives
# way if it and a request wait for each other; and nobody waits longer behind a batch that waits.
LONGEST_ROW_WAIT = 0.5
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
# Of other roles' sessions PostgreSQL shows it to those alone who may monitor the server: then nothing is known.
_LAG = text("SELECT coalesce(extract(epoch FROM max(replay_lag))::float8, 0) FROM pg_stat_replication")
_IS_TABLE = text("SELECT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass(:name) AND relkind IN ('r', 'p'))")
# The formats make a text, and a time without its zone, mean the same in every session.
FORMATS = {
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "lc_monetary": "C",
}
_SET_FORMATS = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in FORMATS.items())
# Each setting ends with the transaction, so that a pooler's next client does not inherit it.
_LIMIT = text(
    f"""
    SELECT set_config('statement_timeout', :statement, true), set_config('lock_timeout', :lock, true),
           set_config('idle_in_transaction_session_timeout', :idle, true), {_SET_FORMATS},
           -- PostgreSQL 17 has it: through a pooler nothing else ends a transaction that is cut off in a statement.
           (SELECT set_config(name, :transaction, true) FROM pg_settings WHERE name = 'transaction_timeout')
    """  # noqa: S608 - constants
)
# How many statements of a batch may take as long as one may.
_LONG_STATEMENTS = 4
_NO_LIMIT = text(f"SELECT set_config('statement_timeout', '0', true), {_SET_FORMATS}")


@dataclass(frozen=True)
class BatchResult:
    """What a batch did: the record afterwards, how many rows it went over, and whether the table had no further row.

    `lag` is by how many seconds the slowest standby was behind; 0 if there is none, or our role may not see it.
    """

    record: Record
    seen: int
    at_end: bool
    lag: float = 0


class Batches:
    """The batches of one backfill; `rows` names, for messages, the rows of the last one.

    With `retries_failed` False none is run once a run has failed, another process's, too.
    """

    def __init__(
        self, connection: Connection, config: MigratorConfig, backfill: Backfill, *, retries_failed: bool = True
    ) -> None:
        self._backfill = backfill
        self._config = config
        self._retries_failed = retries_failed
        name = quote(backfill.table)
        if not connection.scalar(_IS_TABLE, {"name": name}):
            raise MigrationFailedError(f"Backfill {backfill.name}: there is no table {backfill.table!r}.")
        found = connection.execute(_PRIMARY_KEY, {"name": name}).all()
        if not found:
            raise MigrationFailedError(f"Backfill {backfill.name}: table {backfill.table!r} has no primary key.")
        self._table = escape_colons(name)
        self._types = {str(column): str(kind) for column, kind in found}
        self._columns = [escape_colons(quote(column)) for column in self._types]
        self.rows = "no rows"

    def run(self, connection: Connection, size: int, retries: int, row_wait: float) -> BatchResult:
        """Change the next `size` rows and move the cursor, in one transaction; `retries` is added to the record's.

        It waits for a row in use for `row_wait` seconds at most. Raises what the driver raises, and
        RevertedMeanwhileError and BackfillHeldError.
        """
        with connection.begin():
            # It waits without limit for another process that runs the backfill: that holds up nobody.
            limit(connection, self._config)
            record = stored.lock(connection, self._backfill.name)
            stored.require_not_held(record, retries_failed=self._retries_failed)
            if record.outcome is Outcome.DONE:
                return BatchResult(record, seen=0, at_end=True)
            limit(connection, self._config, lock=row_wait)
            last, seen = self._next_key(connection, record.cursor, size)
            self.rows = _describe_rows(record.cursor, last, seen)
            if last is not None:
                changed = self._change(connection, record.cursor, last)
                record = stored.advance(
                    connection, self._backfill.name, last, seen=seen, changed=changed, retries=retries
                )
            return BatchResult(record, seen, at_end=seen < size, lag=connection.scalar(_LAG) or 0)

    def estimate(self, connection: Connection) -> int:
        """Return how many rows the table has: their number if they are few, the planner's estimate otherwise."""
        few = f"SELECT count(*) FROM (SELECT FROM {self._table} LIMIT {_COUNTED_ROWS + 1}) AS few"  # noqa: S608
        counted = int(connection.scalar(text(few)) or 0)
        if counted <= _COUNTED_ROWS:
            return counted
        plan = connection.scalar(text(f"EXPLAIN SELECT FROM {self._table}"))
        rows = _ROWS_OF_PLAN.search(str(plan))
        return max(counted, int(rows[1]) if rows else 0)

    def _next_key(self, connection: Connection, cursor: Cursor | None, size: int) -> tuple[Cursor | None, int]:
        """Return the last key of the next `size` rows, and how many rows there are; None and 0 at the end."""
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
            conditions.append(f"({escape_colons(self._backfill.where)}\n)")
        statement = escape_colons(self._backfill.update).replace(BATCH, f"({' AND '.join(conditions)})")
        return connection.execute(text(statement), self._values(lower=cursor, upper=last)).rowcount

    def _compared(self, comparison: str, bound: str) -> str:
        """Return the condition for the rows on one side of a key: a comparison of rows, which its index serves."""
        keys = ", ".join(f"{self._table}.{column}" for column in self._columns)
        # The cast from text spares the driver from knowing the type.
        casts = (
            f"CAST(CAST(:{bound}_{i} AS text) AS {escape_colons(kind)})" for i, kind in enumerate(self._types.values())
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


def limit(connection: Connection, config: MigratorConfig, *, lock: float = 0) -> None:
    """Limit the transaction, its statements, and each wait for a lock to `lock` seconds; 0 is no limit."""
    statement = config.statement_timeout
    limits = {"statement": statement, "lock": lock, "idle": statement, "transaction": statement * _LONG_STATEMENTS}
    connection.execute(_LIMIT, {name: f"{round(seconds * 1000)}ms" for name, seconds in limits.items()})


def has_rows_left(connection: Connection, backfill: Backfill) -> bool:
    """Return whether the table has rows that are still to be done; if no row shows it, whether it has any row.

    Call it in a transaction, whose statements have no time limit afterwards: it may read the whole table, and blocks
    nobody. A row of which the condition cannot be told, because a value does not convert, is one that is left.
    """
    connection.execute(_NO_LIMIT)
    table = escape_colons(quote(backfill.table))
    condition = escape_colons(backfill.where or "true")
    try:
        with connection.begin_nested():
            return bool(connection.scalar(text(f"SELECT EXISTS (SELECT FROM {table} WHERE {condition}\n)")))  # noqa: S608
    except DBAPIError as exc:
        if not concerns_a_row(exc):
            raise
        return True


def _describe_rows(cursor: Cursor | None, last: Cursor | None, count: int) -> str:
    def key(of: Cursor) -> str:
        return ", ".join(f"{column} {value}" for column, value in of.items())

    if last is None:
        return "no rows"
    if count == 1:
        return f"the row {key(last)}"
    return f"the rows {f'after {key(cursor)} and ' if cursor else ''}up to {key(last)}"

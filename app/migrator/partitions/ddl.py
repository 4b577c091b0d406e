"""The statements of each step, in the caller's transaction: nobody sees it half done, and a kill leaves it undone.

A foreign key of a partition has triggers on the table that it refers to, which is locked first: requests read that
table, too, before they write to this one, so that the two never wait for each other.
"""

from datetime import datetime

from sqlalchemy import Connection, text

from ...postgres.errors import MigrationFailedError
from ..command_names import command
from ..sql.quoting import quote
from .months import (
    MONTHS_BEGIN,
    MONTHS_END,
    add_months,
    created_between,
    month_start,
    partition_name,
)
from .state import SEAL, Action, Partition, PartitionState, PartitionStep
from .tables import create_default_partition, name_indexes

REFERRED_TO = text(
    """
    SELECT DISTINCT confrelid::regclass::text AS name FROM pg_constraint
    WHERE conrelid = to_regclass(:name) AND contype = 'f' ORDER BY 1
    """
)


def make_default(connection: Connection, table: str) -> Action:
    return Action(PartitionStep.MAKE, table, create_default_partition(connection, table))


def make_month(connection: Connection, table: str, default: str, month: datetime) -> Action:
    """Make the partition of the month, and move the rows of that month from the default partition into it.

    ATTACH PARTITION rather than PARTITION OF, during which nobody could write to the table. PostgreSQL reads the
    default once, to see that it keeps no row of the month.
    """
    end = add_months(month, 1)
    name = partition_name(table, month, end)
    _lock_referred_to(connection, table, "SHARE ROW EXCLUSIVE")
    _execute(connection, f"LOCK TABLE {quote(default)} IN ACCESS EXCLUSIVE MODE")
    _execute(connection, f"CREATE TABLE {quote(name)} (LIKE {quote(table)} INCLUDING DEFAULTS INCLUDING STORAGE)")
    moved = connection.exec_driver_sql(
        f"WITH moved AS (DELETE FROM {quote(default)} WHERE {created_between(month, end)} RETURNING *)"  # noqa: S608 - quoted
        f" INSERT INTO {quote(name)} SELECT * FROM moved"
    )
    _execute(connection, f"ALTER TABLE {quote(table)} ATTACH PARTITION {quote(name)} {_for_values(month, end)}")
    name_indexes(connection, table, name)
    return Action(PartitionStep.MAKE, table, name, moved.rowcount)


def stray_months(
    connection: Connection, state: PartitionState, begin: datetime | None, end: datetime
) -> list[datetime]:
    """Return the months without a partition of the default's rows, those from `begin` until before `end` left out.

    Raises MigrationFailedError if rows belong to no month that has a name.
    """
    default, strays = quote(state.default or ""), f"NOT ({created_between(begin, end)})"
    known = created_between(MONTHS_BEGIN, MONTHS_END)
    nameless = connection.scalar(text(f"SELECT count(*) FROM {default} WHERE NOT ({known})"))  # noqa: S608
    if nameless:
        raise MigrationFailedError(
            f"{nameless} row(s) of {state.default} have a created_at before the year {MONTHS_BEGIN.year} or after"
            f" the year {MONTHS_END.year - 1}, of which there can be no partition: correct or delete them, and start"
            f" `{command('partitions')} --apply` again."
        )
    months = connection.scalars(
        text(f"SELECT DISTINCT date_trunc('month', created_at, 'UTC') FROM {default} WHERE {strays} ORDER BY 1")  # noqa: S608
    )
    return [month for month in map(month_start, months) if not state.has(month)]


def begin_sealing(connection: Connection, default: str, begin: datetime | None, end: datetime) -> None:
    """Let the default take only rows of these months from now on; `end` is a month ahead or more."""
    check = f"ADD CONSTRAINT {SEAL} CHECK ({created_between(begin, end)}) NOT VALID"
    _execute(connection, f"ALTER TABLE {quote(default)} DROP CONSTRAINT IF EXISTS {SEAL}, {check}")


def validate_seal(connection: Connection, default: str) -> None:
    """Validate the seal, which reads every row and blocks nobody, so that the next step need not read them."""
    _execute(connection, "SET LOCAL statement_timeout = 0")
    _execute(connection, f"ALTER TABLE {quote(default)} VALIDATE CONSTRAINT {SEAL}")


def break_seal(connection: Connection, default: str) -> None:
    """Let the default take rows of every month again."""
    _execute(connection, f"ALTER TABLE {quote(default)} DROP CONSTRAINT IF EXISTS {SEAL}")


def seal(connection: Connection, table: str, default: str, begin: datetime | None, end: datetime) -> Action:
    """Make the default, as it is, the partition of these months, and an empty table the default."""
    name = partition_name(table, begin, end)
    _lock_referred_to(connection, table, "ACCESS EXCLUSIVE")
    _execute(connection, f"LOCK TABLE ONLY {quote(table)} IN ACCESS EXCLUSIVE MODE")
    _execute(connection, f"ALTER TABLE {quote(table)} DETACH PARTITION {quote(default)}")
    _execute(connection, f"ALTER TABLE {quote(default)} RENAME TO {quote(name)}")
    _execute(connection, f"ALTER TABLE {quote(table)} ATTACH PARTITION {quote(name)} {_for_values(begin, end)}")
    _execute(connection, f"ALTER TABLE {quote(name)} DROP CONSTRAINT {SEAL}")
    name_indexes(connection, table, name)
    make_default(connection, table)
    return Action(PartitionStep.SPLIT, table, name)


def drop(connection: Connection, table: str, partition: Partition) -> None:
    """Drop a partition at once.

    DETACH … CONCURRENTLY is not for tables with a default partition, and a plain DETACH locks more than this does.
    """
    _execute(connection, f"LOCK TABLE ONLY {quote(table)} IN ACCESS EXCLUSIVE MODE")
    _execute(connection, f"DROP TABLE {quote(partition.name)}")


def _lock_referred_to(connection: Connection, table: str, mode: str) -> None:
    for name in connection.scalars(REFERRED_TO, {"name": table}).all():
        _execute(connection, f"LOCK TABLE {name} IN {mode} MODE")


def _for_values(begin: datetime | None, end: datetime) -> str:
    first = f"'{begin.isoformat()}'" if begin else "MINVALUE"
    return f"FOR VALUES FROM ({first}) TO ('{end.isoformat()}')"


def _execute(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement)

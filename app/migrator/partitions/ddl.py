"""The steps, each in the caller's transaction: none is seen half done, and a kill leaves it undone.

A foreign key of a partition has triggers on the table that it refers to. What locks that table locks it first, as
requests do, which read it before they write here.
"""

from datetime import datetime

from sqlalchemy import Connection, text

from app.migrator.partitions.months import MONTHS_BEGIN, MONTHS_END, later, month_of, name_of, within
from app.migrator.partitions.state import SEAL, Action, Partition, Standing, Step
from app.migrator.sql.identifiers import quote
from app.models.base import create_default_partition, name_indexes
from app.postgres.errors import MigrationFailedError

_REFERRED_TO = text(
    """
    SELECT DISTINCT confrelid::regclass::text FROM pg_constraint
    WHERE conrelid = to_regclass(:name) AND contype = 'f' ORDER BY 1
    """
)


def make_default(connection: Connection, table: str) -> Action:
    return Action(Step.MAKE, table, create_default_partition(connection, table))


def make_month(connection: Connection, table: str, default: str, month: datetime) -> Action:
    """The partition of the month, with the rows that the default has of it.

    ATTACH rather than PARTITION OF: the table can be written meanwhile. The default is read once, to see that it keeps
    nothing of the month.
    """
    end = later(month, 1)
    name = name_of(table, month, end)
    _lock_referred_to(connection, table, "SHARE ROW EXCLUSIVE")
    _run(connection, f"LOCK TABLE {quote(default)} IN ACCESS EXCLUSIVE MODE")
    _run(connection, f"CREATE TABLE {quote(name)} (LIKE {quote(table)} INCLUDING DEFAULTS INCLUDING STORAGE)")
    moved = connection.exec_driver_sql(
        f"WITH moved AS (DELETE FROM {quote(default)} WHERE {within(month, end)} RETURNING *)"  # noqa: S608 - quoted
        f" INSERT INTO {quote(name)} SELECT * FROM moved"
    )
    _run(connection, f"ALTER TABLE {quote(table)} ATTACH PARTITION {quote(name)} {_for_values(month, end)}")
    name_indexes(connection, table, name)
    return Action(Step.MAKE, table, name, moved.rowcount)


def stray_months(connection: Connection, standing: Standing, begin: datetime | None, end: datetime) -> list[datetime]:
    """The months of the default's rows that are not from `begin` until before `end`, and have no partition either.

    Raises MigrationFailedError where rows are of no month that has a name.
    """
    default, strays = quote(standing.default or ""), f"NOT ({within(begin, end)})"
    known = within(MONTHS_BEGIN, MONTHS_END)
    nameless = connection.scalar(text(f"SELECT count(*) FROM {default} WHERE NOT ({known})"))  # noqa: S608
    if nameless:
        raise MigrationFailedError(
            f"{nameless} row(s) of {standing.default} have a created_at before the year {MONTHS_BEGIN.year} or after"
            f" the year {MONTHS_END.year - 1}, of which there can be no partition: correct or delete them, and start"
            " `litestar database partitions --apply` again."
        )
    months = connection.scalars(
        text(f"SELECT DISTINCT date_trunc('month', created_at, 'UTC') FROM {default} WHERE {strays} ORDER BY 1")  # noqa: S608
    )
    return [month for month in map(month_of, months) if not standing.has(month)]


def begin_sealing(connection: Connection, default: str, begin: datetime | None, end: datetime) -> None:
    """From here on the default takes no row but of these months, of which `end` is a month ahead or more."""
    check = f"ADD CONSTRAINT {SEAL} CHECK ({within(begin, end)}) NOT VALID"
    _run(connection, f"ALTER TABLE {quote(default)} DROP CONSTRAINT IF EXISTS {SEAL}, {check}")


def validate_seal(connection: Connection, default: str) -> None:
    """Reads every row, in nobody's way: the next step need not."""
    _run(connection, "SET LOCAL statement_timeout = 0")
    _run(connection, f"ALTER TABLE {quote(default)} VALIDATE CONSTRAINT {SEAL}")


def break_seal(connection: Connection, default: str) -> None:
    _run(connection, f"ALTER TABLE {quote(default)} DROP CONSTRAINT IF EXISTS {SEAL}")


def seal(connection: Connection, table: str, default: str, begin: datetime | None, end: datetime) -> Action:
    """Makes the default, as it is, the partition of these months, and an empty one the default."""
    name = name_of(table, begin, end)
    _lock_referred_to(connection, table, "ACCESS EXCLUSIVE")
    _run(connection, f"LOCK TABLE ONLY {quote(table)} IN ACCESS EXCLUSIVE MODE")
    _run(connection, f"ALTER TABLE {quote(table)} DETACH PARTITION {quote(default)}")
    _run(connection, f"ALTER TABLE {quote(default)} RENAME TO {quote(name)}")
    _run(connection, f"ALTER TABLE {quote(table)} ATTACH PARTITION {quote(name)} {_for_values(begin, end)}")
    _run(connection, f"ALTER TABLE {quote(name)} DROP CONSTRAINT {SEAL}")
    name_indexes(connection, table, name)
    make_default(connection, table)
    return Action(Step.SPLIT, table, name)


def drop(connection: Connection, table: str, partition: Partition) -> None:
    """At once: DETACH … CONCURRENTLY is not for tables with a default, and a plain one locks more than this does."""
    _run(connection, f"LOCK TABLE ONLY {quote(table)} IN ACCESS EXCLUSIVE MODE")
    _run(connection, f"DROP TABLE {quote(partition.name)}")


def _lock_referred_to(connection: Connection, table: str, mode: str) -> None:
    for name in connection.scalars(_REFERRED_TO, {"name": table}).all():
        _run(connection, f"LOCK TABLE {name} IN {mode} MODE")


def _for_values(begin: datetime | None, end: datetime) -> str:
    first = f"'{begin.isoformat()}'" if begin else "MINVALUE"
    return f"FOR VALUES FROM ({first}) TO ('{end.isoformat()}')"


def _run(connection: Connection, statement: str) -> None:
    connection.exec_driver_sql(statement)

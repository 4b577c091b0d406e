"""Which partitions there are, which are to come, and which are older than is kept."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.core.config import Settings
from app.migrator.partitions.months import MONTHS_BEGIN, later, month_of, name_of, within
from app.migrator.sql.identifiers import quote
from app.models import metadata
from app.models.base import default_partition, is_partitioned

# Months after this one that have a partition.
AHEAD = 3
# Months, this one among them, that rows of the default partition are made a partition of: with the present one alone, a
# row could be refused at its end, should the work be broken off.
_SEALED = 2
# On the default partition, while it is being made the one of the months that its rows are of.
SEAL = "ck_partition_seal"
_NOW = text("SELECT now()")
_IS_PARTITIONED = text("SELECT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass(:name) AND relkind = 'p')")
_BOUND = "pg_get_expr(c.relpartbound, c.oid)"
# The bounds are as the session writes times, and are read by it.
_PARTITIONS = text(
    f"""
    SELECT c.relname::text AS name, {_BOUND} = 'DEFAULT' AS is_default, greatest(c.reltuples, 0)::bigint AS rows,
           (regexp_match({_BOUND}, 'FROM \\(''(.*)''\\) TO'))[1]::timestamptz AS begin,
           (regexp_match({_BOUND}, 'TO \\(''(.*)''\\)$'))[1]::timestamptz AS "end",
           EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND conname = '{SEAL}') AS is_sealed
    FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = to_regclass(:name) ORDER BY "end" NULLS LAST, name
    """  # noqa: S608 - constants
)


class Step(StrEnum):
    MAKE = "make"
    SPLIT = "split"
    DROP = "drop"


@dataclass(frozen=True)
class Action:
    """What is to be done or was; `rows` are those that it moves or drops, None where they were not counted."""

    step: Step
    table: str
    partition: str
    rows: int | None = None


@dataclass(frozen=True)
class KeptLonger:
    """Rows from before `kept_from` that go with newer ones in their partition, when that is dropped."""

    table: str
    partition: str
    rows: int | None
    kept_from: datetime
    dropped_from: datetime


@dataclass(frozen=True)
class Partition:
    """From `begin` until before `end`; None is without a bound. `rows` is what the server last estimated."""

    name: str
    begin: datetime | None
    end: datetime | None
    rows: int

    def overlaps(self, month: datetime) -> bool:
        begins = self.begin is None or self.begin < later(month, 1)
        return begins and (self.end is None or self.end > month)


@dataclass(frozen=True)
class Standing:
    """One table's. `default` is None where there is none; `is_sealed` says that its sealing was broken off.

    `kept` is how many months before this one are kept; None is all.
    """

    table: str
    month: datetime
    partitions: tuple[Partition, ...]
    default: str | None
    holds_rows: bool
    is_sealed: bool
    kept: int | None

    @property
    def missing(self) -> list[datetime]:
        months = [later(self.month, count) for count in range(AHEAD + 1)]
        return [month for month in months if not self.has(month)]

    @property
    def unpartitioned(self) -> tuple[datetime | None, datetime]:
        """From where until before when the rows of the default can be a partition as they are; nothing where equal."""
        end = later(self.month, _SEALED)
        before = [one.end for one in self.partitions if one.begin is None or one.begin < end]
        if any(one is None or one >= end for one in before):
            return end, end
        return max(filter(None, before), default=None), end

    @property
    def oldest(self) -> datetime | None:
        """The first month that is kept; None where all are."""
        return None if self.kept is None else later(self.month, -self.kept)

    @property
    def expired(self) -> list[Partition]:
        oldest = self.oldest
        return [one for one in self.partitions if oldest and one.end and one.end <= oldest]

    def has(self, month: datetime) -> bool:
        return any(partition.overlaps(month) for partition in self.partitions)

    def to_make(self) -> Iterator[Action]:
        default = default_partition(self.table)
        if self.default is None:
            yield Action(Step.MAKE, self.table, default)
        elif self.holds_rows or self.is_sealed:
            yield Action(Step.SPLIT, self.table, self.default)
        for month in self.missing:
            yield Action(Step.MAKE, self.table, name_of(self.table, month, later(month, 1)))

    def to_drop(self) -> Iterator[Action]:
        yield from (Action(Step.DROP, self.table, partition.name) for partition in self.expired)


def read_partitions(
    connection: Connection, settings: Settings, *, keep: int | None = None, now: datetime | None = None
) -> list[Standing]:
    """Of each table that the models partition and the database does, too; `keep` is instead of the settings' months.

    What month it is says the database, which is one for all who ask.
    """
    kept = {
        "activity_events": settings.activity_retention_months,
        "board_webhook_payloads": settings.webhook_payload_retention_months,
    }
    month = month_of(now or connection.execute(_NOW).scalar_one())
    return [
        _standing(connection, str(table.name), month, kept[table.name] if keep is None else keep)
        for table in metadata.sorted_tables
        if is_partitioned(table) and connection.scalar(_IS_PARTITIONED, {"name": table.name})
    ]


def _standing(connection: Connection, table: str, month: datetime, kept: int | None) -> Standing:
    rows = connection.execute(_PARTITIONS, {"name": table}).all()
    default = next((row for row in rows if row.is_default), None)
    return Standing(
        table=table,
        month=month,
        partitions=tuple(Partition(row.name, row.begin, row.end, row.rows) for row in rows if not row.is_default),
        default=default.name if default else None,
        holds_rows=bool(default and connection.scalar(text(f"SELECT EXISTS (SELECT FROM {quote(default.name)})"))),  # noqa: S608
        is_sealed=bool(default and default.is_sealed),
        kept=kept,
    )


def expired_in_default(connection: Connection, standing: Standing) -> Iterator[Action]:
    """What is to be dropped once the default's rows have partitions, and not before."""
    if standing.oldest is None or standing.default is None or not standing.holds_rows:
        return
    statement = f"""
        SELECT date_trunc('month', created_at, 'UTC') AS month, count(*) AS rows FROM {quote(standing.default)}
        WHERE {within(MONTHS_BEGIN, standing.oldest)} AND NOT ({within(*standing.unpartitioned)})
        GROUP BY 1 ORDER BY 1
    """  # noqa: S608 - quoted
    for row in connection.execute(text(statement)):
        month = month_of(row.month)
        if not standing.has(month):
            yield Action(Step.DROP, standing.table, name_of(standing.table, month, later(month, 1)), row.rows)


def read_kept_longer(connection: Connection, standing: Standing) -> Iterator[KeptLonger]:
    """The expired rows of partitions of several months, of which some are kept."""
    oldest, kept = standing.oldest, standing.kept
    for one in standing.partitions:
        if oldest is None or kept is None or one.end is None or one.end <= oldest:
            continue
        if one.begin is None or one.begin < oldest:
            rows = _count(connection, one.name, f"created_at < '{oldest.isoformat()}'")
            if rows != 0:
                yield KeptLonger(standing.table, one.name, rows, oldest, later(one.end, kept))


def counted(connection: Connection, action: Action) -> Action:
    """With the partition's rows, as far as they can be counted."""
    return replace(action, rows=_count(connection, action.partition, "true"))


def _count(connection: Connection, partition: str, condition: str) -> int | None:
    """None where it takes longer than a statement may."""
    try:
        with connection.begin_nested():
            statement = f"SELECT count(*) FROM {quote(partition)} WHERE {condition}"  # noqa: S608 - quoted
            return int(connection.scalar(text(statement)) or 0)
    except DBAPIError as exc:
        if exc.connection_invalidated:
            raise
        return None

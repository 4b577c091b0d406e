"""Which partitions there are, which are to come, and which are older than is kept."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import takewhile

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from ..config import MigratorConfig
from ..sql.quoting import quote
from ..units import EstimatedRows, Rows, Time
from .months import MONTHS_BEGIN, add_months, created_between, month_start, partition_name
from .tables import default_partition, is_partitioned

# Months after this one that have a partition.
MONTHS_AHEAD = 3
# The default partition becomes the partition of its rows' months up to this many, the current one among them. With the
# current one alone, rows would be refused at its end if the work were broken off.
_SEALED_MONTHS = 2
# This constraint is on the default partition while it is being made the partition of its rows' months.
SEAL = "ck_partition_seal"
_NOW = text("SELECT now()")
_IS_PARTITIONED = text("SELECT EXISTS (SELECT FROM pg_class WHERE oid = to_regclass(:name) AND relkind = 'p')")
_BOUND = "pg_get_expr(c.relpartbound, c.oid)"
# The catalogue shows bounds in the session's format of times, in which the cast reads them.
PARTITIONS = text(
    f"""
    SELECT c.relname::text AS name, {_BOUND} = 'DEFAULT' AS is_default, greatest(c.reltuples, 0)::bigint AS rows,
           (regexp_match({_BOUND}, 'FROM \\(''(.*)''\\) TO'))[1]::timestamptz AS begin,
           (regexp_match({_BOUND}, 'TO \\(''(.*)''\\)$'))[1]::timestamptz AS "end",
           EXISTS (SELECT FROM pg_constraint WHERE conrelid = c.oid AND conname = '{SEAL}') AS is_sealed
    FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
    WHERE i.inhparent = to_regclass(:name) ORDER BY "end" NULLS LAST, name
    """  # noqa: S608 - constants
)


class PartitionStep(StrEnum):
    """What an action does; SPLIT makes the rows of a default partition a partition of their months."""

    MAKE = "make"
    SPLIT = "split"
    DROP = "drop"


@dataclass(frozen=True)
class Action:
    """One action, to be done or done; `rows` counts the rows that it moves or drops (None: they were not counted)."""

    step: PartitionStep
    table: str
    partition: str
    rows: Rows | None = None


@dataclass(frozen=True)
class KeptLonger:
    """Rows from before `kept_from` that stay until newer rows of their partition expire, too."""

    table: str
    partition: str
    rows: Rows | None
    kept_from: Time
    dropped_from: Time


@dataclass(frozen=True)
class Partition:
    """The partition from `begin` until before `end` (None: unbounded); `rows` is the server's last estimate."""

    name: str
    begin: Time | None
    end: Time | None
    rows: EstimatedRows

    def overlaps(self, month: datetime) -> bool:
        """Return whether rows of the month may be in it."""
        begins = self.begin is None or self.begin < add_months(month, 1)
        return begins and (self.end is None or self.end > month)


@dataclass(frozen=True)
class PartitionState:
    """The partitions of one table in `month`, the current one.

    `default` is the default partition's name, None if there is none; `is_sealed`: its sealing was broken off, or goes
    on. `kept` is how many months before this one are kept; None is all.
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
        """The months, this one and those ahead, that have no partition."""
        months = [add_months(self.month, count) for count in range(MONTHS_AHEAD + 1)]
        return [month for month in months if not self.has(month)]

    @property
    def months_ahead(self) -> int:
        """How many months after this one have a partition, up to the first gap; -1 if this month has none."""
        missing = self.missing
        months = takewhile(lambda count: add_months(self.month, count) not in missing, range(MONTHS_AHEAD + 1))
        return sum(1 for _ in months) - 1

    @property
    def unpartitioned(self) -> tuple[datetime | None, datetime]:
        """From when until before when the default's rows can become a partition as they are; equal: no rows can."""
        end = add_months(self.month, _SEALED_MONTHS)
        before = [one.end for one in self.partitions if one.begin is None or one.begin < end]
        if any(one is None or one >= end for one in before):
            return end, end
        return max(filter(None, before), default=None), end

    @property
    def oldest(self) -> datetime | None:
        """The first month that is kept; None if all are."""
        return None if self.kept is None else add_months(self.month, -self.kept)

    @property
    def expired(self) -> list[Partition]:
        """The partitions that are older than is kept."""
        oldest = self.oldest
        return [one for one in self.partitions if oldest and one.end and one.end <= oldest]

    def has(self, month: datetime) -> bool:
        return any(partition.overlaps(month) for partition in self.partitions)

    def to_make(self) -> Iterator[Action]:
        """Yield what is to be made or split."""
        default = default_partition(self.table)
        if self.default is None:
            yield Action(PartitionStep.MAKE, self.table, default)
        elif self.holds_rows or self.is_sealed:
            yield Action(PartitionStep.SPLIT, self.table, self.default)
        for month in self.missing:
            yield Action(PartitionStep.MAKE, self.table, partition_name(self.table, month, add_months(month, 1)))

    def to_drop(self) -> Iterator[Action]:
        """Yield what is to be dropped, in the order of `expired`."""
        yield from (Action(PartitionStep.DROP, self.table, partition.name) for partition in self.expired)


def read_partitions(
    connection: Connection, config: MigratorConfig, *, keep: int | None = None, now: datetime | None = None
) -> list[PartitionState]:
    """Return the partitions of each table that is partitioned in the models and in the database.

    `keep` replaces the months of the settings. The current month comes from the database's clock, which is one for
    every process, unless `now` is given.
    """
    month = month_start(now or connection.execute(_NOW).scalar_one())
    return [
        _read_state(connection, str(table.name), month, config.retention.get(table.name) if keep is None else keep)
        for table in config.metadata.tables.values()
        if is_partitioned(table) and connection.scalar(_IS_PARTITIONED, {"name": table.name})
    ]


def _read_state(connection: Connection, table: str, month: datetime, kept: int | None) -> PartitionState:
    rows = connection.execute(PARTITIONS, {"name": table}).all()
    default = next((row for row in rows if row.is_default), None)
    return PartitionState(
        table=table,
        month=month,
        partitions=tuple(Partition(row.name, row.begin, row.end, row.rows) for row in rows if not row.is_default),
        default=default.name if default else None,
        holds_rows=bool(default and connection.scalar(text(f"SELECT EXISTS (SELECT FROM {quote(default.name)})"))),  # noqa: S608
        is_sealed=bool(default and default.is_sealed),
        kept=kept,
    )


def expired_in_default(connection: Connection, state: PartitionState) -> Iterator[Action]:
    """Yield what is to be dropped once the default's rows have partitions, and not before."""
    if state.oldest is None or state.default is None or not state.holds_rows:
        return
    statement = f"""
        SELECT date_trunc('month', created_at, 'UTC') AS month, count(*) AS rows FROM {quote(state.default)}
        WHERE {created_between(MONTHS_BEGIN, state.oldest)} AND NOT ({created_between(*state.unpartitioned)})
        GROUP BY 1 ORDER BY 1
    """  # noqa: S608 - quoted
    for row in connection.execute(text(statement)):
        month = month_start(row.month)
        if not state.has(month):
            yield Action(
                PartitionStep.DROP, state.table, partition_name(state.table, month, add_months(month, 1)), row.rows
            )


def read_kept_longer(connection: Connection, state: PartitionState) -> Iterator[KeptLonger]:
    """Yield the expired rows in partitions of several months, of which some are kept."""
    oldest, kept = state.oldest, state.kept
    for one in state.partitions:
        if oldest is None or kept is None or one.end is None or one.end <= oldest:
            continue
        if one.begin is None or one.begin < oldest:
            rows = _count(connection, one.name, f"created_at < '{oldest.isoformat()}'")
            if rows != 0:
                yield KeptLonger(state.table, one.name, rows, oldest, add_months(one.end, kept))


def counted(connection: Connection, action: Action) -> Action:
    """Return the action with the number of its partition's rows, as far as they can be counted."""
    return replace(action, rows=_count(connection, action.partition, "true"))


def _count(connection: Connection, partition: str, condition: str) -> int | None:
    """Return the number of rows; None if counting takes longer than a statement may."""
    try:
        with connection.begin_nested():
            statement = f"SELECT count(*) FROM {quote(partition)} WHERE {condition}"  # noqa: S608 - quoted
            return int(connection.scalar(text(statement)) or 0)
    except DBAPIError as exc:
        if exc.connection_invalidated:
            raise
        return None

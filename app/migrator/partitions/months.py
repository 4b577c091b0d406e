"""Months, in UTC, and what their partitions are called."""

from datetime import UTC, datetime

_MONTHS = 12
# PostgreSQL has times beyond the years that Python has, `infinity` among them: they belong to no month.
MONTHS_BEGIN = datetime(1, 1, 1, tzinfo=UTC)
MONTHS_END = datetime(9999, 1, 1, tzinfo=UTC)


def month_start(time: datetime) -> datetime:
    """Return the first moment of the month, in UTC, that `time` is in."""
    return time.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def add_months(month: datetime, count: int) -> datetime:
    """Return the month `count` months later, or earlier if it is negative, but not before the year 1."""
    years, index = divmod(month.month - 1 + count, _MONTHS)
    return month.replace(year=max(month.year + years, 1), month=index + 1)


def created_between(begin: datetime | None, end: datetime) -> str:
    """Return the SQL condition that a row was created from `begin` until before `end`."""
    after = f"created_at >= '{begin.isoformat()}' AND " if begin else ""
    return f"{after}created_at < '{end.isoformat()}'"


def partition_name(table: str, begin: datetime | None, end: datetime) -> str:
    """Return the name of the partition from `begin` until before `end`; several months are named after their last."""
    last = add_months(end, -1)
    return f"{table}_{last:%Y_%m}" if begin == last else f"{table}_to_{last:%Y_%m}"

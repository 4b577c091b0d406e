"""Months, in UTC, and what their partitions are called."""

from datetime import UTC, datetime

_MONTHS = 12
# PostgreSQL knows times without a year that Python has, `infinity` among them: those are of no month.
MONTHS_BEGIN = datetime(1, 1, 1, tzinfo=UTC)
MONTHS_END = datetime(9999, 1, 1, tzinfo=UTC)


def month_of(time: datetime) -> datetime:
    """Its first moment."""
    return time.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def later(month: datetime, count: int) -> datetime:
    """The month so many months later; earlier with a negative count. Not before the year 1."""
    years, index = divmod(month.month - 1 + count, _MONTHS)
    return month.replace(year=max(month.year + years, 1), month=index + 1)


def within(begin: datetime | None, end: datetime) -> str:
    """Return the SQL condition that a row is from `begin` until before `end`."""
    after = f"created_at >= '{begin.isoformat()}' AND " if begin else ""
    return f"{after}created_at < '{end.isoformat()}'"


def name_of(table: str, begin: datetime | None, end: datetime) -> str:
    """Of the partition from `begin` until before `end`; one of several months is named by the last of them."""
    last = later(end, -1)
    return f"{table}_{last:%Y_%m}" if begin == last else f"{table}_to_{last:%Y_%m}"

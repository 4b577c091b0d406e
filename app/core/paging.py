"""What part of a list is wanted, and what is found of it."""

from typing import Any, NamedTuple


class SortKey(NamedTuple):
    """One column by which a list is sorted."""

    name: str
    descending: bool


class Window(NamedTuple):
    """What part of a list is wanted: `limit` rows (1-200) from `offset`, or after `cursor`, in the order of `sort`.

    An empty cursor is before the first row: it saves counting all rows for the total.
    """

    limit: int
    offset: int = 0
    cursor: str | None = None
    sort: tuple[SortKey, ...] = ()


class Slice(NamedTuple):
    """Rows of a list; `total` is None where a cursor was given, `next_cursor` at the end of the list."""

    rows: list[Any]
    total: int | None
    next_cursor: str | None

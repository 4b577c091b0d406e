"""A page of a list: what is asked for, and what is found."""

from typing import Any, NamedTuple


class SortKey(NamedTuple):
    name: str
    descending: bool


class Window(NamedTuple):
    """The page that is asked for: `limit` rows (1-200) from `offset`, or after `cursor`, in the order of `sort`.

    An empty cursor is the first page without a total, so that the rows need not be counted.
    """

    limit: int
    offset: int = 0
    cursor: str | None = None
    sort: tuple[SortKey, ...] = ()


class Slice(NamedTuple):
    """The rows of a page. `total` is None if a cursor was given; `next_cursor` is None on the last page."""

    rows: list[Any]
    total: int | None
    next_cursor: str | None

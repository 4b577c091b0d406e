"""A page of a list."""

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """A page of a list. `total` is null with `cursor`, otherwise exact; `next_cursor` is null on the last page."""

    items: list[T]
    total: int | None
    limit: int
    offset: int
    next_cursor: str | None

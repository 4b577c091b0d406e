"""A page of a list."""

from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Page(msgspec.Struct, Generic[T], frozen=True):
    """`total` is exact with `offset`, and null with `cursor`; `next_cursor` is null on the last page."""

    items: list[T]
    total: int | None
    limit: int
    offset: int
    next_cursor: str | None

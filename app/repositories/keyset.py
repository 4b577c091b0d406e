"""Reading a list page by page: by an offset, or after the last row of the page before."""

from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session

from app.core.errors import BadRequestError, FieldProblem
from app.repositories.opaque import packed, unpacked
from app.repositories.sorting import Key, Ordering


class Window(NamedTuple):
    """What part of a list is wanted: `limit` rows (1-200) from `offset`, or after `cursor`, in the order of `sort`."""

    limit: int
    offset: int = 0
    cursor: str | None = None
    sort: tuple[Key, ...] = ()


class Slice(NamedTuple):
    """Rows of a list; `total` is None where a cursor was followed, `next_cursor` at the end of the list."""

    rows: list[Any]
    total: int | None
    next_cursor: str | None


class InvalidCursorError(BadRequestError):
    code = "invalid_cursor"
    default_detail = "This cursor is not one that this list gave."

    def __init__(self) -> None:
        super().__init__(
            errors=(FieldProblem("cursor", "Use the `next_cursor` of a page of the same list and order."),)
        )


class _Cursor(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    list_name: str
    keys: tuple[Key, ...]
    values: list[Any]


async def read_slice(
    session: AsyncSession | async_scoped_session[AsyncSession], statement: Select[Any], order: Ordering, window: Window
) -> Slice:
    """The rows of `statement` (entities) in this window: one statement, and with an offset one more for the total.

    Raises InvalidCursorError on a cursor of another list or order, and BadRequestError on a sort that the list has not.
    """
    keys = order.keys(window.sort)
    total = None
    page = statement.order_by(*order.order_by(keys))
    if window.cursor is not None:
        page = page.where(_after(window.cursor, order, keys))
    else:
        total = await session.scalar(select(func.count()).select_from(statement.subquery()))
        page = page.offset(window.offset)
    # One row more than asked for tells whether there is a next page.
    rows = list((await session.scalars(page.limit(window.limit + 1))).all())
    more = len(rows) > window.limit
    rows = rows[: window.limit]
    next_cursor = packed(_Cursor(order.name, keys, order.values(rows[-1], keys))) if more else None
    return Slice(rows, total, next_cursor)


def _after(text: str, order: Ordering, keys: tuple[Key, ...]) -> ColumnElement[bool]:
    try:
        cursor = unpacked(text, _Cursor)
        if (cursor.list_name, cursor.keys) != (order.name, keys):
            raise InvalidCursorError
        return order.after(keys, cursor.values)
    except ValueError:
        raise InvalidCursorError from None

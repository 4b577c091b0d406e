"""Reading a list page by page, in the order of (created_at, id)."""

import base64
import binascii
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import msgspec
from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session
from sqlalchemy.orm import InstrumentedAttribute

from app.core.errors import BadRequestError, FieldProblem

RowT = TypeVar("RowT")


class Window(NamedTuple):
    """What part of a list is wanted: `limit` rows (1-200) from `offset`, or after `cursor`."""

    limit: int
    offset: int = 0
    cursor: str | None = None


class Slice(NamedTuple):
    """Rows of a list; `total` is None where a cursor was followed, `next_cursor` at the end of the list."""

    rows: list[Any]
    total: int | None
    next_cursor: str | None


class InvalidCursorError(BadRequestError):
    code = "invalid_cursor"
    default_detail = "This cursor is not one that this list gave."

    def __init__(self) -> None:
        super().__init__(errors=(FieldProblem("cursor", "Use the `next_cursor` of a page of the same list."),))


class _Cursor(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    list_name: str
    created_at: datetime
    id: UUID


class Ordering(NamedTuple):
    """The columns that order a list; `name` keeps a cursor from being used on another list."""

    name: str
    created_at: InstrumentedAttribute[datetime]
    id: InstrumentedAttribute[UUID]
    newest_first: bool = True


async def read_slice(
    session: AsyncSession | async_scoped_session[AsyncSession], statement: Select[Any], order: Ordering, window: Window
) -> Slice:
    """The rows of `statement` (entities) in this window: one statement, and with an offset one more for the total.

    Raises InvalidCursorError on a cursor of another list.
    """
    keys: tuple[Any, ...] = (order.created_at, order.id)
    total = None
    page = statement.order_by(*(key.desc() if order.newest_first else key.asc() for key in keys))
    if window.cursor is not None:
        after = _decode(window.cursor, order.name)
        place = tuple_(*keys)
        last = (after.created_at, after.id)
        page = page.where(place < last if order.newest_first else place > last)
    else:
        total = await session.scalar(select(func.count()).select_from(statement.subquery()))
        page = page.offset(window.offset)
    # One row more than asked for tells whether there is a next page.
    rows = list((await session.scalars(page.limit(window.limit + 1))).all())
    more = len(rows) > window.limit
    rows = rows[: window.limit]
    return Slice(rows, total, _encode(order.name, rows[-1]) if more else None)


def _encode(name: str, row: Any) -> str:  # noqa: ANN401 - any entity with these two columns
    packed = msgspec.msgpack.encode(_Cursor(name, row.created_at, row.id))
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def _decode(text: str, name: str) -> _Cursor:
    try:
        packed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        cursor = msgspec.msgpack.decode(packed, type=_Cursor)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise InvalidCursorError from None
    if cursor.list_name != name or cursor.created_at.tzinfo is None:
        raise InvalidCursorError
    return cursor

"""Reading a list page by page: by an offset, or after the last row of the page before."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Select, bindparam, func, select

from app.core.errors import BadRequestError, FieldProblem
from app.db.request.prepared import AnySession, Prepared, fetch
from app.repositories.opaque import packed, unpacked
from app.repositories.sorting import Key, Ordering, place_values


class Window(NamedTuple):
    """What part of a list is wanted: `limit` rows (1-200) from `offset`, or after `cursor`, in the order of `sort`.

    An empty cursor is before the first row: whoever begins with it does not wait until all rows are counted.
    """

    limit: int
    offset: int = 0
    cursor: str | None = None
    sort: tuple[Key, ...] = ()


class Slice(NamedTuple):
    """Rows of a list; `total` is None where a cursor was given, `next_cursor` at the end of the list."""

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


class Shape(NamedTuple):
    """What the statement of a page looks like, whichever values it is given.

    `after` says, where a cursor is followed, which of its values are null.
    """

    keys: tuple[Key, ...]
    after: tuple[bool, ...] | None


class PreparedPage(NamedTuple):
    rows: Prepared
    total: Prepared


def prepare_page(statement: Select[Any], order: Ordering, shape: Shape) -> PreparedPage:
    """Of a statement of columns."""
    page = _page(statement, order, shape).limit(bindparam("limit")).offset(bindparam("offset"))
    return PreparedPage(Prepared(page), Prepared(_total(statement)))


async def fetch_slice(
    session: AnySession,
    prepare: Callable[[Shape], PreparedPage],
    order: Ordering,
    window: Window,
    **values: object,
) -> Slice:
    """As `read_slice`, of a statement that is prepared once for each shape; `values` are its parameters."""
    shape, place = _shape(order, window)
    prepared = prepare(shape)
    total = (await fetch(session, prepared.total, **values))[0].total if window.cursor is None else None
    given = {**values, **place_values(place), "limit": window.limit + 1, "offset": window.offset}
    return _slice(await fetch(session, prepared.rows, **given), total, order, shape, window)


async def read_slice(session: AnySession, statement: Select[Any], order: Ordering, window: Window) -> Slice:
    """The rows of `statement` (entities) in this window: one statement, and with an offset one more for the total.

    Raises InvalidCursorError on a cursor of another list or order, and BadRequestError on a sort that the list has not.
    """
    shape, place = _shape(order, window)
    total = await session.scalar(_total(statement)) if window.cursor is None else None
    page = _page(statement, order, shape).limit(window.limit + 1).offset(window.offset)
    rows = (await session.scalars(page, place_values(place))).all()
    return _slice(rows, total, order, shape, window)


def _shape(order: Ordering, window: Window) -> tuple[Shape, list[Any]]:
    """And the place after which the page begins."""
    keys = order.keys(window.sort)
    if not window.cursor:
        return Shape(keys, None), []
    place = _place(window.cursor, order, keys)
    return Shape(keys, tuple(value is None for value in place)), place


def _page(statement: Select[Any], order: Ordering, shape: Shape) -> Select[Any]:
    page = statement.order_by(*order.order_by(shape.keys))
    return page if shape.after is None else page.where(order.after(shape.keys, shape.after))


def _total(statement: Select[Any]) -> Select[Any]:
    return select(func.count().label("total")).select_from(statement.subquery())


def _slice(rows: Sequence[Any], total: int | None, order: Ordering, shape: Shape, window: Window) -> Slice:
    # One row more than asked for tells whether there is a next page.
    shown = list(rows[: window.limit])
    if len(rows) <= window.limit:
        return Slice(shown, total, None)
    return Slice(shown, total, packed(_Cursor(order.name, shape.keys, order.values(shown[-1], shape.keys))))


def _place(text: str, order: Ordering, keys: tuple[Key, ...]) -> list[Any]:
    try:
        cursor = unpacked(text, _Cursor)
        if (cursor.list_name, cursor.keys) != (order.name, keys):
            raise InvalidCursorError
        return order.place(keys, cursor.values)
    except ValueError:
        raise InvalidCursorError from None

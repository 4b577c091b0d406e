"""Reading a list page by page: by an offset, or after the last row of the page before (keyset pagination).

Advanced Alchemy pages by LIMIT and OFFSET alone, for which PostgreSQL reads and drops all rows before the page: the
deeper, the slower. By the values of the last row an index finds each page at once. The list that is read most is
prepared, too (`fetch_slice`): building its statement and making entities of its rows would take SQLAlchemy longer than
PostgreSQL takes to answer (tests/benchmarks/README.md has the figures).
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Select, bindparam, func, select

from app.core.cursor_encoding import packed, unpacked
from app.core.errors import BadRequestError, FieldProblem
from app.core.pagination import Slice, SortKey, Window
from app.db.request.prepared import AnySession, PreparedStatement, fetch_rows
from app.repositories.sorting import Ordering, place_values


class InvalidCursorError(BadRequestError):
    code = "invalid_cursor"
    default_detail = "This cursor is not one that this list gave."

    def __init__(self) -> None:
        super().__init__(
            errors=(FieldProblem("cursor", "Use the `next_cursor` of a page of the same list and order."),)
        )


class _Cursor(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    list_name: str
    keys: tuple[SortKey, ...]
    values: list[Any]


class PageShape(NamedTuple):
    """The form of a page's statement, without its values.

    `after` says, where a cursor is followed, which of its values are null. A page that `is_counted` has the total of
    the list in each row.
    """

    keys: tuple[SortKey, ...]
    after: tuple[bool, ...] | None
    is_counted: bool


class PreparedPage(NamedTuple):
    rows: PreparedStatement
    total: PreparedStatement


def prepare_page(statement: Select[Any], order: Ordering, shape: PageShape) -> PreparedPage:
    """Return the page of a statement of columns, prepared."""
    page = _page(statement, order, shape).limit(bindparam("limit")).offset(bindparam("offset"))
    return PreparedPage(PreparedStatement(page), PreparedStatement(_total(statement)))


async def fetch_slice(
    session: AnySession, prepare: Callable[[PageShape], PreparedPage], order: Ordering, window: Window, **values: object
) -> Slice:
    """Return what `read_slice` does, by a statement that is prepared once a shape; `values` are its parameters."""
    shape, place = _shape(order, window)
    prepared = prepare(shape)
    given = {**values, **place_values(place), "limit": window.limit + 1, "offset": window.offset}
    rows = await fetch_rows(session, prepared.rows, **given)
    total = rows[0].total if shape.is_counted and rows else 0
    if _is_beyond_the_end(rows, window):
        total = (await fetch_rows(session, prepared.total, **values))[0].total
    return _slice(rows, total, order, shape, window)


async def read_slice(session: AnySession, statement: Select[Any], order: Ordering, window: Window) -> Slice:
    """Return the rows of `statement` (entities) in this window, without a cursor with the total: by one statement.

    Raises InvalidCursorError on a cursor of another list or order, and BadRequestError on a sort that the list has not.
    """
    shape, place = _shape(order, window)
    page = _page(statement, order, shape).limit(window.limit + 1).offset(window.offset)
    rows = (await session.execute(page, place_values(place))).all()
    total = rows[0].total if shape.is_counted and rows else 0
    if _is_beyond_the_end(rows, window):
        total = await session.scalar(_total(statement))
    return _slice([row[0] for row in rows], total, order, shape, window)


def _shape(order: Ordering, window: Window) -> tuple[PageShape, list[Any]]:
    """Return the shape of the page, and the place after which it begins."""
    keys = order.keys(window.sort)
    if not window.cursor:
        return PageShape(keys, None, is_counted=window.cursor is None), []
    place = _place(window.cursor, order, keys)
    return PageShape(keys, tuple(value is None for value in place), is_counted=False), place


def _page(statement: Select[Any], order: Ordering, shape: PageShape) -> Select[Any]:
    page = statement.order_by(*order.order_by(shape.keys))
    if shape.is_counted:
        page = page.add_columns(_total(statement).scalar_subquery().label("total"))
    return page if shape.after is None else page.where(order.after(shape.keys, shape.after))


def _total(statement: Select[Any]) -> Select[Any]:
    return select(func.count().label("total")).select_from(statement.subquery())


def _is_beyond_the_end(rows: Sequence[Any], window: Window) -> bool:
    """Return whether the list may have rows although none, with the total in it, is on this page."""
    return not rows and window.offset > 0


def _slice(rows: Sequence[Any], total: int | None, order: Ordering, shape: PageShape, window: Window) -> Slice:
    # One row more than asked for tells whether there is a next page.
    shown, next_cursor = list(rows[: window.limit]), None
    if len(rows) > window.limit:
        next_cursor = packed(_Cursor(order.name, shape.keys, order.values(shown[-1], shape.keys)))
    return Slice(shown, total if shape.is_counted else None, next_cursor)


def _place(text: str, order: Ordering, keys: tuple[SortKey, ...]) -> list[Any]:
    try:
        cursor = unpacked(text, _Cursor)
        if (cursor.list_name, cursor.keys) != (order.name, keys):
            raise InvalidCursorError
        return order.place(keys, cursor.values)
    except ValueError:
        raise InvalidCursorError from None

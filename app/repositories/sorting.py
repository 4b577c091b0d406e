"""The order of a list: its own or the one that a client asks for, and which rows come after a row in it.

It has null where PostgreSQL has it: after everything.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, and_, bindparam, case, false, or_, tuple_
from sqlalchemy.orm import InstrumentedAttribute

from app.core.errors import BadRequestError, FieldProblem
from app.core.pagination import SortKey

_DEFAULT = "created_at"
_NO_RANKS: Mapping[str, Sequence[str]] = MappingProxyType({})
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


def place_in(order: Sequence[str], column: ColumnElement[str] | InstrumentedAttribute[str]) -> ColumnElement[int]:
    """Return the place of the column's value among these, from 0."""
    return case({value: place for place, value in enumerate(order)}, value=column)


def _parameter(number: int) -> str:
    return f"place_{number}"


def place_values(place: Sequence[Any]) -> dict[str, Any]:
    """Return the parameters of `Ordering.after`."""
    return {_parameter(number): value for number, value in enumerate(place)}


class Ordering(NamedTuple):
    """The order of a list: by `created_at` or the `sortable` columns of `model`; ties are broken by id.

    `name` keeps a cursor from being used on another list. `ranks` are the values of a column in their order, where
    that is not the alphabet's.
    """

    name: str
    model: type[Any]
    sortable: Sequence[str] = ()
    newest_first: bool = True
    ranks: Mapping[str, Sequence[str]] = _NO_RANKS

    def keys(self, wanted: Sequence[SortKey]) -> tuple[SortKey, ...]:
        """Return the keys to sort by, the id at their end. Raises BadRequestError on a sort that the list has not."""
        known, names = (_DEFAULT, *self.sortable), [key.name for key in wanted]
        if not set(names) <= set(known) or len(set(names)) < len(names):
            allowed = ", ".join(known)
            detail = f"It may hold, each once and with commas between: {allowed}; - in front of one turns it round."
            raise BadRequestError(errors=(FieldProblem("sort", detail),))
        chosen = tuple(wanted) or (SortKey(_DEFAULT, self.newest_first),)
        return (*chosen, SortKey("id", chosen[-1].descending))

    def order_by(self, keys: Sequence[SortKey]) -> list[ColumnElement[Any]]:
        columns = ((self._expression(key.name), key.descending) for key in keys)
        return [column.desc() if descending else column.asc() for column, descending in columns]

    def values(self, row: object, keys: Sequence[SortKey]) -> list[Any]:
        given = [(key.name, getattr(row, key.name)) for key in keys]
        return [self.ranks[name].index(value) if name in self.ranks else value for name, value in given]

    def place(self, keys: Sequence[SortKey], values: Sequence[Any]) -> list[Any]:
        """Return the values as the columns' types. Raises ValueError where no row can have them."""
        return [self._checked(key.name, value) for key, value in zip(keys, values, strict=True)]

    def after(self, keys: Sequence[SortKey], is_null: Sequence[bool]) -> ColumnElement[bool]:
        """Return whether a row comes after a place with nulls where it says so; `place_values` has the other values."""
        places = [
            (key, column, None if null else bindparam(_parameter(number), type_=column.type))
            for number, (key, null) in enumerate(zip(keys, is_null, strict=True))
            for column in (self._expression(key.name),)
        ]
        if not any(self._is_nullable(key.name) for key in keys) and len({key.descending for key in keys}) == 1:
            # One comparison, which an index answers; of the first column also one by which partitions are left out.
            row, last = tuple_(*(column for _, column, _ in places)), tuple_(*(value for *_, value in places))
            (_, first, value), *_ = places
            return and_(first <= value, row < last) if keys[0].descending else and_(first >= value, row > last)
        beyond = []
        same: list[ColumnElement[bool]] = []
        for key, column, value in places:
            beyond.append(and_(*same, self._is_beyond(key, column, value)))
            same.append(column == value)
        return or_(*beyond)

    def _is_beyond(
        self, key: SortKey, column: ColumnElement[Any], value: ColumnElement[Any] | None
    ) -> ColumnElement[bool]:
        if value is None:
            return column.is_not(None) if key.descending else false()
        if key.descending:
            return column < value
        return or_(column > value, column.is_(None))

    def _expression(self, name: str) -> ColumnElement[Any]:
        column: ColumnElement[Any] = self.model.__table__.c[name]
        return place_in(self.ranks[name], column) if name in self.ranks else column

    def _is_nullable(self, name: str) -> bool:
        return bool(self.model.__table__.c[name].nullable)

    def _checked(self, name: str, value: object) -> Any:  # noqa: ANN401 - of the column's type
        if value is None and self._is_nullable(name):
            return None
        python_type = int if name in self.ranks else self.model.__table__.c[name].type.python_type
        return msgspec.convert(value, _Moment if python_type is datetime else python_type)

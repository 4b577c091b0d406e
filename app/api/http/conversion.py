"""Conversion of a row to a response shape."""

from collections.abc import Callable
from operator import attrgetter
from typing import Any, TypeVar

import msgspec

ShapeT = TypeVar("ShapeT", bound=msgspec.Struct)
_Reader = tuple[list[str], Callable[[object], Any]]
# By shape, type of row, and the names of fields that do not come from the row.
_readers: dict[tuple[type, type, tuple[str, ...]], _Reader] = {}


def to_shape(shape: type[ShapeT], row: object, **others: object) -> ShapeT:
    """Return the shape, with its fields from the row's attributes and from `others`."""
    key = (shape, type(row), tuple(others))
    reader = _readers.get(key)
    if reader is None:
        reader = _readers[key] = _reader(shape, row, others)
    names, read = reader
    return shape(**dict(zip(names, read(row), strict=True)), **others)


def _reader(shape: type[msgspec.Struct], row: object, others: dict[str, object]) -> _Reader:
    names = [name for name in shape.__struct_fields__ if name not in others and hasattr(row, name)]
    # With one name, `attrgetter` returns no tuple.
    return names, attrgetter(*names) if len(names) > 1 else lambda each: [getattr(each, name) for name in names]

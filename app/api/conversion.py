"""From a row to a response shape."""

from typing import TypeVar

import msgspec

ShapeT = TypeVar("ShapeT", bound=msgspec.Struct)


def to_shape(shape: type[ShapeT], row: object, **others: object) -> ShapeT:
    """The shape with its fields from the row's attributes, and those that the row has not from `others`."""
    missing = object()
    values = {name: getattr(row, name, missing) for name in shape.__struct_fields__ if name not in others}
    return shape(**{name: value for name, value in values.items() if value is not missing}, **others)

"""What the steps are made from."""

from typing import Any, NamedTuple

from sqlalchemy import Enum, MetaData
from sqlalchemy.dialects.postgresql import ENUM
from sqlalchemy.schema import sort_tables_and_constraints
from sqlalchemy.types import TypeEngine

from ..drift.catalogue import Schema


class Schemas(NamedTuple):
    """Both sides of a comparison, and the models themselves."""

    live: Schema
    models: Schema
    metadata: MetaData

    @property
    def names_in_order(self) -> list[str]:
        """The models' tables, each after those that it refers to, unless those refer to it."""
        ordered = sort_tables_and_constraints(self.metadata.tables.values())  # type: ignore[no-untyped-call]
        return [table.name for table, _ in ordered if table is not None]


def without_enum_creation(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """Return the type without the CREATE TYPE that Alembic would add to its table's: it is a step of its own."""
    if isinstance(kind, Enum) and kind.native_enum:
        return ENUM(*kind.enums, name=kind.name, create_type=False)
    return kind

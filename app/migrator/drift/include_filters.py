"""Ask the project's `include_name` and `include_object`, which have the signatures of Alembic's, about a difference."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, MetaData, Table
from sqlalchemy.schema import SchemaItem

from ..config import MigratorConfig
from .catalogue import Schema
from .difference import Difference, Kind

# (name, type, the names of what it belongs to)
IncludeName = Callable[[str, str, Mapping[str, str | None]], bool]
# (object, name, type, whether the database alone has it, the object of the other side)
IncludeObject = Callable[[SchemaItem, str, str, bool, SchemaItem | None], bool]
_TYPES = {
    Kind.TABLE: "table",
    Kind.COLUMN: "column",
    Kind.INDEX: "index",
    Kind.UNIQUE: "unique_constraint",
    Kind.FOREIGN_KEY: "foreign_key_constraint",
    Kind.CHECK: "check_constraint",
}


def table_of(found: Difference, live: Schema, models: Schema) -> str | None:
    """Return the table to which the object belongs; None if it belongs to none."""
    if found.kind in {Kind.ENUM, Kind.FUNCTION, Kind.VIEW}:
        return None
    if found.kind is Kind.INDEX:
        index = live.indexes.get(found.key[-1]) or models.indexes.get(found.key[0])
        return index.table if index else None
    if found.kind is Kind.SEQUENCE:
        sequence = live.sequences.get(found.key[0]) or models.sequences.get(found.key[0])
        return sequence.owner_table if sequence else None
    return found.key[0]


class IncludeFilters:
    """The hooks of one comparison; they are asked about the table of an object first, and then about the object."""

    def __init__(self, connection: Connection, config: MigratorConfig) -> None:
        self._connection = connection
        self._metadata = config.metadata
        self._include_name: IncludeName | None = config.include_name
        self._include_object: IncludeObject | None = config.include_object
        self._reflected: dict[str, Table] = {}

    def included(self, differences: Iterable[Difference], live: Schema, models: Schema) -> list[Difference]:
        """Return the differences that the project wants to hear of."""
        if self._include_name is None and self._include_object is None:
            return list(differences)
        try:
            return [found for found in differences if self._includes(found, live, models)]
        finally:
            self._connection.rollback()

    def _includes(self, found: Difference, live: Schema, models: Schema) -> bool:
        table = table_of(found, live, models)
        if table is not None and not self._asks(Kind.TABLE, table, table, table in live.tables, table in models.tables):
            return False
        if found.kind is Kind.TABLE:
            return True
        sides = found.live is not None, found.models is not None
        return self._asks(found.kind, found.key[-1], table, *sides)

    def _asks(self, kind: Kind, name: str, table: str | None, is_live: bool, is_model: bool) -> bool:
        if self._include_name is not None and is_live:
            parents: dict[str, str | None] = {"schema_name": None}
            if kind is not Kind.TABLE:
                parents |= {"table_name": table, "schema_qualified_table_name": table}
            if not self._include_name(name, _TYPES.get(kind, str(kind).replace(" ", "_")), parents):
                return False
        if self._include_object is None or kind not in _TYPES or table is None:
            return True
        model = _item(self._metadata.tables.get(table), kind, name) if is_model else None
        reflected = _item(self._reflect(table), kind, name) if is_live else None
        if model is not None:
            return self._include_object(model, name, _TYPES[kind], False, reflected)
        return reflected is None or self._include_object(reflected, name, _TYPES[kind], True, None)

    def _reflect(self, table: str) -> Table:
        if table not in self._reflected:
            self._reflected[table] = Table(table, MetaData(), autoload_with=self._connection, resolve_fks=False)
        return self._reflected[table]


def _item(table: Table | None, kind: Kind, name: str) -> SchemaItem | None:
    """Return the table's item of this name; None where it has no name until the server gives it one."""
    if table is None or kind is Kind.TABLE:
        return table
    held: dict[Kind, Iterable[Any]] = {Kind.COLUMN: table.columns, Kind.INDEX: table.indexes}
    items = held.get(kind, table.constraints)
    return next((item for item in items if item.name == name), None)

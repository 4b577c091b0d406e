"""One schema as PostgreSQL's catalogues have it: everything that a comparison looks at, in the server's own words.

Definitions are those of `pg_get_constraintdef` and the like, read while the schema comes first in `search_path`: so
they do not name it, and two schemas that are the same read the same.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, text

from . import code_queries, queries
from .code import Attached, Routine, View
from .dependents import DEPENDENTS, RELATIONS, Dependent
from .difference import Kind


@dataclass(frozen=True)
class Sequence:
    """`owner` is the path of the column that it goes with; `owner_table` and `owner_column` are that column's names."""

    name: str
    type: str
    options: tuple[str, ...]
    owner: str | None
    owner_table: str | None
    owner_column: str | None


@dataclass(frozen=True)
class Column:
    """`path` is `table.column`, quoted where it must be; `base` is the type without its length or precision.

    `expression` is the default, or what a generated column is made of. `identity` is "ALWAYS" or "BY DEFAULT",
    `generated` "STORED" or "VIRTUAL"; `made_from` are the paths of the columns that its expression
    uses. `unvalidated` names a NOT NULL that old rows need not meet (PostgreSQL 18).
    """

    table: str
    name: str
    path: str
    position: int = field(compare=False)
    type: str
    base: str
    is_string: bool
    collation: str | None
    not_null: bool
    unvalidated: str | None
    expression: str | None
    identity: str | None
    identity_options: tuple[str, ...]
    generated: str | None
    made_from: frozenset[str] = field(compare=False)
    comment: str | None

    @property
    def default(self) -> str | None:
        return None if self.generated else self.expression


@dataclass(frozen=True)
class Table:
    """`parents` are tables that it inherits from, other than as a partition."""

    name: str
    unlogged: bool
    row_security: bool
    forced_row_security: bool
    comment: str | None
    is_partitioned: bool = field(compare=False)
    partition_key: str | None = field(compare=False)
    parents: tuple[str, ...] = field(compare=False)
    columns: Mapping[str, Column] = field(compare=False)


@dataclass(frozen=True)
class Constraint:
    """`type` is a letter of `pg_constraint.contype`; `columns` are the paths of all that it looks at.

    `is_watched` says that the triggers which hold rows to it are enabled.
    `index` is the one that it owns or, of a foreign key, the one that it rests on in the table that it `references`;
    `index_definition` what follows that index's name.
    """

    table: str
    name: str
    type: str
    definition: str
    valid: bool
    is_watched: bool
    deferrable: str
    columns: frozenset[str] = field(compare=False)
    index: str | None = field(compare=False)
    index_definition: str | None = field(compare=False)
    references: str | None = field(compare=False)


@dataclass(frozen=True)
class Index:
    """`definition` is what follows the name; `is_plain` says that it has neither expressions nor a condition."""

    table: str
    name: str
    unique: bool
    valid: bool
    definition: str
    is_plain: bool = field(compare=False)
    columns: frozenset[str] = field(compare=False)


@dataclass(frozen=True)
class Enum:
    """`type` is the name as a column's type has it."""

    name: str
    type: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Schema:
    """Names are as they are stored, not quoted; what belongs to a table is by that, too. `casts` as in `pg_cast`.

    `repairs` are statements to run after one that brings back a table, function or trigger of that name.
    """

    tables: Mapping[str, Table]
    constraints: Mapping[tuple[str, str], Constraint]
    indexes: Mapping[str, Index]
    sequences: Mapping[str, Sequence]
    enums: Mapping[str, Enum]
    casts: Mapping[tuple[str, str], str]
    attached: Mapping[tuple[str, str, str], Attached]
    routines: Mapping[str, Routine]
    views: Mapping[str, View]
    dependents: Mapping[tuple[str, str], tuple[Dependent, ...]]
    relations: Mapping[str, Dependent]
    repairs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def column(self, path: str) -> Column | None:
        found = (column for table in self.tables.values() for column in table.columns.values() if column.path == path)
        return next(found, None)


def read_schema(connection: Connection, schema: str, without: Collection[str] = ()) -> Schema:
    """Read what is in `schema`, but for the tables `without` and for what extensions own."""

    def rows(query: str) -> list[dict[str, Any]]:
        values = {"schema": schema, "without": sorted(without)}
        wanted = {name: value for name, value in values.items() if f":{name}" in query}
        return [dict(row) for row in connection.execute(text(query), wanted).mappings()]

    columns: dict[str, dict[str, Column]] = {}
    for row in rows(queries.COLUMNS):
        columns.setdefault(row["table"], {})[row["name"]] = Column(**_fixed(row))
    attached = [Attached(**{**row, "kind": Kind(row["kind"])}) for row in rows(code_queries.ATTACHED)]
    tables = [Table(**_fixed(row), columns=columns.get(row["name"], {})) for row in rows(queries.TABLES)]
    constraints = [Constraint(**_fixed(row)) for row in rows(queries.CONSTRAINTS)]
    indexes = [Index(**_fixed(row)) for row in rows(queries.INDEXES)]
    return Schema(
        tables={table.name: table for table in tables},
        constraints={(constraint.table, constraint.name): constraint for constraint in constraints},
        indexes={index.name: index for index in indexes},
        sequences={row["name"]: Sequence(**_fixed(row)) for row in rows(queries.SEQUENCES)},
        enums={row["name"]: Enum(**_fixed(row)) for row in rows(queries.ENUMS)},
        attached={(found.table, found.kind, found.name): found for found in attached},
        routines={row["signature"]: Routine(**row) for row in rows(code_queries.ROUTINES)},
        views={row["name"]: View(**row) for row in rows(code_queries.VIEWS)},
        relations={row.pop("name"): Dependent(**row) for row in rows(RELATIONS)},
        dependents=_by_target(rows(DEPENDENTS)),
        casts={(row["source"], row["target"]): row["context"] for row in rows(queries.CASTS)},
    )


def _by_target(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, str], tuple[Dependent, ...]]:
    found: dict[tuple[str, str], tuple[Dependent, ...]] = {}
    for row in rows:
        dependent = Dependent(row["what"], row["table"], row["column"], row["code"])
        found[row["kind"], row["name"]] = (*found.get((row["kind"], row["name"]), ()), dependent)
    return found


def _fixed(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with what cannot change in place of lists."""
    fixed: dict[str, Any] = {name: tuple(value) for name, value in row.items() if isinstance(value, list)}
    for name in {"columns", "made_from"} & fixed.keys():
        fixed[name] = frozenset(fixed[name])
    return {**row, **fixed}

"""One schema as PostgreSQL's catalogues have it: everything that is compared, in the server's own words.

Definitions come from `pg_get_constraintdef` and the like, read while the schema is the first in `search_path`: so they
do not name it, and two schemas that are the same read the same.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, text

from . import catalogue_queries, code_queries
from .code_ddl import Attached, Routine, View
from .dependents import DEPENDENTS, RELATIONS, Dependent
from .difference import Kind


@dataclass(frozen=True)
class Sequence:
    """A sequence; `owner` is the path of the column that owns it, whose names are `owner_table` and `owner_column`."""

    name: str
    type: str
    options: tuple[str, ...]
    owner: str | None
    owner_table: str | None
    owner_column: str | None


@dataclass(frozen=True)
class Column:
    """A column; `path` is `table.column`, quoted if it must be; `base` is the type without its length or precision.

    `expression` is the default, or that of a generated column; `made_from` are the paths of the columns that it uses.
    `identity` is "ALWAYS" or "BY DEFAULT", `generated` "STORED" or "VIRTUAL". `unvalidated` is the name of a NOT NULL
    constraint that was not checked for old rows (PostgreSQL 18).
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
    """A table; `parents` are the tables that it inherits from, other than as a partition."""

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
    """A constraint; `type` is a letter of `pg_constraint.contype`, `columns` are the paths of the columns that it uses.

    `is_watched`: the triggers that enforce it are enabled. `index` is the index that it owns, or, for a foreign key,
    the one that it needs in the table that it `references`; `index_definition` is what follows that index's name.
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
    """An index; `definition` is what follows the name; `is_plain`: it has neither expressions nor a condition."""

    table: str
    name: str
    unique: bool
    valid: bool
    definition: str
    is_plain: bool = field(compare=False)
    columns: frozenset[str] = field(compare=False)


@dataclass(frozen=True)
class Enum:
    """An enum; `type` is its name as the type of a column."""

    name: str
    type: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Schema:
    """Everything in a schema by its name, not quoted; what belongs to a table is by the table's name, too.

    `casts` are those of `pg_cast`; `relations` is everything that has a name in the schema; `trigger_code` are the
    functions that a table's triggers call, and their bodies. These and `dependents` are known of a live schema alone.
    `repairs` are the statements to run after a table, function or trigger of that name was created.
    """

    tables: Mapping[str, Table]
    constraints: Mapping[tuple[str, str], Constraint]
    indexes: Mapping[str, Index]
    sequences: Mapping[str, Sequence]
    enums: Mapping[str, Enum]
    attached: Mapping[tuple[str, str, str], Attached]
    routines: Mapping[str, Routine]
    views: Mapping[str, View]
    casts: Mapping[tuple[str, str], str] = field(default_factory=dict)
    dependents: Mapping[tuple[str, str], tuple[Dependent, ...]] = field(default_factory=dict)
    relations: Mapping[str, Dependent] = field(default_factory=dict)
    trigger_code: Mapping[str, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    repairs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def column(self, path: str) -> Column | None:
        found = (column for table in self.tables.values() for column in table.columns.values() if column.path == path)
        return next(found, None)


def read_schema(connection: Connection, schema: str, without: Collection[str] = (), *, is_live: bool = True) -> Schema:
    """Read what is in `schema`, without the tables `without` and what extensions own."""

    def rows(query: str) -> list[dict[str, Any]]:
        values = {"schema": schema, "without": sorted(without)}
        wanted = {name: value for name, value in values.items() if f":{name}" in query}
        return [dict(row) for row in connection.execute(text(query), wanted).mappings()]

    columns: dict[str, dict[str, Column]] = {}
    for row in rows(catalogue_queries.COLUMNS):
        columns.setdefault(row["table"], {})[row["name"]] = Column(**_fixed(row))
    attached = [Attached(**{**row, "kind": Kind(row["kind"])}) for row in rows(code_queries.ATTACHED)]
    tables = [Table(**_fixed(row), columns=columns.get(row["name"], {})) for row in rows(catalogue_queries.TABLES)]
    constraints = [Constraint(**_fixed(row)) for row in rows(catalogue_queries.CONSTRAINTS)]
    indexes = [Index(**_fixed(row)) for row in rows(catalogue_queries.INDEXES)]
    read = Schema(
        tables={table.name: table for table in tables},
        constraints={(constraint.table, constraint.name): constraint for constraint in constraints},
        indexes={index.name: index for index in indexes},
        sequences={row["name"]: Sequence(**_fixed(row)) for row in rows(catalogue_queries.SEQUENCES)},
        enums={row["name"]: Enum(**_fixed(row)) for row in rows(catalogue_queries.ENUMS)},
        attached={(found.table, found.kind, found.name): found for found in attached},
        routines={row["signature"]: Routine(**row) for row in rows(code_queries.ROUTINES)},
        views={row["name"]: View(**row) for row in rows(code_queries.VIEWS)},
    )
    if not is_live:
        return read
    code: dict[str, tuple[tuple[str, str], ...]] = {}
    for row in rows(code_queries.TRIGGER_CODE):
        code[row["table"]] = (*code.get(row["table"], ()), (row["name"], row["body"]))
    return replace(
        read,
        trigger_code=code,
        relations={row.pop("name"): Dependent(**row) for row in rows(RELATIONS)},
        dependents=_by_target(rows(DEPENDENTS)),
        casts={(row["source"], row["target"]): row["context"] for row in rows(catalogue_queries.CASTS)},
    )


def _by_target(rows: Iterable[dict[str, Any]]) -> dict[tuple[str, str], tuple[Dependent, ...]]:
    found: dict[tuple[str, str], tuple[Dependent, ...]] = {}
    for row in rows:
        dependent = Dependent(row["what"], row["table"], row["column"], row["code"])
        found[row["kind"], row["name"]] = (*found.get((row["kind"], row["name"]), ()), dependent)
    return found


def _fixed(row: dict[str, Any]) -> dict[str, Any]:
    """Return the row with tuples and frozen sets instead of lists."""
    fixed: dict[str, Any] = {name: tuple(value) for name, value in row.items() if isinstance(value, list)}
    for name in {"columns", "made_from"} & fixed.keys():
        fixed[name] = frozenset(fixed[name])
    return {**row, **fixed}

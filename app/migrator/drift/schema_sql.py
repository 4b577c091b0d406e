"""The live schema as SQL, the same text for the same schema: for a file whose changes people review."""

from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy import Connection, text

from ...postgres.errors import MigrationFailedError
from ...postgres.url.database_url import DatabaseURL
from ..config import MigratorConfig
from ..engine_tables import engine_tables
from ..readonly_connection import with_readonly_connection
from ..sql.quoting import quote
from . import catalogue_queries
from .catalogue import Index, Schema, Table, read_schema
from .code_ddl import create_routine, create_view
from .constraint_ddl import FOREIGN_KEY
from .difference import Order, Statement
from .enum_and_sequence_ddl import create_enum, create_sequence
from .table_and_column_ddl import create_table

_HEADER = """\
-- The schema that the revisions make, without monthly partitions, which depend on the date, without privileges, and
-- without the tables of Alembic and of the migration engine. It is generated.
"""
_EMPTY = Schema(tables={}, constraints={}, indexes={}, sequences={}, enums={}, attached={}, routines={}, views={})


def read_schema_sql(config: MigratorConfig, kept: str = "") -> str:
    """Return the database's schema as `schema_sql` does. Raises DatabaseUnreachableError and TableLockedError, too."""

    def read(connection: Connection, url: DatabaseURL) -> str:  # noqa: ARG001 - passed by with_readonly_connection
        return schema_sql(connection, kept)

    return with_readonly_connection(config, read)


def schema_sql(connection: Connection, kept: str = "") -> str:
    """Return the statements that make the schema in which the connection creates tables, sorted.

    They are the same whatever version the server has. A table's columns come in the order that an earlier such text
    has, `kept`, and then in the database's: a column that a downgrade has brought back is the table's last one. Raises
    MigrationFailedError where search_path names no schema.
    """
    name = connection.scalar(text("SELECT current_schema()::text"))
    if name is None:
        raise MigrationFailedError("None of the schemas in search_path exists: there is nothing to print.")
    parts = [f"CREATE EXTENSION {quote(found)}" for found in connection.scalars(text(catalogue_queries.EXTENSIONS))]
    schema = read_schema(connection, name, engine_tables(), is_live=False)
    schema = replace(schema, tables={name: _in_order_of(kept, table) for name, table in schema.tables.items()})
    if schema.routines:
        # They may name what is created after them.
        parts.append("SET check_function_bodies = off")
    parts += [statement.sql for statement in _statements(schema)]
    return "\n".join([_HEADER, *(f"{part};\n" for part in parts)])


def _in_order_of(kept: str, table: Table) -> Table:
    """Return the table with its columns in the order of an earlier text; those that it lacks come last."""
    lines = kept.partition(f"TABLE {quote(table.name)} (\n")[2].partition("\n)")[0].splitlines()

    def position(name: str) -> int:
        start = f"    {quote(name)} "
        return next((number for number, line in enumerate(lines) if line.startswith(start)), len(lines))

    columns = sorted(table.columns.items(), key=lambda item: position(item[1].name))
    return replace(table, columns=dict(columns))


def _statements(schema: Schema) -> Iterator[Statement]:
    for enum in sorted(schema.enums.values(), key=lambda found: found.name):
        yield from create_enum(enum)
    for sequence in sorted(schema.sequences.values(), key=lambda found: found.name):
        if sequence.owner is None:
            yield from create_sequence(_EMPTY, sequence)
    for _, routine in sorted(schema.routines.items()):
        yield from create_routine(routine)
    tables = [statement for name in sorted(schema.tables) for statement in _table(schema, name)]
    yield from (statement for statement in tables if statement.order is not Order.FOREIGN_KEYS)
    yield from (statement for statement in tables if statement.order is Order.FOREIGN_KEYS)
    for view in schema.views.values():
        yield from create_view(view)


def _table(schema: Schema, name: str) -> list[Statement]:
    """Return the statements for the table and what belongs to it, in the order to run them."""
    table = schema.tables[name]
    nullable = {key: replace(column, not_null=False) for key, column in table.columns.items() if column.unvalidated}
    valid = replace(schema, constraints={key: found for key, found in schema.constraints.items() if found.valid})
    statements = [
        *create_table(_EMPTY, valid, replace(table, columns={**table.columns, **nullable})),
        *(_not_valid(name, found.unvalidated, f"NOT NULL {quote(found.name)}") for found in nullable.values()),
        *(
            _not_valid(name, found.name, found.definition, found.type == FOREIGN_KEY)
            for found in schema.constraints.values()
            if found.table == name and not found.valid
        ),
        *(_invalid(index) for index in schema.indexes.values() if index.table == name and not index.valid),
    ]
    return sorted(statements, key=lambda statement: statement.order)


def _not_valid(table: str, name: str | None, definition: str, is_foreign_key: bool = False) -> Statement:
    add = f"ALTER TABLE {quote(table)} ADD CONSTRAINT {quote(name or '')} {definition} NOT VALID"
    return Statement(add, Order.FOREIGN_KEYS if is_foreign_key else Order.CONSTRAINTS)


def _invalid(index: Index) -> Statement:
    return Statement(f"-- {quote(index.name)} is invalid: a build that failed has left it", Order.INDEXES)

"""The steps for a column that the models no longer have."""

from dataclasses import replace

from alembic.operations import ops

from ..drift.catalogue import Column, Schema
from ..drift.difference import Difference, Order
from ..drift.table_and_column_ddl import definition
from ..sql.quoting import quote, quote_literal
from .plan import CONTRACT_STEP, Chain, Step
from .rendering import Sql

_LEFT_OUT = {CONTRACT_STEP: "the next release does not write the column, which a later revision drops"}
# What a row has in a column that is about to be dropped, by the name of the type.
_DEFAULTS = {
    **dict.fromkeys(("text", "character varying", "character", "bytea", "citext", "name", "tsvector"), "''"),
    **dict.fromkeys(("smallint", "integer", "bigint", "numeric", "real", "double precision"), "0"),
    **dict.fromkeys(("timestamp with time zone", "timestamp without time zone", "date"), "now()"),
    **dict.fromkeys(("json", "jsonb"), "'{}'"),
    "boolean": "false",
    "interval": "'0'",
}


def dropped_column_chain(found: Difference, live: Schema) -> Chain:
    """Return the steps: the release that no longer writes the column runs before it is dropped."""
    table, name = found.key
    column = live.tables[table].columns[name]
    steps, left = [], column
    if column.not_null and not (column.default or column.identity or column.generated):
        default = _default(column, live)
        left = replace(column, expression=default) if default else replace(column, not_null=False)
        steps = [_made_optional(column, default)]
    again = Sql(f"ALTER TABLE {quote(table)} ADD COLUMN {quote(name)} {definition(left)}")
    return [*steps, Step(order=found.ddl[-1].order, up=(ops.DropColumnOp(table, name),), down=(again,))]


def _made_optional(column: Column, default: str | None) -> Step:
    alter, order = f"ALTER TABLE {quote(column.table)} ALTER COLUMN {quote(column.name)}", Order.TABLES_AND_COLUMNS
    if default:
        return Step(order=order, up=(Sql(f"{alter} SET DEFAULT {default}"),), down=(Sql(f"{alter} DROP DEFAULT"),))
    # Nothing is taken back, since no value is known for the rows that then lack one.
    return Step(order=order, up=(Sql(f"{alter} DROP NOT NULL"),), lint_ignore=_LEFT_OUT)


def _default(column: Column, live: Schema) -> str | None:
    """Return a default that breaks no constraint; None if nobody knows one."""
    constraints = (found for found in live.constraints.values() if column.path in found.columns)
    unique = (found for found in live.indexes.values() if found.unique and column.path in found.columns)
    if any(constraints) or any(unique):
        return None
    enum = next((enum for enum in live.enums.values() if enum.type == column.type), None)
    if enum and enum.labels:
        return quote_literal(enum.labels[0])
    return "'{}'" if column.type.endswith("[]") else _DEFAULTS.get(column.base)

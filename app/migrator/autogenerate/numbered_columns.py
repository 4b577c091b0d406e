"""The steps for an identity column that is new in a table with rows: ADD COLUMN would write all of them anew."""

from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops

from ..drift.catalogue import Column
from ..drift.difference import Order
from ..sql.grant_blocks import grant_usage
from ..sql.quoting import quote, quote_literal, shortened
from .plan import Step
from .rendering import Sql
from .required_columns import filling_with, required_steps

_GOES_ON = {"ban-alter-identity": "the column's own sequence goes on where the one for its default stood"}


def numbered_column_steps(after: Column, column: sa.Column[Any]) -> list[Step]:
    """Return the steps: a sequence numbers new rows and, by a backfill, old ones, before the column has its own."""
    table, name = quote(after.table), quote(after.name)
    alter = f"ALTER TABLE {table} ALTER COLUMN {name}"
    sequence = shortened(f"{after.table}_{after.name}_numbers")
    options = " ".join(after.identity_options)
    create = Sql(f"CREATE SEQUENCE {quote(sequence)} AS {after.type} {options}")
    drop = Sql(f"DROP SEQUENCE {quote(sequence)}")
    own = f"pg_get_serial_sequence({quote_literal(table)}, {quote_literal(after.name)})"
    next_value = f"nextval({quote_literal(quote(sequence))})"
    set_default = Sql(f"{alter} SET DEFAULT {next_value}")
    add = ops.AddColumnOp(after.table, sa.Column(after.name, column.type, nullable=True))
    *before_last, last = required_steps(after, filling_with(after, next_value, "number"))
    finish = (
        Sql(f"{alter} DROP DEFAULT"),
        Sql(f"{alter} ADD GENERATED {after.identity} AS IDENTITY ({options})"),
        Sql(f"SELECT setval({own}, {next_value}, false)"),
        drop,
    )
    back = (
        create,
        Sql(grant_usage(sequence, after.table)),
        Sql(f"SELECT setval({quote_literal(quote(sequence))}, nextval({own}), false)"),
        Sql(f"{alter} DROP IDENTITY"),
        set_default,
    )
    return [
        Step(
            order=Order.TABLES_AND_COLUMNS,
            up=(add, create, Sql(grant_usage(sequence, after.table)), set_default),
            down=(ops.DropColumnOp(after.table, after.name), drop),
        ),
        *before_last,
        replace(last, up=(*last.up, *finish), down=(*back, *last.down), lint_ignore=_GOES_ON),
    ]

"""The steps after which a column of a table with rows is NOT NULL, and none of them reads the rows under a lock."""

import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import CompileError
from sqlalchemy.schema import conv

from ..backfill.definition import VALUE
from ..drift.catalogue import Column
from ..drift.difference import Order
from ..phase import Phase
from ..sql.quoting import quote, shortened
from .backfill_file import BackfillFile, backfill_name
from .plan import Step
from .rendering import InAutocommit, Sql

# With another style of parameters it doubles percent signs.
_DIALECT = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
# What ADD COLUMN gives to every row without writing one, and every server knows that it does.
_CONSTANT = re.compile(
    r"""(?i:'(?:[^']|'')*'|[-+]?[\d.]+|\([-+]?[\d.]+\)|true|false|null|now\(\)|current_\w+)(?:::[\w .\[\]"(),]+)?"""
)


def is_constant(default: str | None) -> bool:
    """Return whether the default, as the server shows it, is the same for each row."""
    return default is None or _CONSTANT.fullmatch(default) is not None


def required_steps(column: Column, backfill: BackfillFile, finish: Sequence[MigrateOperation] = ()) -> list[Step]:
    """Return the steps that follow the backfill; `finish` is done with the last of them."""
    table, name = column.table, column.name
    check = shortened(f"ck_{table}_{name}_is_set")
    add = ops.CreateCheckConstraintOp(conv(check), table, f"{quote(name)} IS NOT NULL", postgresql_not_valid=True)
    drop = ops.DropConstraintOp(conv(check), table, type_="check")
    validate = Sql(f"ALTER TABLE {quote(table)} VALIDATE CONSTRAINT {quote(check)}")
    require = ops.AlterColumnOp(table, name, modify_nullable=False)
    allow = ops.AlterColumnOp(table, name, modify_nullable=True)
    # Before a primary key is made of the column.
    order = Order.GENERATED_COLUMNS
    return [
        Step(order=order, phase=Phase.CONTRACT, up=(add,), down=(drop,), requires=backfill),
        Step(order=order, up=(InAutocommit(validate),)),
        Step(order=order, up=(require, drop, *finish), down=(add, allow)),
    ]


def filling(column: Column, model: sa.Column[Any]) -> BackfillFile:
    """Return the backfill that fills in the rows without a value: by the default, or by what is still to be written."""
    return filling_with(column, column.expression or _literal(model) or VALUE, "value")


def filling_with(column: Column, value: str, kind: str) -> BackfillFile:
    """Return the backfill that gives the rows without a value this one: an expression in SQL, called `kind`."""
    table, name = quote(column.table), quote(column.name)
    return BackfillFile(
        name=backfill_name(column.table, column.name),
        title=f"Every row of {column.table} has a {kind} in {column.name}",
        table=column.table,
        update=f"UPDATE {table} SET {name} = {value} WHERE {{batch}}",  # noqa: S608 - names
        where=f"{name} IS NULL",
    )


def _literal(model: sa.Column[Any]) -> str | None:
    """Return the default that the model gives to new rows itself, as SQL."""
    default = model.default
    if default is None or not default.is_scalar:
        return None
    try:
        literal = sa.literal(default.arg, model.type)  # type: ignore[attr-defined]
        return str(literal.compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True}))
    except CompileError:
        return None

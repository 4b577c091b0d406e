"""The steps for a column that is added, dropped or altered."""

from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation

from ..drift.catalogue import Column
from ..drift.difference import Difference, Order
from .dropped_columns import dropped_column_chain
from .numbered_columns import numbered_column_steps
from .plan import Chain, Step
from .required_columns import filling, is_constant, required_steps
from .retyped_columns import retyped_chain, widened_chain
from .schemas import Schemas, without_enum_creation

_HERE = Order.TABLES_AND_COLUMNS
# What can be changed of a column without writing its values.
_ALTERABLE = ("not_null", "expression", "comment")


def column_chain(found: Difference, schemas: Schemas) -> Chain | None:
    """Return the steps, or None if SQL has to mend the difference."""
    table, name = found.key
    if found.models is None:
        return dropped_column_chain(found, schemas.live)
    columns = schemas.metadata.tables[table].columns
    model = next((column for column in columns if column.name == name), None)
    if model is None:
        return None
    after = schemas.models.tables[table].columns[name]
    if found.live is None:
        # A serial one needs its sequence.
        is_serial = any(statement.order is Order.SEQUENCES for statement in found.ddl)
        return None if is_serial else _added(after, model, found.ddl[0].order)
    return _altered(found, after, model, schemas)


def _added(after: Column, model: sa.Column[Any], order: Order) -> Chain:
    column = model._copy()  # noqa: SLF001 - what Alembic does
    column.type = without_enum_creation(column.type)
    drop = ops.DropColumnOp(after.table, after.name)
    if after.identity:
        return numbered_column_steps(after, column)
    is_filled = is_constant(after.default) and (not after.not_null or after.default is not None)
    if after.generated or is_filled:
        return [Step(order=order, up=(_add(after, column),), down=(drop,))]
    default, column.server_default, column.nullable = column.server_default, None, True
    up: list[MigrateOperation] = [_add(after, column)]
    if after.default:
        up.append(ops.AlterColumnOp(after.table, after.name, modify_server_default=default))
    steps = [Step(order=order, up=tuple(up), down=(drop,))]
    return steps + (required_steps(after, filling(after, model)) if after.not_null else [])


def _add(after: Column, column: sa.Column[Any]) -> MigrateOperation:
    return ops.AddColumnOp.from_column_and_tablename(None, after.table, column)


def _altered(found: Difference, after: Column, model: sa.Column[Any], schemas: Schemas) -> Chain | None:
    """Return the steps, or None if the column differs in more than Alembic can change."""
    before = schemas.live.tables[after.table].columns[after.name]
    if before.type != after.type:
        same = replace(before, type=after.type, base=after.base, is_string=after.is_string)
        widened = widened_chain(before, after, model) if same == after and len(found.ddl) == 1 else None
        return widened or retyped_chain(before, after, model, schemas)
    altered = replace(before, **{name: getattr(after, name) for name in _ALTERABLE})
    if altered != after or after.generated or before.unvalidated:
        return None
    # A serial column's default is no part of the model.
    if before.expression != after.expression and after.expression is not None and model.server_default is None:
        return None
    steps = []
    if before.expression != after.expression:
        old = sa.DefaultClause(sa.text(before.expression)) if before.expression else None
        steps.append(_change(after, {"modify_server_default": model.server_default}, {"modify_server_default": old}))
    if before.comment != after.comment:
        steps.append(_change(after, {"modify_comment": after.comment}, {"modify_comment": before.comment}))
    if before.not_null and not after.not_null:
        steps.append(_change(after, {"modify_nullable": True}, {"modify_nullable": False}))
    if after.not_null and not before.not_null:
        steps += required_steps(after, filling(after, model))
    return steps


def _change(column: Column, up: dict[str, Any], down: dict[str, Any]) -> Step:
    to, back = (ops.AlterColumnOp(column.table, column.name, **changes) for changes in (up, down))
    return Step(order=_HERE, up=(to,), down=(back,))

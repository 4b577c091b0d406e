"""Alembic's operations for a difference, if it has some that do exactly what is needed."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import sqlalchemy as sa
from alembic.operations import ops
from sqlalchemy import MetaData
from sqlalchemy.dialects.postgresql import ENUM
from sqlalchemy.schema import Constraint as ModelConstraint
from sqlalchemy.schema import conv

from ..drift.catalogue import Column, Constraint, Schema
from ..drift.difference import Difference, Kind, Order, Statement
from ..sql.quoting import quote, quoted_name_of
from .steps import Sql


class Step(NamedTuple):
    """An operation, and when it runs among the others."""

    order: Order
    operation: ops.MigrateOperation


class Operations(NamedTuple):
    """The steps of both directions; `down` is None if only SQL brings back what there was."""

    up: Sequence[Step]
    down: Sequence[Step] | None


# The types of constraints for which there are operations: `pg_constraint.contype`, and Alembic's name.
_TYPES = {"c": "check", "u": "unique", "f": "foreignkey"}
_WITH_OPERATIONS = {Kind.CHECK, Kind.UNIQUE, Kind.FOREIGN_KEY}


def operations_for(found: Difference, live: Schema, models: Schema, metadata: MetaData) -> Operations | None:
    """Return the operations, or None if SQL has to mend the difference."""
    if found.kind is Kind.TABLE:
        return _table(found, metadata)
    if found.kind is Kind.COLUMN:
        return _column(found, live, models, metadata)
    if found.kind in _WITH_OPERATIONS:
        return _constraint(found, live, models, metadata)
    if found.kind is Kind.INDEX:
        return _index(found, live, models, metadata)
    return None


def in_transaction(statements: Iterable[Statement]) -> list[Step]:
    """Return the statements as steps of a revision, which is one transaction."""
    return [Step(s.order, Sql(s.sql.replace(" CONCURRENTLY ", " ", 1))) for s in statements]


def _table(found: Difference, metadata: MetaData) -> Operations | None:
    (name,) = found.key
    if found.models is None:
        return Operations([Step(Order.DROP_TABLES, ops.DropTableOp(name))], None)
    if found.live is not None:
        return None
    # A copy, since the types of its columns are changed.
    table = _without_enum_creation(metadata.tables[name].to_metadata(MetaData()))
    create = ops.CreateTableOp.from_table(table)
    indexes = [
        ops.CreateIndexOp.from_index(index) for index in sorted(table.indexes, key=lambda index: str(index.name))
    ]
    more = [s for s in found.ddl if s.order >= Order.CREATE_CODE or "ROW LEVEL SECURITY" in s.sql]
    # The comments are the operation's.
    own = in_transaction(statement for statement in more if statement.order is not Order.COMMENTS)
    up = [Step(Order.TABLES_AND_COLUMNS, create), *(Step(Order.INDEXES, index) for index in indexes), *own]
    return Operations(up, [Step(Order.DROP_TABLES, ops.DropTableOp(name))])


def _without_enum_creation(table: sa.Table) -> sa.Table:
    for column in table.columns:
        column.type = _uncreated(column.type)
    return table


def _uncreated(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    """Return the type without the CREATE TYPE that Alembic would add to the table's: it is a step of its own."""
    if isinstance(kind, sa.Enum) and kind.native_enum:
        return ENUM(*kind.enums, name=kind.name, create_type=False)
    return kind


def _column(found: Difference, live: Schema, models: Schema, metadata: MetaData) -> Operations | None:
    table, name = found.key
    if found.models is None:
        dropped = ops.DropColumnOp(table, name)
        return Operations([Step(found.ddl[-1].order, dropped)], None)
    model = next((column for column in metadata.tables[table].columns if column.name == name), None)
    if model is None:
        return None
    if found.live is None:
        # A serial one needs its sequence.
        if any(statement.order is Order.SEQUENCES for statement in found.ddl):
            return None
        column = model._copy()  # noqa: SLF001 - what Alembic does
        column.type = _uncreated(column.type)
        add = ops.AddColumnOp.from_column_and_tablename(None, table, column)
        return Operations([Step(found.ddl[0].order, add)], [Step(Order.DROP_COLUMNS, ops.DropColumnOp(table, name))])
    before, after = live.tables[table].columns[name], models.tables[table].columns[name]
    change = _alteration(found, before, after, model)
    return Operations([Step(Order.TABLES_AND_COLUMNS, change)], None) if change else None


# What Alembic can change of a column.
_ALTERABLE = ("type", "base", "is_string", "not_null", "expression", "comment")


def _alteration(found: Difference, before: Column, after: Column, model: sa.Column[Any]) -> ops.AlterColumnOp | None:
    """Return the operation, or None if the column differs in more than Alembic can change."""
    altered = replace(before, **{name: getattr(after, name) for name in _ALTERABLE})
    if altered != after or after.generated or before.unvalidated:
        return None
    changes: dict[str, Any] = {"existing_type": model.type, "existing_nullable": not before.not_null}
    if before.type != after.type:
        # What depends on the column, or a conversion, is for SQL.
        if len(found.ddl) > 1 or " USING " in found.ddl[0].sql:
            return None
        changes = {"modify_type": model.type, "existing_nullable": not before.not_null}
    if before.not_null != after.not_null:
        changes["modify_nullable"] = not after.not_null
    if before.expression != after.expression:
        # A serial column's default is no part of the model.
        if after.expression is not None and model.server_default is None:
            return None
        changes["modify_server_default"] = model.server_default
    if before.comment != after.comment:
        changes["modify_comment"] = after.comment
    return ops.AlterColumnOp(before.table, before.name, **changes)


def _constraint(found: Difference, live: Schema, models: Schema, metadata: MetaData) -> Operations | None:
    key = (found.key[0], found.key[1])
    before, after = live.constraints.get(key), models.constraints.get(key)
    if _is_more_than_itself(found, before, after):
        return None
    up: list[Step] = []
    if before is not None:
        up.append(_drop(before))
    if after is None:
        return Operations(up, None)
    model = _model_of(after, metadata)
    if model is None:
        return None
    order = Order.FOREIGN_KEYS if found.kind is Kind.FOREIGN_KEY else Order.CONSTRAINTS
    up.append(Step(order, ops.AddConstraintOp.from_constraint(model)))
    if before is not None:
        return Operations(up, None)
    return Operations(up, [_drop(after)])


def _is_more_than_itself(found: Difference, before: Constraint | None, after: Constraint | None) -> bool:
    """Return whether the constraint is only renamed or validated, or foreign keys rest on it."""
    if before is None and after is None:
        return True
    if found.live is not None and found.models is not None:
        if before is None or after is None or before.type not in "cuf":
            return True
        if replace(before, valid=after.valid) == after:
            return True
    keys = [s for s in found.ddl if s.order in (Order.DROP_FOREIGN_KEYS, Order.FOREIGN_KEYS)]
    return found.kind is not Kind.FOREIGN_KEY and bool(keys)


def _drop(constraint: Constraint) -> Step:
    order = Order.DROP_FOREIGN_KEYS if constraint.type == "f" else Order.DROP_CONSTRAINTS_AND_INDEXES
    # `conv`: the name is the whole one, to which no naming convention is applied.
    return Step(order, ops.DropConstraintOp(conv(constraint.name), constraint.table, type_=_TYPES.get(constraint.type)))


def _model_of(constraint: Constraint, metadata: MetaData) -> ModelConstraint | None:
    candidates = metadata.tables[constraint.table].constraints
    return next((model for model in candidates if quoted_name_of(model) == quote(constraint.name)), None)


def _index(found: Difference, live: Schema, models: Schema, metadata: MetaData) -> Operations | None:
    name = found.key[0]
    before, after = live.indexes.get(name), models.indexes.get(name)
    is_renamed = found.live is not None and found.models is not None and before is None
    if is_renamed or any(s.order in (Order.DROP_FOREIGN_KEYS, Order.FOREIGN_KEYS) for s in found.ddl):
        return None
    drop = Step(Order.DROP_CONSTRAINTS_AND_INDEXES, ops.DropIndexOp(conv(name), (before or after).table))  # type: ignore[union-attr]
    if after is None:
        return Operations([drop], None)
    model = next(
        (index for index in metadata.tables[after.table].indexes if quoted_name_of(index) == quote(name)), None
    )
    if model is None:
        return None
    create = Step(Order.INDEXES, ops.CreateIndexOp.from_index(model))
    return Operations([drop, create], None) if before else Operations([create], [drop])

"""Alembic's operations for a difference, if it has some that do exactly what is needed."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import MetaData
from sqlalchemy.dialects.postgresql import ENUM
from sqlalchemy.schema import Constraint as ModelConstraint
from sqlalchemy.schema import conv

from ..drift import constraint_ddl
from ..drift.catalogue import Column, Constraint, Schema
from ..drift.difference import Difference, Kind, Order, Statement
from ..sql.quoting import quote, quoted_name_of
from .plan import Chain, Step
from .rendering import InAutocommit, Sql


class Schemas(NamedTuple):
    """Both sides of a comparison, and the models themselves."""

    live: Schema
    models: Schema
    metadata: MetaData


# The types of constraints for which there are operations: `pg_constraint.contype`, and Alembic's name.
_TYPES = {"c": "check", "u": "unique", "f": "foreignkey"}
_WITH_OPERATIONS = {Kind.CHECK, Kind.UNIQUE, Kind.FOREIGN_KEY}


def chain_for(found: Difference, back: Sequence[MigrateOperation], schemas: Schemas) -> Chain | None:
    """Return the steps that mend the difference, or None if SQL has to; `back` brings back what there was."""
    if found.kind is Kind.TABLE:
        return _table(found, back, schemas.metadata)
    if found.kind is Kind.COLUMN:
        return _column(found, back, schemas)
    if found.kind in _WITH_OPERATIONS:
        return _constraint(found, back, schemas)
    if found.kind is Kind.INDEX:
        return _index(found, back, schemas)
    return None


def in_transaction(statements: Iterable[Statement]) -> tuple[MigrateOperation, ...]:
    """Return the statements as operations of a revision that is one transaction."""
    return tuple(Sql(statement.sql.replace(" CONCURRENTLY ", " ", 1)) for statement in statements)


def _table(found: Difference, back: Sequence[MigrateOperation], metadata: MetaData) -> Chain | None:
    (name,) = found.key
    if found.models is None:
        return [Step(order=Order.DROP_TABLES, up=(ops.DropTableOp(name),), down=tuple(back))]
    if found.live is not None:
        return None
    # A copy, since the types of its columns are changed.
    table = _without_enum_creation(metadata.tables[name].to_metadata(MetaData()))
    create = ops.CreateTableOp.from_table(table)
    indexes = [
        ops.CreateIndexOp.from_index(index) for index in sorted(table.indexes, key=lambda index: str(index.name))
    ]
    # The comments are the operation's.
    code = [s for s in found.ddl if s.order >= Order.CREATE_CODE and s.order is not Order.COMMENTS]
    own = [s for s in found.ddl if "ROW LEVEL SECURITY" in s.sql]
    up = (create, *indexes, *in_transaction(own))
    steps = [Step(order=Order.TABLES_AND_COLUMNS, up=up, down=(ops.DropTableOp(name),))]
    return steps + ([Step(order=Order.CREATE_CODE, up=in_transaction(code))] if code else [])


def _without_enum_creation(table: sa.Table) -> sa.Table:
    for column in table.columns:
        column.type = _uncreated(column.type)
    return table


def _uncreated(kind: sa.types.TypeEngine[Any]) -> sa.types.TypeEngine[Any]:
    """Return the type without the CREATE TYPE that Alembic would add to the table's: it is a step of its own."""
    if isinstance(kind, sa.Enum) and kind.native_enum:
        return ENUM(*kind.enums, name=kind.name, create_type=False)
    return kind


def _column(found: Difference, back: Sequence[MigrateOperation], schemas: Schemas) -> Chain | None:
    table, name = found.key
    if found.models is None:
        return [Step(order=found.ddl[-1].order, up=(ops.DropColumnOp(table, name),), down=tuple(back))]
    columns = schemas.metadata.tables[table].columns
    model = next((column for column in columns if column.name == name), None)
    if model is None:
        return None
    if found.live is None:
        # A serial one needs its sequence.
        if any(statement.order is Order.SEQUENCES for statement in found.ddl):
            return None
        column = model._copy()  # noqa: SLF001 - what Alembic does
        column.type = _uncreated(column.type)
        add = ops.AddColumnOp.from_column_and_tablename(None, table, column)
        return [Step(order=found.ddl[0].order, up=(add,), down=(ops.DropColumnOp(table, name),))]
    before, after = schemas.live.tables[table].columns[name], schemas.models.tables[table].columns[name]
    change = _alteration(found, before, after, model)
    return [Step(order=Order.TABLES_AND_COLUMNS, up=(change,), down=tuple(back))] if change else None


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


def _constraint(found: Difference, back: Sequence[MigrateOperation], schemas: Schemas) -> Chain | None:
    key = (found.key[0], found.key[1])
    before, after = schemas.live.constraints.get(key), schemas.models.constraints.get(key)
    if _is_more_than_itself(found, before, after):
        return None
    if after is None and before is not None:
        return [Step(order=_drop_order(found.kind), up=(_drop(before),), down=tuple(back))]
    model = _model_of(after, schemas.metadata) if after else None
    if model is None or after is None:
        return None
    order = Order.FOREIGN_KEYS if found.kind is Kind.FOREIGN_KEY else Order.CONSTRAINTS
    add = ops.AddConstraintOp.from_constraint(model)
    removed = (_drop(before),) if before else ()
    down = tuple(back) if before else (_drop(after),)
    is_partitioned = schemas.live.tables[after.table].is_partitioned
    if found.kind is Kind.UNIQUE or is_partitioned:
        return [Step(order=order, up=(*removed, add), down=down)]
    cast(Any, add).kw["postgresql_not_valid"] = True
    validate = Step(order=order, up=(InAutocommit(Sql(constraint_ddl.validate(after).sql)),))
    return [Step(order=order, up=(*removed, add), down=down), validate]


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


def _drop_order(kind: Kind) -> Order:
    return Order.DROP_FOREIGN_KEYS if kind is Kind.FOREIGN_KEY else Order.DROP_CONSTRAINTS_AND_INDEXES


def _drop(constraint: Constraint) -> MigrateOperation:
    # `conv`: the name is the whole one, to which no naming convention is applied.
    return ops.DropConstraintOp(conv(constraint.name), constraint.table, type_=_TYPES.get(constraint.type))


def _model_of(constraint: Constraint, metadata: MetaData) -> ModelConstraint | None:
    candidates = metadata.tables[constraint.table].constraints
    return next((model for model in candidates if quoted_name_of(model) == quote(constraint.name)), None)


def _index(found: Difference, back: Sequence[MigrateOperation], schemas: Schemas) -> Chain | None:
    name = found.key[0]
    before, after = schemas.live.indexes.get(name), schemas.models.indexes.get(name)
    is_renamed = found.live is not None and found.models is not None and before is None
    if is_renamed or any(s.order in (Order.DROP_FOREIGN_KEYS, Order.FOREIGN_KEYS) for s in found.ddl):
        return None
    table = (before or after).table  # type: ignore[union-attr]
    is_partitioned = schemas.live.tables[table].is_partitioned
    order = Order.DROP_CONSTRAINTS_AND_INDEXES
    if after is None:
        drop = ops.DropIndexOp(conv(name), table) if is_partitioned else _dropped_concurrently(name, table)
        return [Step(order=order, up=(drop,), down=tuple(back))]
    model = next(
        (index for index in schemas.metadata.tables[table].indexes if quoted_name_of(index) == quote(name)), None
    )
    if model is None:
        return None
    create = ops.CreateIndexOp.from_index(model)
    plain_drop = ops.DropIndexOp(conv(name), table)
    if is_partitioned or before:
        removed = (plain_drop,) if before else ()
        return [Step(order=Order.INDEXES, up=(*removed, create), down=tuple(back) if before else (plain_drop,))]
    create.kw["postgresql_concurrently"] = True
    build = InAutocommit(*_dropped_concurrently(name, table).operations, create)
    return [Step(order=Order.INDEXES, up=(build,), down=(plain_drop,))]


def _dropped_concurrently(name: str, table: str) -> InAutocommit:
    return InAutocommit(ops.DropIndexOp(conv(name), table, if_exists=True, postgresql_concurrently=True))

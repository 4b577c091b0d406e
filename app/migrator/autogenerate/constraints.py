"""The steps for a constraint of a table that may have rows."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import MetaData
from sqlalchemy.schema import Constraint as ModelConstraint
from sqlalchemy.schema import conv

from ..drift import constraint_ddl
from ..drift.catalogue import Constraint
from ..drift.difference import Difference, Order
from ..sql.quoting import quote, quoted_name_of, temporary_name
from .indexes import build_concurrently
from .plan import Chain, Step
from .rendering import InAutocommit, Sql
from .row_requirements import rows_satisfy
from .schemas import Schemas

# Alembic's names for `pg_constraint.contype`.
_TYPES = {"c": "check", "u": "unique", "f": "foreignkey", "p": "primary"}
_BY_INDEX = {"u": "UNIQUE", "p": "PRIMARY KEY"}


def constraint_chain(found: Difference, back: Sequence[MigrateOperation], schemas: Schemas) -> Chain | None:
    """Return the steps, or None if SQL has to mend the difference."""
    key = (found.key[0], found.key[1])
    before, after = schemas.live.constraints.get(key), schemas.models.constraints.get(key)
    if _is_more_than_itself(found, before, after):
        return None
    if after is None:
        assert before is not None
        order = Order.DROP_CONSTRAINTS_AND_INDEXES if before.type != "f" else Order.DROP_FOREIGN_KEYS
        return [Step(order=order, up=(_drop(before),), down=tuple(back))]
    if not schemas.live.tables[after.table].is_partitioned:
        if after.type in _BY_INDEX:
            return _by_index(before, after)
    elif after.type == "u":
        return _by_indexes_of_partitions(before, after, back)
    return _not_valid_first(before, after, back, schemas)


def _is_more_than_itself(found: Difference, before: Constraint | None, after: Constraint | None) -> bool:
    """Return whether the constraint is only renamed or validated, or is of another type."""
    if before is None or after is None:
        return (before is None and after is None) or (found.live is not None and found.models is not None)
    return before.type != after.type or replace(before, valid=after.valid) == after


def _by_index(before: Constraint | None, after: Constraint) -> Chain:
    """Build the index beside traffic, and then only take it for the constraint, instead of one of the same name."""
    built = after.name if before is None else temporary_name(after.name)
    table, name = f"ALTER TABLE {quote(after.table)}", quote(after.name)
    removed = "" if before is None else f"DROP CONSTRAINT {name}, "
    restored = "" if before is None else f", ADD CONSTRAINT {name} {before.definition}"
    using = f"{_BY_INDEX[after.type]} USING INDEX {quote(built)}{after.deferrable}"
    create = f"CREATE UNIQUE INDEX CONCURRENTLY {quote(built)} {after.index_definition}"
    return [
        Step(
            order=Order.CONSTRAINTS,
            up=(build_concurrently(built, after.table, Sql(create)),),
            down=(ops.DropIndexOp(conv(built), after.table, if_exists=True),),
            assertions=rows_satisfy(after),
        ),
        Step(
            order=Order.CONSTRAINTS,
            up=(Sql(f"{table} {removed}ADD CONSTRAINT {name} {using}"),),
            down=(Sql(f"{table} DROP CONSTRAINT {name}{restored}"),),
        ),
    ]


def _by_indexes_of_partitions(before: Constraint | None, after: Constraint, back: Sequence[MigrateOperation]) -> Chain:
    """Make the constraint of the partitioned table alone, and then its index on each partition, beside traffic."""
    table, name = quote(after.table), quote(after.name)
    removed = "" if before is None else f"DROP CONSTRAINT {name}, "
    add = f"ALTER TABLE ONLY {table} {removed}ADD CONSTRAINT {name} {after.definition}"
    create = f"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS {name} {after.index_definition}"
    return [
        Step(
            order=Order.CONSTRAINTS,
            up=(Sql(add),),
            down=tuple(back) if before else (_drop(after),),
            assertions=rows_satisfy(after),
        ),
        Step(order=Order.CONSTRAINTS, up=(InAutocommit(Sql(create)),)),
    ]


def _not_valid_first(
    before: Constraint | None, after: Constraint, back: Sequence[MigrateOperation], schemas: Schemas
) -> Chain | None:
    model = _model_of(after, schemas.metadata)
    if model is None:
        return None
    order = Order.FOREIGN_KEYS if after.type == "f" else Order.CONSTRAINTS
    add = ops.AddConstraintOp.from_constraint(model)
    removed = (_drop(before),) if before else ()
    step = Step(
        order=order,
        up=(*removed, add),
        down=tuple(back) if before else (_drop(after),),
        assertions=rows_satisfy(after),
    )
    if after.type not in "cf":
        return [step]
    cast(Any, add).kw["postgresql_not_valid"] = True
    return [step, Step(order=order, up=(InAutocommit(Sql(constraint_ddl.validate(after).sql)),))]


def _drop(constraint: Constraint) -> MigrateOperation:
    # `conv`: the name is the whole one, to which no naming convention is applied.
    return ops.DropConstraintOp(conv(constraint.name), constraint.table, type_=_TYPES.get(constraint.type))


def _model_of(constraint: Constraint, metadata: MetaData) -> ModelConstraint | None:
    candidates = metadata.tables[constraint.table].constraints
    return next((model for model in candidates if quoted_name_of(model) == quote(constraint.name)), None)

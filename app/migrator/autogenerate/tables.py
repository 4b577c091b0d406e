"""The steps for a table that is created or dropped."""

from collections.abc import Sequence
from typing import Any, cast

import sqlalchemy as sa
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import MetaData
from sqlalchemy.schema import conv

from ..drift.constraint_ddl import drop_constraint
from ..drift.difference import Difference, Order
from ..sql.quoting import quote
from .plan import CONTRACT_STEP, Chain, Step
from .rendering import InAutocommit, Sql, in_transaction
from .schemas import Schemas, without_enum_creation

_NOT_WRITTEN = {CONTRACT_STEP: "the table is new, and no release writes it yet"}


def table_chain(found: Difference, back: Sequence[MigrateOperation], schemas: Schemas) -> Chain | None:
    """Return the steps, or None if SQL has to mend the difference."""
    (name,) = found.key
    if found.models is None:
        return _dropped(name, back, schemas)
    if found.live is not None:
        return None
    # A copy, since the types of its columns are changed.
    table = schemas.metadata.tables[name].to_metadata(MetaData())
    for column in table.columns:
        column.type = without_enum_creation(column.type)
    later = _take_later_keys(table, schemas)
    create = ops.CreateTableOp.from_table(table)
    indexes = [
        ops.CreateIndexOp.from_index(index) for index in sorted(table.indexes, key=lambda index: str(index.name))
    ]
    # The comments are the operation's.
    code = [s for s in found.ddl if s.order >= Order.CREATE_CODE and s.order is not Order.COMMENTS]
    own = [s for s in found.ddl if "ROW LEVEL SECURITY" in s.sql]
    steps = [
        Step(
            order=Order.TABLES_AND_COLUMNS,
            up=(create, *indexes, *in_transaction(own)),
            down=(ops.DropTableOp(name),),
        )
    ]
    for key in later:
        steps += _add_key(key, name)
    return steps + ([Step(order=Order.CREATE_CODE, up=in_transaction(code))] if code else [])


def _dropped(name: str, back: Sequence[MigrateOperation], schemas: Schemas) -> Chain:
    """Return the steps; foreign keys of tables that stay are dropped for themselves."""
    keys = [
        key
        for key in schemas.live.constraints.values()
        if key.references == name and key.table != name and key.table not in schemas.models.tables
    ]
    steps = [Step(order=Order.DROP_FOREIGN_KEYS, up=(Sql(drop_constraint(key).sql),)) for key in keys]
    # After foreign keys that are replaced by one to another table.
    return [*steps, Step(order=Order.DROP_COLUMNS, up=(ops.DropTableOp(name),), down=tuple(back))]


def _take_later_keys(table: sa.Table, schemas: Schemas) -> list[sa.ForeignKeyConstraint]:
    """Take out the foreign keys that would lock a second table in use, or refer to a table that comes later."""
    names = schemas.names_in_order
    before = set(names[: names.index(table.name) + 1]) - schemas.live.tables.keys()
    keys = sorted(table.foreign_key_constraints, key=lambda key: str(key.name))
    referred = {key: next(iter(key.elements)).target_fullname.rpartition(".")[0] for key in keys}
    locked = next((name for name in referred.values() if name in schemas.live.tables), None)
    later = [key for key in keys if referred[key] not in before and referred[key] != locked]
    for key in later:
        table.constraints.discard(key)
    # The models' own, which find the table that they refer to.
    names_later = {key.name for key in later}
    own = schemas.metadata.tables[table.name].foreign_key_constraints
    return sorted((key for key in own if key.name in names_later), key=lambda key: str(key.name))


def _add_key(key: sa.ForeignKeyConstraint, table: str) -> list[Step]:
    add = ops.AddConstraintOp.from_constraint(key)
    cast(Any, add).kw["postgresql_not_valid"] = True
    validate = Sql(f"ALTER TABLE {quote(table)} VALIDATE CONSTRAINT {quote(str(key.name))}")
    order = Order.FOREIGN_KEYS
    return [
        Step(
            order=order,
            up=(add,),
            down=(ops.DropConstraintOp(conv(str(key.name)), table, type_="foreignkey"),),
            lint_ignore=_NOT_WRITTEN,
        ),
        Step(order=order, up=(InAutocommit(validate),)),
    ]

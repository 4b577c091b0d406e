"""Alembic's operations for a difference, if it has some that do exactly what is needed."""

from collections.abc import Iterable, Sequence

from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy import MetaData

from ..drift.difference import Difference, Kind, Order, Statement
from .columns import column_chain
from .constraints import constraint_chain
from .indexes import index_chain
from .plan import Chain, Step
from .rendering import Sql
from .schemas import Schemas, without_enum_creation

_CONSTRAINTS = {Kind.CHECK, Kind.UNIQUE, Kind.FOREIGN_KEY, Kind.PRIMARY_KEY}


def chain_for(found: Difference, back: Sequence[MigrateOperation], schemas: Schemas) -> Chain | None:
    """Return the steps that mend the difference, or None if SQL has to; `back` brings back what there was."""
    if found.kind is Kind.TABLE:
        return _table(found, back, schemas.metadata)
    if found.kind is Kind.COLUMN:
        return column_chain(found, back, schemas)
    if found.kind in _CONSTRAINTS:
        return constraint_chain(found, back, schemas)
    if found.kind is Kind.INDEX:
        return index_chain(found, back, schemas)
    return None


def in_transaction(statements: Iterable[Statement]) -> tuple[Sql, ...]:
    """Return the statements as operations of a revision that is one transaction."""
    return tuple(Sql(statement.sql.replace(" CONCURRENTLY ", " ", 1)) for statement in statements)


def _table(found: Difference, back: Sequence[MigrateOperation], metadata: MetaData) -> Chain | None:
    (name,) = found.key
    if found.models is None:
        return [Step(order=Order.DROP_TABLES, up=(ops.DropTableOp(name),), down=tuple(back))]
    if found.live is not None:
        return None
    # A copy, since the types of its columns are changed.
    table = metadata.tables[name].to_metadata(MetaData())
    for column in table.columns:
        column.type = without_enum_creation(column.type)
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

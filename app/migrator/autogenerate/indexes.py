"""The steps for an index of a table that may have rows."""

from collections.abc import Sequence

from alembic.operations import ops
from alembic.operations.ops import MigrateOperation
from sqlalchemy.schema import conv

from ..drift.catalogue import Index
from ..drift.difference import Difference, Order
from ..sql.quoting import quote, quoted_name_of, temporary_name
from .plan import Chain, Step
from .rendering import InAutocommit, Sql
from .row_requirements import rows_are_distinct
from .schemas import Schemas

_DROP = Order.DROP_CONSTRAINTS_AND_INDEXES


def index_chain(found: Difference, back: Sequence[MigrateOperation], schemas: Schemas) -> Chain | None:
    """Return the steps, or None if SQL has to mend the difference."""
    name = found.key[0]
    before, after = schemas.live.indexes.get(name), schemas.models.indexes.get(name)
    is_renamed = found.live is not None and found.models is not None and before is None
    if is_renamed:
        return None
    table = (before or after).table  # type: ignore[union-attr]
    is_partitioned = schemas.live.tables[table].is_partitioned
    if after is None:
        assert before is not None
        return _dropped(before, back, is_partitioned=is_partitioned)
    if before is not None and before.valid and not is_partitioned:
        return _replaced(before, after)
    model = next(
        (index for index in schemas.metadata.tables[table].indexes if quoted_name_of(index) == quote(name)), None
    )
    if model is None:
        return None
    create, drop = ops.CreateIndexOp.from_index(model), ops.DropIndexOp(conv(name), table)
    create.kw["postgresql_concurrently"] = True
    build = build_concurrently(name, table, create, is_partitioned=is_partitioned)
    step = Step(order=Order.INDEXES, up=(build,), down=(drop,), assertions=rows_are_distinct(after))
    if before is None or not is_partitioned:
        return [step]
    return [*_dropped(before, back, is_partitioned=True), step]


def build_concurrently(
    name: str, table: str, create: MigrateOperation, *, is_partitioned: bool = False
) -> InAutocommit:
    """Return `create` after a drop of what an earlier run, which did not come to its end, may have left.

    On a partitioned table, on which the executor goes on with it, nothing can be dropped CONCURRENTLY.
    """
    return InAutocommit(*([] if is_partitioned else [_drop_concurrently(name, table)]), create)


def _drop_concurrently(name: str, table: str) -> MigrateOperation:
    return ops.DropIndexOp(conv(name), table, if_exists=True, postgresql_concurrently=True)


def _dropped(before: Index, back: Sequence[MigrateOperation], *, is_partitioned: bool) -> Chain:
    if is_partitioned:
        return [Step(order=_DROP, up=(ops.DropIndexOp(conv(before.name), before.table),), down=tuple(back))]
    drop = InAutocommit(_drop_concurrently(before.name, before.table))
    create = build_concurrently(before.name, before.table, Sql(_create(before, before.name)))
    return [Step(order=_DROP, up=(drop,), down=(create,) if before.valid else ())]


def _replaced(before: Index, after: Index) -> Chain:
    """Build the new index before the old one of its name is dropped."""
    built, name, table = temporary_name(after.name), after.name, after.table
    order = Order.INDEXES
    return [
        Step(
            order=order,
            up=(build_concurrently(built, table, Sql(_create(after, built))),),
            down=(ops.DropIndexOp(conv(built), table, if_exists=True),),
            assertions=rows_are_distinct(after),
        ),
        Step(
            order=order,
            up=(InAutocommit(_drop_concurrently(name, table)),),
            down=(build_concurrently(name, table, Sql(_create(before, name))),),
        ),
        Step(order=order, up=(_rename(built, name),), down=(_rename(name, built),)),
    ]


def _create(index: Index, name: str) -> str:
    return f"CREATE {'UNIQUE ' if index.unique else ''}INDEX CONCURRENTLY {quote(name)} {index.definition}"


def _rename(name: str, to: str) -> Sql:
    return Sql(f"ALTER INDEX {quote(name)} RENAME TO {quote(to)}")

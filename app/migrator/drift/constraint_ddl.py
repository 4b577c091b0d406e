"""The statements for constraints and indexes, which stop no traffic of a table that may have any."""

from collections.abc import Iterable

from ..sql.quoting import quote, temporary_name
from .catalogue import Column, Constraint, Index, Schema
from .difference import Order, Statement

FOREIGN_KEY = "f"
# For these an index is built first, and only then the table is locked, for a moment.
_BY_INDEX = {"p": "PRIMARY KEY", "u": "UNIQUE"}
# These can be added without reading the rows, and validated without a lock that stops traffic.
_VALIDATED = ("c", FOREIGN_KEY)


def add_constraint(live: Schema, constraint: Constraint) -> list[Statement]:
    """Add the constraint to a table that exists, instead of one of its name."""
    order = Order.FOREIGN_KEYS if constraint.type == FOREIGN_KEY else Order.CONSTRAINTS
    name, table = quote(constraint.name), f"ALTER TABLE {quote(constraint.table)}"
    replaced = (constraint.table, constraint.name) in live.constraints
    start = f"{table} DROP CONSTRAINT IF EXISTS {name}, ADD" if replaced else f"{table} ADD"
    partitioned = live.tables[constraint.table].is_partitioned
    if constraint.type in _BY_INDEX and "USING btree" in (constraint.index_definition or "") and not partitioned:
        built = quote(temporary_name(constraint.name))
        using = f"{_BY_INDEX[constraint.type]} USING INDEX {built}{constraint.deferrable}"
        return [
            Statement(f"CREATE UNIQUE INDEX CONCURRENTLY {built} {constraint.index_definition}", order),
            Statement(f"{start} CONSTRAINT {name} {using}", order),
        ]
    whole = f"{start} CONSTRAINT {name} {constraint.definition}"
    if constraint.type in _VALIDATED and constraint.valid and not partitioned:
        return [Statement(f"{whole} NOT VALID", order), validate(constraint)]
    return [Statement(whole, order)]


def validate(constraint: Constraint) -> Statement:
    order = Order.FOREIGN_KEYS if constraint.type == FOREIGN_KEY else Order.CONSTRAINTS
    return Statement(f"ALTER TABLE {quote(constraint.table)} VALIDATE CONSTRAINT {quote(constraint.name)}", order)


def drop_constraint(constraint: Constraint) -> Statement:
    is_key = constraint.type == FOREIGN_KEY
    order = Order.DROP_FOREIGN_KEYS if is_key else Order.DROP_CONSTRAINTS_AND_INDEXES
    return Statement(f"ALTER TABLE {quote(constraint.table)} DROP CONSTRAINT {quote(constraint.name)}", order)


def rename_constraint(live: Constraint, models: Constraint) -> Statement:
    order = Order.FOREIGN_KEYS if live.type == FOREIGN_KEY else Order.CONSTRAINTS
    names = f"{quote(live.name)} TO {quote(models.name)}"
    return Statement(f"ALTER TABLE {quote(live.table)} RENAME CONSTRAINT {names}", order)


def around_index(live: Schema, models: Schema, index: str | None) -> list[Statement]:
    """Drop the foreign keys that rest on this unique index, and create those of the models again."""
    resting = [c for c in live.constraints.values() if c.type == FOREIGN_KEY and index and c.index == index]
    return _drop_and_recreate(live, models, resting, [])


def around_column(live: Schema, models: Schema, column: Column, *, replaced: bool) -> list[Statement]:
    """Drop what keeps the column's type from being changed, and create it again as the models have it.

    PostgreSQL changes keys and plain indexes with the type; with a dropped column (`replaced`) it drops all.
    """
    constraints = [
        c for c in live.constraints.values() if column.path in c.columns and (replaced or c.type not in _BY_INDEX)
    ]
    indexes = [i for i in live.indexes.values() if column.path in i.columns and (replaced or not i.is_plain)]
    return _drop_and_recreate(live, models, constraints, indexes)


def create_index(live: Schema, index: Index) -> list[Statement]:
    """Create the index on a table that exists; a valid one of its name is dropped when the new one is there."""
    order, before = Order.INDEXES, live.indexes.get(index.name)
    if before and before.valid:
        built = quote(temporary_name(index.name))
        return [
            Statement(_create(live, index, built), order),
            Statement(f"DROP INDEX {_how(live, before)}IF EXISTS {quote(index.name)}", order),
            Statement(f"ALTER INDEX {built} RENAME TO {quote(index.name)}", order),
        ]
    return [*([drop_index(live, before)] if before else []), Statement(_create(live, index, quote(index.name)), order)]


def drop_index(live: Schema, index: Index) -> Statement:
    return Statement(f"DROP INDEX {_how(live, index)}{quote(index.name)}", Order.DROP_CONSTRAINTS_AND_INDEXES)


def rename_index(live: Index, models: Index) -> Statement:
    return Statement(f"ALTER INDEX {quote(live.name)} RENAME TO {quote(models.name)}", Order.INDEXES)


def _create(live: Schema, index: Index, name: str) -> str:
    return f"CREATE {'UNIQUE ' if index.unique else ''}INDEX {_how(live, index)}{name} {index.definition}"


def _how(live: Schema, index: Index) -> str:
    """Return CONCURRENTLY, unless the table is partitioned, which allows none, or new, which needs none."""
    table = live.tables.get(index.table)
    return "CONCURRENTLY " if table and not table.is_partitioned else ""


def _drop_and_recreate(
    live: Schema, models: Schema, constraints: Iterable[Constraint], indexes: Iterable[Index]
) -> list[Statement]:
    """Drop these, and create those of them again that the models have."""
    found: list[Statement] = []
    for constraint in constraints:
        found.extend(around_index(live, models, constraint.index) if constraint.type in _BY_INDEX else ())
        found.append(drop_constraint(constraint))
        wanted = models.constraints.get((constraint.table, constraint.name))
        found.extend(add_constraint(live, wanted) if wanted else ())
    for index in indexes:
        found.append(drop_index(live, index))
        again = models.indexes.get(index.name)
        found.extend(create_index(live, again) if again else ())
    return found

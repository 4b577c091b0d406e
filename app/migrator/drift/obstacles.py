"""What would make a statement fail, so that it can be said: dependents, and names that are taken."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from .catalogue import Column, Constraint, Index, Schema, Table
from .dependents import Dependent
from .difference import Statement

# Constraints with an index of their name.
_INDEXED = ("p", "u", "x")


class Obstacles(NamedTuple):
    """`what` is in the way; `after_loss`: it would be dropped with a table that the models do not know."""

    what: tuple[str, ...] = ()
    after_loss: bool = False

    def mark(self, statements: Iterable[Statement]) -> Iterator[Statement]:
        """Yield the statements as ones that the obstacles keep from being run."""
        for statement in statements:
            loses_data = statement.loses_data or self.after_loss
            yield replace(statement, in_the_way=self.what, loses_data=loses_data)


def of_dropped_table(live: Schema, table: Table) -> Obstacles:
    """Return what depends on the table or its columns, and belongs to another."""
    columns = (("column", column.path) for column in table.columns.values())
    found = _dependents(live, ("table", table.name), *columns)
    return _named(dependent for dependent in found if dependent.table != table.name)


def of_column(live: Schema, models: Schema, column: Column) -> Obstacles:
    """Return what keeps the column from being dropped, or from having another type.

    It leaves out what the statements drop first and create again: columns generated from it, and the models' code.
    """
    found = [found for found in _dependents(live, ("column", column.path)) if not _is_dropped_first(models, found)]
    return Obstacles(_named(found).what + _parents(live, column.table))


def of_constraint(live: Schema, constraint: Constraint) -> Obstacles:
    """Return what keeps the constraint from being dropped."""
    parents = _parents(live, constraint.table) if constraint.type == "c" else ()
    index = constraint.index if constraint.type in _INDEXED else None
    return Obstacles((of_index(live, index).what if index else ()) + parents)


def of_index(live: Schema, name: str) -> Obstacles:
    """Return what keeps the index from being dropped."""
    return _named(_dependents(live, ("index", name)))


def of_enum(live: Schema, models: Schema, name: str) -> Obstacles:
    """Return what keeps the type from being dropped; columns unknown to the models are dropped first, with loss."""
    found = list(_dependents(live, ("type", name)))
    known = {(column.table, column.name) for table in models.tables.values() for column in table.columns.values()}
    lost = any(dependent.table and (dependent.table, dependent.column) not in known for dependent in found)
    return Obstacles(_named(dependent for dependent in found if not dependent.table).what, after_loss=lost)


def of_code(live: Schema, kind: str, name: str) -> Obstacles:
    """Return what keeps a function or view from being dropped."""
    return _named(_dependents(live, (kind, name)))


def of_new_table(live: Schema, models: Schema, table: str) -> Obstacles:
    """Return the relations that have the name of the table, or of an index of it."""
    names = [table]
    names += [c.name for c in models.constraints.values() if c.table == table and c.type in _INDEXED]
    names += [index.name for index in models.indexes.values() if index.table == table]
    return _taken(live, models, names)


def of_new_constraint(live: Schema, models: Schema, constraint: Constraint) -> Obstacles:
    """Return the relations whose name the constraint needs, or the missing table that it refers to."""
    if constraint.type in _INDEXED:
        return _taken(live, models, [constraint.name])
    if constraint.references and constraint.references not in live.tables:
        return of_new_table(live, models, constraint.references)
    return Obstacles()


def of_new_index(live: Schema, models: Schema, index: Index) -> Obstacles:
    return _taken(live, models, [index.name])


def both(one: Obstacles, other: Obstacles) -> Obstacles:
    """Return the obstacles of two objects together."""
    return Obstacles(tuple(dict.fromkeys(one.what + other.what)), one.after_loss or other.after_loss)


def _taken(live: Schema, models: Schema, names: Iterable[str]) -> Obstacles:
    """Return the relations of these names, without those of the models' tables, which are compared anyway."""
    found = [
        relation for name in names if (relation := live.relations.get(name)) and relation.table not in models.tables
    ]
    lost = [relation for relation in found if relation.table in live.tables]
    return Obstacles(tuple(relation.what for relation in found if relation not in lost), after_loss=bool(lost))


def _dependents(live: Schema, *targets: tuple[str, str]) -> Iterator[Dependent]:
    for target in targets:
        yield from live.dependents.get(target, ())


def _is_dropped_first(models: Schema, found: Dependent) -> bool:
    if found.table is None:
        return found.code in models.views
    return found.table in models.tables and (found.column is not None or found.code is not None)


def _named(found: Iterable[Dependent]) -> Obstacles:
    return Obstacles(tuple(dict.fromkeys(dependent.what for dependent in found)))


def _parents(live: Schema, table: str) -> tuple[str, ...]:
    return tuple(f"parent table {parent}" for parent in live.tables[table].parents)

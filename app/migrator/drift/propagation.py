"""A statement cannot run before what it needs: if that loses data or has obstacles, so does the statement."""

import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from .catalogue import Schema
from .difference import Difference, Kind
from .obstacles import Obstacles, both

_KEYS = {Kind.PRIMARY_KEY, Kind.UNIQUE}
_CONSTRAINTS = {*_KEYS, Kind.FOREIGN_KEY, Kind.CHECK, Kind.EXCLUSION}


def propagate_obstacles(found: Sequence[Difference], live: Schema, models: Schema) -> list[Difference]:
    """Return the differences, each marked as a whole if a part of it, or what it needs, is marked."""
    marked = [_mark_whole(difference) for difference in found]
    # Three times, because a foreign key needs a key, which needs columns.
    for _ in range(3):
        held_back = {key: _mark_of(each) for each in marked if _holds_back(each) for key in _provided(each)}
        if not held_back:
            break
        marked = [_held_back(each, held_back, live, models) for each in marked]
    return marked


def _mark_whole(found: Difference) -> Difference:
    """Return the difference with every statement marked as one is: half of it could leave a table without an index."""
    mark = _mark_of(found)
    return replace(found, ddl=tuple(mark.mark(found.ddl)))


def _mark_of(found: Difference) -> Obstacles:
    in_the_way = dict.fromkeys(name for statement in found.ddl for name in statement.in_the_way)
    return Obstacles(tuple(in_the_way), found.loses_data)


def _holds_back(found: Difference) -> bool:
    """Return whether others have to wait for this one; nothing needs what the models do not know."""
    return found.models is not None and _mark_of(found) != Obstacles()


def _provided(found: Difference) -> tuple[Hashable, ...]:
    if found.kind is Kind.FUNCTION:
        return ((Kind.FUNCTION, found.key[0].split("(")[0]),)
    kind = Kind.PRIMARY_KEY if found.kind in _KEYS else found.kind
    return ((kind, *found.key),)


def _held_back(found: Difference, held_back: dict[Hashable, Obstacles], live: Schema, models: Schema) -> Difference:
    mark = _mark_of(found)
    for needed in _NEEDED.get(found.kind, _nothing)(found, live, models):
        mark = both(mark, held_back.get(needed, Obstacles()))
    return replace(found, ddl=tuple(mark.mark(found.ddl)))


Needed = Callable[[Difference, Schema, Schema], list[Hashable]]


def _nothing(found: Difference, live: Schema, models: Schema) -> list[Hashable]:  # noqa: ARG001 - as the others
    return []


def _by_column(found: Difference, live: Schema, models: Schema) -> list[Hashable]:
    """Return the columns that the column is generated from."""
    columns = (schema.column(found.name) for schema in (live, models))
    return [needed for column in columns if column for needed in _columns(live, models, column.made_from)]


def _by_constraint(found: Difference, live: Schema, models: Schema) -> list[Hashable]:
    needed: list[Hashable] = []
    for constraint in (schema.constraints.get((found.key[0], found.key[1])) for schema in (live, models)):
        if constraint:
            needed += _columns(live, models, constraint.columns)
    wanted = models.constraints.get((found.key[0], found.key[1]))
    if wanted and wanted.references:
        needed += [(Kind.TABLE, wanted.references), (Kind.PRIMARY_KEY, wanted.references, wanted.index)]
    return needed


def _by_index(found: Difference, live: Schema, models: Schema) -> list[Hashable]:
    indexes = (schema.indexes.get(found.key[0]) for schema in (live, models))
    return [needed for index in indexes if index for needed in _columns(live, models, index.columns)]


def _columns(live: Schema, models: Schema, paths: frozenset[str]) -> list[Hashable]:
    columns = (live.column(path) or models.column(path) for path in sorted(paths))
    return [(Kind.COLUMN, column.table, column.name) for column in columns if column]


def _by_code(found: Difference, live: Schema, models: Schema) -> list[Hashable]:
    """Return the tables and functions that its words may name; at worst it waits for one too many."""
    words = set(re.findall(r"\w+", found.models or ""))
    tables = {*live.tables, *models.tables} & words
    functions = {routine.name for routine in models.routines.values()} & words
    return [*((Kind.TABLE, table) for table in tables), *((Kind.FUNCTION, name) for name in functions)]


_NEEDED: dict[Kind, Needed] = {
    **dict.fromkeys(_CONSTRAINTS, _by_constraint),
    Kind.COLUMN: _by_column,
    Kind.INDEX: _by_index,
    Kind.VIEW: _by_code,
    Kind.TRIGGER: _by_code,
    Kind.POLICY: _by_code,
}

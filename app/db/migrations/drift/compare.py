"""What differs between two schemas."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from app.db.migrations.drift import catalogue, code, columns, obstacles, rules, types
from app.db.migrations.drift.catalogue import Column, Constraint, Index, Schema, Table
from app.db.migrations.drift.code import Attached
from app.db.migrations.drift.consequences import with_consequences
from app.db.migrations.drift.difference import Difference, Kind, Statement
from app.db.migrations.drift.obstacles import Obstacles
from app.db.migrations.naming import literal, quote

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)

_CONSTRAINTS = {
    "p": Kind.PRIMARY_KEY,
    "u": Kind.UNIQUE,
    rules.FOREIGN_KEY: Kind.FOREIGN_KEY,
    "c": Kind.CHECK,
    "x": Kind.EXCLUSION,
}
_NOTHING = Obstacles()


def compare(live: Schema, models: Schema) -> list[Difference]:
    """Each object that differs, by kind and name.

    What belongs to a table or column that is missing, or unknown to the models, goes with it; so does a check or index
    that reads differently only because its column's type does.
    """
    by_kind = (_tables, _columns, _constraints, _indexes, _sequences, _enums, _routines, _views, _attached)
    found = [difference for find in by_kind for difference in find(live, models)]
    return with_consequences(found, live, models)


def _differing(before: Mapping[K, T], after: Mapping[K, T]) -> Iterator[tuple[T | None, T | None]]:
    for key in [*before, *(key for key in after if key not in before)]:
        if before.get(key) != after.get(key):
            yield before.get(key), after.get(key)


def _mend(
    before: T | None,
    after: T | None,
    *,
    create: Callable[[T], Iterable[Statement]],
    drop: Callable[[T], Iterable[Statement]],
    change: Callable[[T, T], Iterable[Statement]],
) -> tuple[Statement, ...]:
    if before is not None and after is not None:
        return tuple(change(before, after))
    return tuple(create(after)) if after is not None else tuple(drop(before)) if before is not None else ()


def _difference(
    kind: Kind,
    key: tuple[str, ...],
    before: T | None,
    after: T | None,
    show: Callable[[T], str],
    ddl: Iterable[Statement],
    in_the_way: Obstacles = _NOTHING,
    name: str | None = None,
) -> Difference:
    sides = (show(before) if before else None, show(after) if after else None)
    return Difference(kind, name or ".".join(map(quote, key)), key, *sides, tuple(in_the_way.mark(ddl)))


def _tables(live: Schema, models: Schema) -> Iterator[Difference]:
    for before, after in _differing(live.tables, models.tables):
        ddl = _mend(
            before,
            after,
            create=lambda table: columns.create_table(live, models, table),
            drop=lambda table: columns.drop_table(live, table),
            change=columns.change_table,
        )
        name = _either(before, after).name
        found = obstacles.of_new_table(live, models, name) if before is None else _NOTHING
        if before and not after:
            found = obstacles.of_dropped_table(live, before)
        yield _difference(Kind.TABLE, (name,), before, after, _table_in_words, ddl, found)


def _table_in_words(table: Table) -> str:
    flags = {
        "unlogged": table.unlogged,
        "row level security": table.row_security,
        "forced row level security": table.forced_row_security,
    }
    said = "".join(f"{flag}: " for flag, is_set in flags.items() if is_set)
    comment = f" ({literal(table.comment)})" if table.comment else ""
    return said + ", ".join(map(quote, table.columns)) + comment


def _columns(live: Schema, models: Schema) -> Iterator[Difference]:
    for table in _in_both(live, models):
        for before, after in _differing(live.tables[table].columns, models.tables[table].columns):
            ddl = _mend(
                before,
                after,
                create=lambda column: columns.add_column(live, models, column),
                drop=lambda column: [columns.drop_column(column)],
                change=lambda old, new: columns.change_column(live, models, old, new),
            )
            replaced = before and (after is None or columns.is_rewritten(before, after))
            found = obstacles.of_column(live, models, before) if before and replaced else _NOTHING
            column = _either(before, after)
            key = (column.table, column.name)
            yield _difference(Kind.COLUMN, key, before, after, _column_in_words, ddl, found, column.path)


def _column_in_words(column: Column) -> str:
    comment = f" ({literal(column.comment)})" if column.comment else ""
    return columns.definition(column) + (" (not validated)" if column.unvalidated else "") + comment


def _constraints(live: Schema, models: Schema) -> Iterator[Difference]:
    both, retyped = _in_both(live, models), _retyped(live, models)
    before_all = {key: found for key, found in live.constraints.items() if found.table in both}
    after_all = {key: found for key, found in models.constraints.items() if found.table in both}
    for before, after in _take_renamed(before_all, after_all, lambda found: replace(found, name="", valid=True)):
        ddl = [rules.rename_constraint(before, after), *([] if before.valid else [rules.validate(after)])]
        name = f"{quote(after.table)}.{quote(after.name)}"
        names = (after.table, after.name, before.name)
        yield _difference(_CONSTRAINTS[after.type], names, before, after, _constraint_with_name, ddl, name=name)
    for old, new in _differing(before_all, after_all):
        if old and new and old.type == new.type == "c" and old.columns & retyped:
            continue
        ddl = list(_mend_constraint(live, models, old, new))
        found = _either(new, old)
        way = _in_the_way_of_constraint(live, models, old, new)
        key = (found.table, found.name)
        yield _difference(_CONSTRAINTS[found.type], key, old, new, _constraint_in_words, ddl, way)


def _mend_constraint(
    live: Schema, models: Schema, before: Constraint | None, after: Constraint | None
) -> Iterator[Statement]:
    if after and _is_only_to_be_validated(before, after):
        if after.valid:
            yield rules.validate(after)
        return
    if before and before.type != rules.FOREIGN_KEY:
        yield from rules.around_index(live, models, before.index)
    if before and not after:
        yield rules.drop_constraint(before)
    if after:
        yield from rules.add_constraint(live, after)


def _is_only_to_be_validated(before: Constraint | None, after: Constraint | None) -> bool:
    return before is not None and after is not None and replace(before, valid=after.valid) == after


def _in_the_way_of_constraint(
    live: Schema, models: Schema, before: Constraint | None, after: Constraint | None
) -> Obstacles:
    if _is_only_to_be_validated(before, after):
        return _NOTHING
    of_old = obstacles.of_constraint(live, before) if before else _NOTHING
    return obstacles.both(of_old, obstacles.of_new_constraint(live, models, after) if after else _NOTHING)


def _constraint_in_words(constraint: Constraint) -> str:
    watched = "" if constraint.is_watched else " (not enforced: its triggers are disabled)"
    return constraint.definition + ("" if constraint.valid else " NOT VALID") + watched


def _constraint_with_name(constraint: Constraint) -> str:
    return f"{_constraint_in_words(constraint)} (named {quote(constraint.name)})"


def _indexes(live: Schema, models: Schema) -> Iterator[Difference]:
    both, retyped = _in_both(live, models), _retyped(live, models)
    before_all = {name: index for name, index in live.indexes.items() if index.table in both}
    after_all = {name: index for name, index in models.indexes.items() if index.table in both}
    for before, after in _take_renamed(before_all, after_all, lambda index: replace(index, name="")):
        ddl = [rules.rename_index(before, after)]
        key = (after.name, before.name)
        yield _difference(Kind.INDEX, key, before, after, _index_with_name, ddl, name=quote(after.name))
    for old, new in _differing(before_all, after_all):
        if old and new and not old.is_plain and old.columns & retyped:
            continue
        resting = rules.around_index(live, models, old.name) if old else []
        mend = _mend(
            old,
            new,
            create=lambda index: rules.create_index(live, index),
            drop=lambda index: [rules.drop_index(live, index)],
            change=lambda _, index: rules.create_index(live, index),
        )
        way = obstacles.of_index(live, old.name) if old else _NOTHING
        way = obstacles.both(way, obstacles.of_new_index(live, models, new) if new else _NOTHING)
        yield _difference(Kind.INDEX, (_either(new, old).name,), old, new, _index_in_words, [*resting, *mend], way)


def _index_in_words(index: Index) -> str:
    words = f"{'UNIQUE ' if index.unique else ''}{index.definition}"
    return words if index.valid else f"{words} (invalid: a build that failed has left it)"


def _index_with_name(index: Index) -> str:
    return f"{_index_in_words(index)} (named {quote(index.name)})"


def _sequences(live: Schema, models: Schema) -> Iterator[Difference]:
    """Those that go with no column, or with one that is on both sides."""
    paths = _paths(live) & _paths(models)
    after_all = {n: s for n, s in models.sequences.items() if s.owner is None or s.owner in paths}
    before_all = {
        n: s
        for n, s in live.sequences.items()
        # One that the models have with a column which is missing comes to that with the column.
        if n in after_all or (n not in models.sequences and (s.owner is None or s.owner in paths))
    }
    for before, after in _differing(before_all, after_all):
        ddl = _mend(
            before,
            after,
            create=lambda sequence: types.create_sequence(live, sequence),
            drop=types.drop_sequence,
            change=types.change_sequence,
        )
        key = (_either(before, after).name,)
        yield _difference(Kind.SEQUENCE, key, before, after, _sequence_in_words, ddl)


def _sequence_in_words(sequence: catalogue.Sequence) -> str:
    return f"AS {sequence.type} {' '.join(sequence.options)} OWNED BY {sequence.owner or 'NONE'}"


def _enums(live: Schema, models: Schema) -> Iterator[Difference]:
    for before, after in _differing(live.enums, models.enums):
        ddl = _mend(
            before,
            after,
            create=types.create_enum,
            drop=types.drop_enum,
            change=lambda old, new: types.change_enum(live, models, old, new),
        )
        enum = _either(before, after)
        way = obstacles.of_enum(live, models, enum.name) if before and types.is_replaced(before, after) else _NOTHING
        yield _difference(Kind.ENUM, (enum.name,), before, after, _labels, ddl, way, enum.type)


def _labels(enum: catalogue.Enum) -> str:
    return ", ".join(map(literal, enum.labels))


def _routines(live: Schema, models: Schema) -> Iterator[Difference]:
    wanted = {signature: live.routines[signature] for signature in models.routines if signature in live.routines}
    for before, after in _differing(wanted, models.routines):
        ddl = _mend(before, after, create=code.create_routine, drop=code.drop_routine, change=code.change_routine)
        found = _either(after, before)
        way = _NOTHING
        if before and (before.kind, before.result) != (found.kind, found.result):
            way = obstacles.of_code(live, "function", found.signature)
        ddl = (*ddl, *columns.repairs(models, found.name))
        key = (found.signature,)
        yield _difference(Kind.FUNCTION, key, before, after, lambda it: it.definition, ddl, way, found.signature)


def _views(live: Schema, models: Schema) -> Iterator[Difference]:
    wanted = {name: live.views[name] for name in models.views if name in live.views}
    for before, after in _differing(wanted, models.views):
        ddl = _mend(before, after, create=code.create_view, drop=code.drop_view, change=code.change_view)
        name = _either(after, before).name
        way = obstacles.of_code(live, "view", name)
        yield _difference(Kind.VIEW, (name,), before, after, lambda view: view.definition, ddl, way)


def _attached(live: Schema, models: Schema) -> Iterator[Difference]:
    both = _in_both(live, models)
    before_all, after_all = (
        {key: found for key, found in schema.attached.items() if found.table in both} for schema in (live, models)
    )
    for before, after in _differing(before_all, after_all):
        ddl = _mend(before, after, create=code.create_attached, drop=code.drop_attached, change=code.change_attached)
        found: Attached = _either(after, before)
        ddl = (*ddl, *columns.repairs(models, found.name))
        yield _difference(found.kind, (found.table, found.name), before, after, lambda it: it.words, ddl)


def _either(one: T | None, other: T | None) -> T:
    found = one if one is not None else other
    assert found is not None
    return found


def _in_both(live: Schema, models: Schema) -> Sequence[str]:
    return [name for name in live.tables if name in models.tables]


def _paths(schema: Schema) -> set[str]:
    return {column.path for table in schema.tables.values() for column in table.columns.values()}


def _retyped(live: Schema, models: Schema) -> set[str]:
    """The paths of the columns whose type is to change."""
    found = set()
    for table in _in_both(live, models):
        for name, before in live.tables[table].columns.items():
            after = models.tables[table].columns.get(name)
            if after and columns.has_other_type(before, after):
                found.add(before.path)
    return found


def _take_renamed(before: dict[K, T], after: dict[K, T], content: Callable[[T], Hashable]) -> list[tuple[T, T]]:
    """Takes out of both what is the same but for its name."""
    extra = {content(found): key for key, found in before.items() if key not in after}
    missing = {content(found): key for key, found in after.items() if key not in before}
    return [(before.pop(extra[same]), after.pop(missing[same])) for same in extra if same in missing]

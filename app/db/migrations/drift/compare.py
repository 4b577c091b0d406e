"""What differs between two schemas."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from app.db.migrations.drift import catalogue, columns, rules, types
from app.db.migrations.drift.catalogue import Column, Constraint, Index, Schema, Table
from app.db.migrations.drift.difference import Difference, Kind, Statement
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


def compare(live: Schema, models: Schema) -> list[Difference]:
    """Each object that differs, by kind and name.

    What belongs to a table or column that is missing, or unknown to the models, goes with it; so does a check or index
    that reads differently only because its column's type does.
    """
    by_kind = (_tables, _columns, _constraints, _indexes, _sequences, _enums)
    return [difference for find in by_kind for difference in find(live, models)]


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
    kind: Kind, name: str, before: T | None, after: T | None, show: Callable[[T], str], ddl: Iterable[Statement]
) -> Difference:
    return Difference(kind, name, show(before) if before else None, show(after) if after else None, tuple(ddl))


def _tables(live: Schema, models: Schema) -> Iterator[Difference]:
    for before, after in _differing(live.tables, models.tables):
        ddl = _mend(
            before,
            after,
            create=lambda table: columns.create_table(live, models, table),
            drop=lambda table: columns.drop_table(live, table),
            change=lambda _, table: columns.change_table(table),
        )
        yield _difference(Kind.TABLE, quote(_either(before, after).name), before, after, _table_in_words, ddl)


def _table_in_words(table: Table) -> str:
    return ("unlogged: " if table.unlogged else "") + ", ".join(map(quote, table.columns))


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
            yield _difference(Kind.COLUMN, _either(before, after).path, before, after, _column_in_words, ddl)


def _column_in_words(column: Column) -> str:
    return columns.definition(column) + (" (not validated)" if column.unvalidated else "")


def _constraints(live: Schema, models: Schema) -> Iterator[Difference]:
    both, retyped = _in_both(live, models), _retyped(live, models)
    before_all = {key: found for key, found in live.constraints.items() if found.table in both}
    after_all = {key: found for key, found in models.constraints.items() if found.table in both}
    for before, after in _take_renamed(before_all, after_all, lambda found: replace(found, name="", valid=True)):
        ddl = [rules.rename_constraint(before, after), *([] if before.valid else [rules.validate(after)])]
        yield _difference(_CONSTRAINTS[after.type], _constraint_name(after), before, after, _constraint_with_name, ddl)
    for old, new in _differing(before_all, after_all):
        if old and new and old.type == new.type == "c" and old.columns & retyped:
            continue
        ddl = list(_mend_constraint(live, models, old, new))
        found = _either(new, old)
        yield _difference(_CONSTRAINTS[found.type], _constraint_name(found), old, new, _constraint_in_words, ddl)


def _mend_constraint(
    live: Schema, models: Schema, before: Constraint | None, after: Constraint | None
) -> Iterator[Statement]:
    if before and after and replace(before, valid=after.valid) == after:
        yield rules.validate(after)
        return
    if before and before.type != rules.FOREIGN_KEY:
        yield from rules.around_index(live, models, before.index)
    if before and not after:
        yield rules.drop_constraint(before)
    if after:
        yield from rules.add_constraint(live, after)


def _constraint_name(constraint: Constraint) -> str:
    return f"{quote(constraint.table)}.{quote(constraint.name)}"


def _constraint_in_words(constraint: Constraint) -> str:
    return constraint.definition + ("" if constraint.valid else " NOT VALID")


def _constraint_with_name(constraint: Constraint) -> str:
    return f"{_constraint_in_words(constraint)} (named {quote(constraint.name)})"


def _indexes(live: Schema, models: Schema) -> Iterator[Difference]:
    both, retyped = _in_both(live, models), _retyped(live, models)
    before_all = {name: index for name, index in live.indexes.items() if index.table in both}
    after_all = {name: index for name, index in models.indexes.items() if index.table in both}
    for before, after in _take_renamed(before_all, after_all, lambda index: replace(index, name="")):
        ddl = [rules.rename_index(before, after)]
        yield _difference(Kind.INDEX, quote(after.name), before, after, _index_with_name, ddl)
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
        name = quote(_either(new, old).name)
        yield _difference(Kind.INDEX, name, old, new, _index_in_words, [*resting, *mend])


def _index_in_words(index: Index) -> str:
    words = f"{'UNIQUE ' if index.unique else ''}{index.definition}"
    return words if index.valid else f"{words} (invalid: a build that failed has left it)"


def _index_with_name(index: Index) -> str:
    return f"{_index_in_words(index)} (named {quote(index.name)})"


def _sequences(live: Schema, models: Schema) -> Iterator[Difference]:
    """Those that go with no column, or with one that is on both sides."""
    paths = _paths(live) & _paths(models)
    before_all = {n: s for n, s in live.sequences.items() if s.owner is None or s.owner in paths}
    after_all = {n: s for n, s in models.sequences.items() if s.owner is None or s.owner in paths}
    for before, after in _differing(before_all, after_all):
        ddl = _mend(
            before,
            after,
            create=lambda sequence: types.create_sequence(live, sequence),
            drop=types.drop_sequence,
            change=types.change_sequence,
        )
        yield _difference(Kind.SEQUENCE, quote(_either(before, after).name), before, after, _sequence_in_words, ddl)


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
        name = _either(before, after).type
        yield _difference(Kind.ENUM, name, before, after, lambda enum: ", ".join(map(literal, enum.labels)), ddl)


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

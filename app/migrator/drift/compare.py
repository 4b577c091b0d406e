"""What differs between two schemas."""

from collections.abc import Iterator
from dataclasses import replace

from ..sql.quoting import quote, quote_literal
from . import catalogue, constraint_ddl, enum_and_sequence_ddl, obstacles, table_and_column_ddl
from .catalogue import Column, Constraint, Index, Schema, Table
from .compare_code import attached, routines, views
from .difference import Difference, Kind, Statement
from .obstacles import Obstacles
from .pairing import (
    NOTHING,
    difference,
    differing_pairs,
    first_not_none,
    mending_statements,
    pop_renamed,
    tables_in_both,
)
from .propagation import propagate_obstacles

_CONSTRAINTS = {
    "p": Kind.PRIMARY_KEY,
    "u": Kind.UNIQUE,
    constraint_ddl.FOREIGN_KEY: Kind.FOREIGN_KEY,
    "c": Kind.CHECK,
    "x": Kind.EXCLUSION,
}


def compare(live: Schema, models: Schema) -> list[Difference]:
    """Return each object that differs, by kind and name.

    What belongs to a table or column that is missing, or unknown to the models, is part of that difference; so is a
    check or index that reads differently only because its column's type does.
    """
    by_kind = (_tables, _columns, _constraints, _indexes, _sequences, _enums, routines, views, attached)
    found = [each for find in by_kind for each in find(live, models)]
    return propagate_obstacles(found, live, models)


def _tables(live: Schema, models: Schema) -> Iterator[Difference]:
    for before, after in differing_pairs(live.tables, models.tables):
        ddl = mending_statements(
            before,
            after,
            create=lambda table: table_and_column_ddl.create_table(live, models, table),
            drop=lambda table: table_and_column_ddl.drop_table(live, table),
            change=table_and_column_ddl.change_table,
        )
        name = first_not_none(before, after).name
        found = obstacles.of_new_table(live, models, name) if before is None else NOTHING
        if before and not after:
            found = obstacles.of_dropped_table(live, before)
        yield difference(Kind.TABLE, (name,), before, after, _describe_table, ddl, found)


def _describe_table(table: Table) -> str:
    flags = {
        "unlogged": table.unlogged,
        "row level security": table.row_security,
        "forced row level security": table.forced_row_security,
    }
    said = "".join(f"{flag}: " for flag, is_set in flags.items() if is_set)
    comment = f" ({quote_literal(table.comment)})" if table.comment else ""
    return said + ", ".join(map(quote, table.columns)) + comment


def _columns(live: Schema, models: Schema) -> Iterator[Difference]:
    for table in tables_in_both(live, models):
        for before, after in differing_pairs(live.tables[table].columns, models.tables[table].columns):
            ddl = mending_statements(
                before,
                after,
                create=lambda column: table_and_column_ddl.add_column(live, models, column),
                drop=lambda column: [table_and_column_ddl.drop_column(column)],
                change=lambda old, new: table_and_column_ddl.change_column(live, models, old, new),
            )
            replaced = before and (after is None or table_and_column_ddl.is_rewritten(before, after))
            found = obstacles.of_column(live, models, before) if before and replaced else NOTHING
            column = first_not_none(before, after)
            key = (column.table, column.name)
            yield difference(Kind.COLUMN, key, before, after, _describe_column, ddl, found, column.path)


def _describe_column(column: Column) -> str:
    comment = f" ({quote_literal(column.comment)})" if column.comment else ""
    return table_and_column_ddl.definition(column) + (" (not validated)" if column.unvalidated else "") + comment


def _constraints(live: Schema, models: Schema) -> Iterator[Difference]:
    both, retyped = tables_in_both(live, models), _retyped(live, models)
    before_all = {key: found for key, found in live.constraints.items() if found.table in both}
    after_all = {key: found for key, found in models.constraints.items() if found.table in both}
    for before, after in pop_renamed(before_all, after_all, lambda found: replace(found, name="", valid=True)):
        ddl = [
            constraint_ddl.rename_constraint(before, after),
            *([] if before.valid else [constraint_ddl.validate(after)]),
        ]
        name = f"{quote(after.table)}.{quote(after.name)}"
        names = (after.table, after.name, before.name)
        yield difference(_CONSTRAINTS[after.type], names, before, after, _constraint_with_name, ddl, name=name)
    for old, new in differing_pairs(before_all, after_all):
        if old and new and old.type == new.type == "c" and old.columns & retyped:
            continue
        ddl = list(_mend_constraint(live, models, old, new))
        found = first_not_none(new, old)
        in_the_way = _in_the_way_of_constraint(live, models, old, new)
        key = (found.table, found.name)
        yield difference(_CONSTRAINTS[found.type], key, old, new, _describe_constraint, ddl, in_the_way)


def _mend_constraint(
    live: Schema, models: Schema, before: Constraint | None, after: Constraint | None
) -> Iterator[Statement]:
    if after and _is_only_to_be_validated(before, after):
        if after.valid:
            yield constraint_ddl.validate(after)
        return
    if before and before.type != constraint_ddl.FOREIGN_KEY:
        yield from constraint_ddl.around_index(live, models, before.index)
    if before and not after:
        yield constraint_ddl.drop_constraint(before)
    if after:
        yield from constraint_ddl.add_constraint(live, after)


def _is_only_to_be_validated(before: Constraint | None, after: Constraint | None) -> bool:
    return before is not None and after is not None and replace(before, valid=after.valid) == after


def _in_the_way_of_constraint(
    live: Schema, models: Schema, before: Constraint | None, after: Constraint | None
) -> Obstacles:
    if _is_only_to_be_validated(before, after):
        return NOTHING
    of_old = obstacles.of_constraint(live, before) if before else NOTHING
    return obstacles.both(of_old, obstacles.of_new_constraint(live, models, after) if after else NOTHING)


def _describe_constraint(constraint: Constraint) -> str:
    watched = "" if constraint.is_watched else " (not enforced: its triggers are disabled)"
    return constraint.definition + ("" if constraint.valid else " NOT VALID") + watched


def _constraint_with_name(constraint: Constraint) -> str:
    return f"{_describe_constraint(constraint)} (named {quote(constraint.name)})"


def _indexes(live: Schema, models: Schema) -> Iterator[Difference]:
    both, retyped = tables_in_both(live, models), _retyped(live, models)
    before_all = {name: index for name, index in live.indexes.items() if index.table in both}
    after_all = {name: index for name, index in models.indexes.items() if index.table in both}
    for before, after in pop_renamed(before_all, after_all, lambda index: replace(index, name="")):
        ddl = [constraint_ddl.rename_index(before, after)]
        key = (after.name, before.name)
        yield difference(Kind.INDEX, key, before, after, _index_with_name, ddl, name=quote(after.name))
    for old, new in differing_pairs(before_all, after_all):
        if old and new and not old.is_plain and old.columns & retyped:
            continue
        resting = constraint_ddl.around_index(live, models, old.name) if old else []
        change = mending_statements(
            old,
            new,
            create=lambda index: constraint_ddl.create_index(live, index),
            drop=lambda index: [constraint_ddl.drop_index(live, index)],
            change=lambda _, index: constraint_ddl.create_index(live, index),
        )
        in_the_way = obstacles.of_index(live, old.name) if old else NOTHING
        in_the_way = obstacles.both(in_the_way, obstacles.of_new_index(live, models, new) if new else NOTHING)
        yield difference(
            Kind.INDEX, (first_not_none(new, old).name,), old, new, _describe_index, [*resting, *change], in_the_way
        )


def _describe_index(index: Index) -> str:
    words = f"{'UNIQUE ' if index.unique else ''}{index.definition}"
    return words if index.valid else f"{words} (invalid: a build that failed has left it)"


def _index_with_name(index: Index) -> str:
    return f"{_describe_index(index)} (named {quote(index.name)})"


def _sequences(live: Schema, models: Schema) -> Iterator[Difference]:
    """Compare the sequences that belong to no column, or to one that both sides have."""
    paths = _paths(live) & _paths(models)
    after_all = {n: s for n, s in models.sequences.items() if s.owner is None or s.owner in paths}
    before_all = {
        n: s
        for n, s in live.sequences.items()
        # A sequence of a column that is missing is created with the column.
        if n in after_all or (n not in models.sequences and (s.owner is None or s.owner in paths))
    }
    for before, after in differing_pairs(before_all, after_all):
        ddl = mending_statements(
            before,
            after,
            create=lambda sequence: enum_and_sequence_ddl.create_sequence(live, sequence),
            drop=enum_and_sequence_ddl.drop_sequence,
            change=enum_and_sequence_ddl.change_sequence,
        )
        key = (first_not_none(before, after).name,)
        yield difference(Kind.SEQUENCE, key, before, after, _describe_sequence, ddl)


def _describe_sequence(sequence: catalogue.Sequence) -> str:
    return f"AS {sequence.type} {' '.join(sequence.options)} OWNED BY {sequence.owner or 'NONE'}"


def _enums(live: Schema, models: Schema) -> Iterator[Difference]:
    for before, after in differing_pairs(live.enums, models.enums):
        ddl = mending_statements(
            before,
            after,
            create=enum_and_sequence_ddl.create_enum,
            drop=enum_and_sequence_ddl.drop_enum,
            change=lambda old, new: enum_and_sequence_ddl.change_enum(live, models, old, new),
        )
        enum = first_not_none(before, after)
        in_the_way = (
            obstacles.of_enum(live, models, enum.name)
            if before and enum_and_sequence_ddl.is_replaced(before, after)
            else NOTHING
        )
        yield difference(Kind.ENUM, (enum.name,), before, after, _labels, ddl, in_the_way, enum.type)


def _labels(enum: catalogue.Enum) -> str:
    return ", ".join(map(quote_literal, enum.labels))


def _paths(schema: Schema) -> set[str]:
    return {column.path for table in schema.tables.values() for column in table.columns.values()}


def _retyped(live: Schema, models: Schema) -> set[str]:
    """Return the paths of the columns whose type is to change."""
    found = set()
    for table in tables_in_both(live, models):
        for name, before in live.tables[table].columns.items():
            after = models.tables[table].columns.get(name)
            if after and table_and_column_ddl.has_other_type(before, after):
                found.add(before.path)
    return found

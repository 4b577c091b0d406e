"""The statements for tables and their columns."""

from collections.abc import Iterator
from dataclasses import replace

from ..sql.quoting import quote, quote_literal
from .catalogue import Column, Constraint, Schema, Table
from .code_ddl import change_view, create_attached, drop_attached
from .constraint_ddl import FOREIGN_KEY, around_column, create_index, drop_constraint
from .difference import Order, Statement
from .enum_and_sequence_ddl import advance_sequence, create_sequence
from .lossless_casts import keeps_values

_HERE = Order.TABLES_AND_COLUMNS


def definition(column: Column) -> str:
    """Return what follows the column's name in CREATE TABLE."""
    words = [column.type]
    if column.collation:
        words.append(f"COLLATE {column.collation}")
    if column.generated:
        words.append(f"GENERATED ALWAYS AS ({column.expression}) {column.generated}")
    if column.identity:
        words.append(f"GENERATED {column.identity} AS IDENTITY ({' '.join(column.identity_options)})")
    if column.default:
        words.append(f"DEFAULT {column.default}")
    if column.not_null:
        words.append("NOT NULL")
    return " ".join(words)


def create_table(live: Schema, models: Schema, table: Table) -> list[Statement]:
    """Create the table with all that belongs to it, without CONCURRENTLY and the like: it has no rows yet."""
    constraints = [c for c in models.constraints.values() if c.table == table.name]
    lines = [f"{quote(column.name)} {definition(column)}" for column in table.columns.values()]
    lines += [_named(constraint) for constraint in constraints if constraint.type != FOREIGN_KEY]
    what = f"CREATE {'UNLOGGED ' if table.unlogged else ''}TABLE {quote(table.name)}"
    body = ",\n".join(f"    {line}" for line in lines)
    by = f" PARTITION BY {table.partition_key}" if table.partition_key else ""
    found = [Statement(f"{what} (\n{body}\n){by}", _HERE)]
    for column in table.columns.values():
        found += [*_sequences_of(live, models, column), *_comment(None, column)]
    for index in models.indexes.values():
        found += create_index(live, index) if index.table == table.name else []
    keys = [constraint for constraint in constraints if constraint.type == FOREIGN_KEY]
    found += [Statement(f"ALTER TABLE {quote(table.name)} ADD {_named(key)}", Order.FOREIGN_KEYS) for key in keys]
    found += change_table(replace(table, row_security=False, forced_row_security=False, comment=None), table)
    for attached in models.attached.values():
        found += create_attached(attached) if attached.table == table.name else []
    return [*found, *repairs(models, table.name)]


def change_table(before: Table, after: Table) -> list[Statement]:
    actions = []
    if before.unlogged != after.unlogged:
        # It rewrites the table, under a lock that stops reads and writes.
        actions.append(f"SET {'UNLOGGED' if after.unlogged else 'LOGGED'}")
    if before.row_security != after.row_security:
        actions.append(f"{'ENABLE' if after.row_security else 'DISABLE'} ROW LEVEL SECURITY")
    if before.forced_row_security != after.forced_row_security:
        actions.append(f"{'FORCE' if after.forced_row_security else 'NO FORCE'} ROW LEVEL SECURITY")
    found = [Statement(f"ALTER TABLE {quote(after.name)} {action}", _HERE) for action in actions]
    if before.comment != after.comment:
        found.append(Statement(f"COMMENT ON TABLE {quote(after.name)} IS {_text(after.comment)}", Order.COMMENTS))
    return found


def repairs(models: Schema, name: str) -> list[Statement]:
    """Return what is to be run when a table, function or trigger of this name was created again."""
    return [Statement(sql, Order.REPAIRS) for sql in models.repairs.get(name, ())]


def drop_table(live: Schema, table: Table) -> list[Statement]:
    referring = [c for c in live.constraints.values() if c.references == table.name and c.table != table.name]
    drop = Statement(f"DROP TABLE {quote(table.name)}", Order.DROP_TABLES, loses_data=True)
    return [*map(drop_constraint, referring), drop]


def add_column(live: Schema, models: Schema, column: Column) -> list[Statement]:
    order = Order.GENERATED_COLUMNS if column.generated else _HERE
    add = Statement(f"ALTER TABLE {quote(column.table)} ADD COLUMN {quote(column.name)} {definition(column)}", order)
    return [add, *_sequences_of(live, models, column), *_comment(None, column)]


def drop_column(column: Column) -> Statement:
    # A generated column can be generated again; it is dropped before the columns that it uses.
    order = Order.DROP_CONSTRAINTS_AND_INDEXES if column.generated else Order.DROP_COLUMNS
    drop = f"ALTER TABLE {quote(column.table)} DROP COLUMN {quote(column.name)}"
    return Statement(drop, order, loses_data=column.generated is None)


def change_column(live: Schema, models: Schema, before: Column, after: Column) -> list[Statement]:
    """Change the column; what depends on it is dropped before, and created again after it."""
    if _is_generated_differently(before, after):
        return _replace_column(live, models, before, after)
    return [
        *_drop_source(before, after),
        *_change_type(live, models, before, after),
        *_set_default(before, after),
        *_set_null(before, after),
        *_set_identity(before, after),
        *_comment(before, after),
    ]


def _replace_column(live: Schema, models: Schema, before: Column, after: Column) -> list[Statement]:
    around = around_column(live, models, before, replaced=True)
    drop = replace(drop_column(before), order=Order.DROP_CONSTRAINTS_AND_INDEXES)
    return [*_around_code(live, models, before), *around, drop, *add_column(live, models, after)]


def _around_code(live: Schema, models: Schema, column: Column) -> Iterator[Statement]:
    """Drop views, triggers and policies that the models have that use the column, and create them again."""
    for found in live.dependents.get(("column", column.path), ()):
        if found.table is None and found.code and found.code in models.views and found.code in live.views:
            yield from change_view(live.views[found.code], models.views[found.code])
        for key, attached in models.attached.items():
            if (found.table, found.code) == (attached.table, attached.name) and key in live.attached:
                yield from (*drop_attached(attached), *create_attached(attached))


def has_other_type(before: Column, after: Column) -> bool:
    return (before.type, before.collation) != (after.type, after.collation)


def is_rewritten(before: Column, after: Column) -> bool:
    """Return whether the column gets another type, or is dropped and created again."""
    return has_other_type(before, after) or _is_generated_differently(before, after)


def _is_generated_differently(before: Column, after: Column) -> bool:
    """Return whether the values are generated in a way that no ALTER can change."""
    was, becomes = (before.generated, before.expression), (after.generated, after.expression)
    if after.generated:
        return was != becomes or has_other_type(before, after)
    return before.generated == "VIRTUAL"


def _drop_source(before: Column, after: Column) -> list[Statement]:
    """Drop what fills the column, if the models fill it in another way, or the type changes."""
    if before.generated and not after.generated:
        return [_alter(before, "DROP EXPRESSION")]
    if before.identity and not after.identity:
        return [_alter(before, "DROP IDENTITY", Order.DROP_CONSTRAINTS_AND_INDEXES)]
    if before.default and (not after.default or has_other_type(before, after)):
        return [_alter(before, "DROP DEFAULT")]
    return []


def _change_type(live: Schema, models: Schema, before: Column, after: Column) -> list[Statement]:
    if not has_other_type(before, after):
        return []
    context = live.casts.get((before.base, after.base))
    name, using = quote(before.name), ""
    is_same = before.base == after.base
    if not (is_same or context in ("i", "a") or after.is_string):
        using = f" USING {name}{'' if context or before.is_string else '::text'}::{after.type}"
    is_lossless = after.type == after.base and keeps_values(before, after, context)
    collate = f" COLLATE {after.collation}" if after.collation else ""
    change = _alter(before, f"TYPE {after.type}{collate}{using}", loses_data=not is_lossless)
    around = around_column(live, models, before, replaced=False)
    return [*_around_code(live, models, before), *around, *_regenerate(live, models, before), change]


def _regenerate(live: Schema, models: Schema, source: Column) -> Iterator[Statement]:
    """Drop the columns that are generated from this one, and create those again that the models have."""
    for column in live.tables[source.table].columns.values():
        wanted = models.column(column.path)
        if source.path in column.made_from and wanted:
            yield from _replace_column(live, models, column, wanted)


def _set_default(before: Column, after: Column) -> list[Statement]:
    same = before.default == after.default and not has_other_type(before, after)
    return [] if same or not after.default else [_alter(before, f"SET DEFAULT {after.default}")]


def _set_null(before: Column, after: Column) -> list[Statement]:
    table, name = f"ALTER TABLE {quote(before.table)}", quote(before.name)
    if not after.not_null:
        return [_alter(before, "DROP NOT NULL", Order.NULLABLE)] if before.not_null else []
    if before.unvalidated:
        return [Statement(f"{table} VALIDATE CONSTRAINT {quote(before.unvalidated)}", _HERE)]
    if before.not_null:
        return []
    # With the valid check SET NOT NULL need not read all rows under a lock that stops reads and writes.
    check = f"drift_not_null_{before.position}"
    return [
        Statement(f"{table} ADD CONSTRAINT {check} CHECK ({name} IS NOT NULL) NOT VALID", _HERE),
        Statement(f"{table} VALIDATE CONSTRAINT {check}", _HERE),
        _alter(before, "SET NOT NULL"),
        Statement(f"{table} DROP CONSTRAINT {check}", _HERE),
    ]


def _set_identity(before: Column, after: Column) -> list[Statement]:
    if not after.identity:
        return []
    if not before.identity:
        add = _alter(before, f"ADD GENERATED {after.identity} AS IDENTITY ({' '.join(after.identity_options)})")
        return [add, advance_sequence(after.table, after.name, _HERE)]
    found = []
    if before.identity != after.identity:
        found.append(_alter(before, f"SET GENERATED {after.identity}"))
    if before.identity_options != after.identity_options:
        found.append(_alter(before, " ".join(f"SET {option}" for option in after.identity_options)))
    return found


def _comment(before: Column | None, after: Column) -> list[Statement]:
    if after.comment == (before.comment if before else None):
        return []
    return [Statement(f"COMMENT ON COLUMN {after.path} IS {_text(after.comment)}", Order.COMMENTS)]


def _text(comment: str | None) -> str:
    return "NULL" if comment is None else quote_literal(comment)


def _sequences_of(live: Schema, models: Schema, column: Column) -> list[Statement]:
    owned = [sequence for sequence in models.sequences.values() if sequence.owner == column.path]
    return [statement for sequence in owned for statement in create_sequence(live, sequence)]


def _alter(column: Column, action: str, order: Order = _HERE, *, loses_data: bool = False) -> Statement:
    sql = f"ALTER TABLE {quote(column.table)} ALTER COLUMN {quote(column.name)} {action}"
    return Statement(sql, order, loses_data=loses_data)


def _named(constraint: Constraint) -> str:
    return f"CONSTRAINT {quote(constraint.name)} {constraint.definition}"

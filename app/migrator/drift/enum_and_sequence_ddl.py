"""The statements for enums and sequences."""

from ..sql.grant_blocks import grant_usage
from ..sql.quoting import quote, quote_literal, temporary_name
from .catalogue import Column, Enum, Schema, Sequence
from .constraint_ddl import around_column
from .difference import Order, Statement


def create_sequence(live: Schema, sequence: Sequence) -> list[Statement]:
    """Create the sequence, or adapt the one of its name that belongs to another column or to none."""
    found = (
        _from_another(live.sequences[sequence.name], sequence)
        if sequence.name in live.sequences
        else [Statement(f"CREATE SEQUENCE {quote(sequence.name)} {_options(sequence)}", Order.SEQUENCES)]
    )
    if not sequence.owner_table or not sequence.owner_column:
        return found
    own = _own(sequence)
    if sequence.owner and live.column(sequence.owner):
        # Before the column's default: a row that comes in between would get the number of one that is there.
        which = quote_literal(quote(sequence.name))
        found.append(_advance(which, sequence.owner_table, sequence.owner_column, Order.SEQUENCES))
        found.append(Statement(grant_usage(sequence.name, sequence.owner_table), Order.SEQUENCES))
        # An older release, which gives numbers itself, may have overtaken it since. OWNED BY locks it until the end.
        table, column = quote(sequence.owner_table), quote(sequence.owner_column)
        is_behind = f"max({column}) > (SELECT last_value FROM {quote(sequence.name)})"  # noqa: S608 - names
        catch_up = f"SELECT setval({which}, max({column})) FROM {table} HAVING {is_behind}"  # noqa: S608 - names
        return [*found, own, Statement(catch_up, own.order)]
    return [*found, own]


def _from_another(before: Sequence, after: Sequence) -> list[Statement]:
    # So that it is not dropped with the column that owned it.
    free = Statement(f"ALTER SEQUENCE {quote(after.name)} OWNED BY NONE", Order.DROP_CONSTRAINTS_AND_INDEXES)
    return [*([free] if before.owner else []), *_set_options(before, after)]


def _set_options(before: Sequence, after: Sequence) -> list[Statement]:
    if (before.type, before.options) == (after.type, after.options):
        return []
    return [Statement(f"ALTER SEQUENCE {quote(after.name)} {_options(after)}", Order.SEQUENCES)]


def _options(sequence: Sequence) -> str:
    return f"AS {sequence.type} {' '.join(sequence.options)}"


def change_sequence(before: Sequence, after: Sequence) -> list[Statement]:
    if before.owner == after.owner:
        return _set_options(before, after)
    return [*_from_another(before, after), _own(after)]


def drop_sequence(sequence: Sequence) -> list[Statement]:
    return [Statement(f"DROP SEQUENCE {quote(sequence.name)}", Order.DROP_SEQUENCES_AND_TYPES, loses_data=True)]


def advance_sequence(table: str, column: str, order: Order) -> Statement:
    """Set the column's sequence past the values that are there, if there are any."""
    return _advance(
        f"pg_get_serial_sequence({quote_literal(quote(table))}, {quote_literal(column)})", table, column, order
    )


def _advance(which: str, table: str, column: str, order: Order) -> Statement:
    return Statement(f"SELECT setval({which}, max({quote(column)})) FROM {quote(table)}", order)  # noqa: S608 - names


def create_enum(enum: Enum) -> list[Statement]:
    return [Statement(f"CREATE TYPE {enum.type} AS ENUM ({', '.join(map(quote_literal, enum.labels))})", Order.TYPES)]


def drop_enum(enum: Enum) -> list[Statement]:
    return [Statement(f"DROP TYPE {enum.type}", Order.DROP_SEQUENCES_AND_TYPES)]


def is_replaced(before: Enum, after: Enum | None) -> bool:
    """Return whether the type has to be dropped, because a value can neither be removed nor moved."""
    return after is None or tuple(label for label in after.labels if label in before.labels) != before.labels


def change_enum(live: Schema, models: Schema, before: Enum, after: Enum) -> list[Statement]:
    """Add the missing values, or replace the type if values have to be removed or moved."""
    if is_replaced(before, after):
        return _replace_enum(live, models, before, after)
    found = []
    for position, label in enumerate(after.labels):
        if label not in before.labels:
            # The label before it was added before.
            where = f"AFTER {quote_literal(after.labels[position - 1])}" if position else _before_first(before)
            found.append(
                Statement(f"ALTER TYPE {after.type} ADD VALUE {quote_literal(label)} {where}".rstrip(), Order.TYPES)
            )
    return found


def _before_first(enum: Enum) -> str:
    return f"BEFORE {quote_literal(enum.labels[0])}" if enum.labels else ""


def _replace_enum(live: Schema, models: Schema, before: Enum, after: Enum) -> list[Statement]:
    old = quote(temporary_name(before.name))
    users = [
        column
        for table in live.tables.values()
        for column in table.columns.values()
        if column.type in (before.type, f"{before.type}[]")
    ]
    found = [Statement(f"ALTER TYPE {before.type} RENAME TO {old}", Order.TYPES), *create_enum(after)]
    for column in users:
        found += around_column(live, models, column, replaced=False)
        known = "" if column.table in models.tables else "IF EXISTS "
        found += [Statement(sql, Order.TYPES) for sql in _move(column, models.column(column.path) or column, known)]
    return [*found, Statement(f"DROP TYPE {old}", Order.TYPES)]


def _move(column: Column, wanted: Column, known: str) -> list[str]:
    alter = f"ALTER TABLE {known}{quote(column.table)} ALTER COLUMN {quote(column.name)}"
    text = "text[]" if column.type.endswith("[]") else "text"
    using = f"{quote(column.name)}::{text}::{column.type}"
    drop = [f"{alter} DROP DEFAULT"] if column.default else []
    again = [f"{alter} SET DEFAULT {wanted.default}"] if column.default and wanted.default else []
    return [*drop, f"{alter} TYPE {column.type} USING {using}", *again]


def _own(sequence: Sequence) -> Statement:
    return Statement(f"ALTER SEQUENCE {quote(sequence.name)} OWNED BY {sequence.owner or 'NONE'}", Order.CONSTRAINTS)

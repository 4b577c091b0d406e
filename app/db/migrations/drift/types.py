"""The statements for enums and sequences."""

from app.db.migrations.drift.catalogue import Column, Enum, Schema, Sequence
from app.db.migrations.drift.difference import Order, Statement
from app.db.migrations.drift.rules import around_column
from app.db.migrations.naming import literal, quote, spare


def create_sequence(live: Schema, sequence: Sequence) -> list[Statement]:
    what = f"CREATE SEQUENCE {quote(sequence.name)} AS {sequence.type} {' '.join(sequence.options)}"
    create = Statement(what, Order.SEQUENCES)
    if not sequence.owner_table or not sequence.owner_column:
        return [create]
    found = [create, _own(sequence)]
    if sequence.owner and live.column(sequence.owner):
        found.append(advance_sequence(sequence.owner_table, sequence.owner_column, Order.CONSTRAINTS))
    return found


def change_sequence(before: Sequence, after: Sequence) -> list[Statement]:
    found = []
    if (before.type, before.options) != (after.type, after.options):
        change = f"ALTER SEQUENCE {quote(after.name)} AS {after.type} {' '.join(after.options)}"
        found.append(Statement(change, Order.SEQUENCES))
    if before.owner != after.owner:
        found.append(_own(after))
    return found


def drop_sequence(sequence: Sequence) -> list[Statement]:
    return [Statement(f"DROP SEQUENCE {quote(sequence.name)}", Order.DROP_SEQUENCES_AND_TYPES, loses_data=True)]


def advance_sequence(table: str, column: str, order: Order) -> Statement:
    """Takes the column's sequence past the values that are there; does nothing where there are none."""
    which = f"pg_get_serial_sequence({literal(quote(table))}, {literal(column)})"
    return Statement(f"SELECT setval({which}, max({quote(column)})) FROM {quote(table)}", order)  # noqa: S608 - names


def create_enum(enum: Enum) -> list[Statement]:
    return [Statement(f"CREATE TYPE {enum.type} AS ENUM ({', '.join(map(literal, enum.labels))})", Order.TYPES)]


def drop_enum(enum: Enum) -> list[Statement]:
    return [Statement(f"DROP TYPE {enum.type}", Order.DROP_SEQUENCES_AND_TYPES)]


def change_enum(live: Schema, models: Schema, before: Enum, after: Enum) -> list[Statement]:
    """Adds the missing values; a value cannot be removed or moved, so for that a new type takes the old one's place."""
    kept = tuple(label for label in after.labels if label in before.labels)
    if kept != before.labels:
        return _replace_enum(live, models, before, after)
    found = []
    for position, label in enumerate(after.labels):
        if label not in before.labels:
            # What comes before it is there by then.
            where = f"AFTER {literal(after.labels[position - 1])}" if position else _before_first(before)
            found.append(Statement(f"ALTER TYPE {after.type} ADD VALUE {literal(label)} {where}".rstrip(), Order.TYPES))
    return found


def _before_first(enum: Enum) -> str:
    return f"BEFORE {literal(enum.labels[0])}" if enum.labels else ""


def _replace_enum(live: Schema, models: Schema, before: Enum, after: Enum) -> list[Statement]:
    old = quote(spare(before.name))
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

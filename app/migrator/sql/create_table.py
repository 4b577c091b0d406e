"""What CREATE TABLE makes."""

from collections.abc import Iterator
from itertools import pairwise

from .alter_table import SERIAL
from .cursor import Cursor
from .effect import Effect, Kind

TABLE_CONSTRAINTS = frozenset({"CHECK", "CONSTRAINT", "EXCLUDE", "FOREIGN", "LIKE", "NOT", "PRIMARY", "UNIQUE"})
_REQUIRED = frozenset({("NOT", "NULL"), ("PRIMARY", "KEY"), ("AS", "IDENTITY")})


def created_table(cursor: Cursor, *, may_exist: bool) -> Iterator[Effect]:
    """Yield the effects of what follows `CREATE TABLE`, without those of a query behind AS."""
    table = cursor.name()
    required = tuple(_required(Cursor(cursor.left).group())) if cursor.comes("(") else ()
    yield Effect(Kind.CREATE_TABLE, table, columns=tuple(dict.fromkeys(required)), may_exist=may_exist)
    if cursor.skip("PARTITION", "OF"):
        yield Effect(Kind.CREATE_PARTITION, cursor.name())
    if ("PARTITION", "BY") in pairwise(cursor.outside_groups()):
        yield Effect(Kind.PARTITION_TABLE, table)


def _required(definitions: Cursor) -> Iterator[str]:
    """Yield the columns that are NOT NULL."""
    for part in definitions.parts():
        if part.left[0].keyword in TABLE_CONSTRAINTS:
            yield from _required_by_constraint(part)
            continue
        column = part.column()
        words = part.outside_groups()
        if not SERIAL.isdisjoint(words) or not _REQUIRED.isdisjoint(pairwise(words)):
            yield column


def _required_by_constraint(part: Cursor) -> Iterator[str]:
    if part.skip("CONSTRAINT"):
        part.column()
    if part.skip("PRIMARY", "KEY"):
        yield from part.group().column_names()
    # Since PostgreSQL 18.
    elif part.skip("NOT", "NULL"):
        yield part.column()

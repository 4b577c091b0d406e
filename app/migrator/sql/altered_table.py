"""What an ALTER TABLE names before its actions."""

from typing import NamedTuple

from .cursor import Cursor
from .tokens import Statement


class AlteredTable(NamedTuple):
    """The table of an ALTER TABLE, whether without its partitions (ONLY), and the actions."""

    name: str
    only: bool
    actions: Cursor


def altered_table(statement: Statement) -> AlteredTable | None:
    """Return what an ALTER TABLE names; None for another statement."""
    cursor = Cursor(statement.words)
    if not cursor.skip("ALTER", "TABLE"):
        return None
    cursor.skip_if_exists()
    only = cursor.skip("ONLY")
    name = cursor.name()
    cursor.skip("*")
    return AlteredTable(name, only, cursor)

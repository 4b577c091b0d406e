"""What a change of a column's type does to the rows that are there."""

import re
from collections.abc import Iterator

from .altered_table import altered_table
from .cursor import Cursor
from .tokens import Statement

_INTEGERS = ("smallint", "integer", "bigint")
_ALIASES = {
    "INT2": "smallint",
    "SMALLINT": "smallint",
    "INT": "integer",
    "INT4": "integer",
    "INTEGER": "integer",
    "INT8": "bigint",
    "BIGINT": "bigint",
    "TEXT": "text",
    "VARCHAR": "character varying",
    "CHARACTER": "character varying",
    "NUMERIC": "numeric",
    "DECIMAL": "numeric",
}
# A type as format_type() and a statement's words have it, with the numbers in its brackets.
_TYPE = re.compile(r"([a-z ]+?)(?:\((\d+)(?:, *(\d+))?\))?")


def type_changes(statement: Statement) -> Iterator[tuple[str, str, bool]]:
    """Yield the columns whose type an ALTER TABLE changes: each with the new type, and whether USING computes it.

    A type that is not known here is an empty text.
    """
    altered = altered_table(statement)
    for action in altered.actions.parts() if altered else ():
        if action.skip("ALTER"):
            action.skip("COLUMN")
            column = action.column()
            action.skip("SET", "DATA")
            if action.skip("TYPE"):
                yield column, _type_name(action), action.has("USING")


def _type_name(action: Cursor) -> str:
    name = _ALIASES.get(action.pop().keyword, "") if action else ""
    action.skip("VARYING")
    numbers = [word.text for part in action.group().parts() for word in part.left] if action.comes("(") else []
    return f"{name}({','.join(numbers)})" if name and numbers else name


def keeps_rows(old: str, new: str) -> bool:
    """Return whether the rows stay as they are where a column of type `old` becomes one of `new`."""
    before, after = _read(old), _read(new)
    if before is None or after is None:
        return False
    if before[0] in {"text", "character varying"} and after[0] in {"text", "character varying"}:
        return after[1] is None or (before[1] is not None and before[1] <= after[1])
    if before[0] == after[0] == "numeric":
        return after[1] is None or (before[1] is not None and before[1] <= after[1] and before[2] == after[2])
    return before == after


def keeps_values(old: str, new: str) -> bool:
    """Return whether every value of `old` is one of `new`, too."""
    before, after = _read(old), _read(new)
    if before and after and before[0] in _INTEGERS and after[0] in _INTEGERS:
        return _INTEGERS.index(before[0]) <= _INTEGERS.index(after[0])
    return keeps_rows(old, new) or new == "text" or bool(before and before[0] in _INTEGERS and new == "numeric")


def _read(name: str) -> tuple[str, int | None, int | None] | None:
    found = _TYPE.fullmatch(name)
    if found is None or found[1] not in _ALIASES.values():
        return None
    first, second = (int(found[number]) if found[number] else None for number in (2, 3))
    return found[1], first, second or 0

"""What queries and changes of rows do: to rows that exist, and by the functions that they call."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from .cursor import Cursor
from .effect import Effect, Kind
from .functions import opaque_calls
from .session_settings import set_by_function
from .tokens import Word

# After FOR UPDATE, FOR NO KEY UPDATE, ON UPDATE, THEN UPDATE no table follows.
_NO_UPDATE_AFTER = frozenset({"FOR", "KEY", "ON", "THEN"})
QUERIES = frozenset({"SELECT", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "MERGE"})
SEARCH_PATH = "SET search_path"
_WHAT_IT_WAS = frozenset({"CURRENT_SCHEMA", "CURRENT_SCHEMAS", "CURRENT_SETTING"})
PERSISTENCE = frozenset({"GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED"})
_MERGED = {"UPDATE": Kind.UPDATE, "DELETE": Kind.DELETE}


def read_query(cursor: Cursor) -> Iterator[Effect]:
    """Yield what happens to rows that exist, also in a WITH, and OPAQUE for each function that may do anything."""
    yield from (Effect(Kind.OPAQUE, name) for name in opaque_calls(cursor.left))
    if _sets_search_path(cursor.left):
        yield Effect(Kind.OPAQUE, SEARCH_PATH)
    yield from _read_changes(cursor)


def _read_changes(cursor: Cursor) -> Iterator[Effect]:
    """Yield what happens to rows that exist, also in a WITH, and the table that a SELECT INTO makes."""
    before, depth = "", 0
    # The table that an INSERT fills, by the number of parentheses that it stands in.
    filled: dict[int, str] = {}
    while cursor:
        depth += {"(": 1, ")": -1}.get(cursor.left[0].keyword, 0)
        if cursor.skip("DELETE", "FROM"):
            yield Effect(Kind.DELETE, target_of(cursor))
        elif cursor.skip("MERGE", "INTO"):
            table = target_of(cursor)
            commands = _after_then(cursor.left)
            yield from (Effect(kind, table) for command, kind in _MERGED.items() if command in commands)
        elif cursor.skip("INSERT", "INTO"):
            filled[depth] = cursor.name()
        elif cursor.skip("DO", "UPDATE"):
            yield Effect(Kind.UPDATE, filled.get(depth, ""))
        elif cursor.comes("UPDATE") and before not in _NO_UPDATE_AFTER:
            cursor.skip("UPDATE")
            yield Effect(Kind.UPDATE, target_of(cursor))
        elif cursor.skip("INTO"):
            hides_another = cursor.comes("TEMP") or cursor.comes("TEMPORARY")
            cursor.skip_any(PERSISTENCE | {"TABLE"})
            yield Effect(Kind.CREATE_TABLE, cursor.name(), may_exist=hides_another)
        else:
            before = cursor.pop().keyword


def _sets_search_path(words: Sequence[Word]) -> bool:
    """Return whether set_config() gives search_path another value than one that is computed from what it was."""
    is_derived = any(word.keyword in _WHAT_IT_WAS for word in words)
    return any(name == "search_path" and not (value is None and is_derived) for name, value in set_by_function(words))


def target_of(cursor: Cursor) -> str:
    """Read the name of the table that a statement works on."""
    cursor.skip("ONLY")
    return cursor.name()


def _after_then(words: Iterable[Word]) -> set[str]:
    keywords = [word.keyword for word in words]
    return {keyword for before, keyword in pairwise(keywords) if before == "THEN"}

"""What queries and changes of rows do: to rows that exist, and by the functions that they call."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from .cursor import Cursor
from .effect import Effect, Kind
from .tokens import Word


def keywords(listed: str) -> frozenset[str]:
    """Return the keywords, which have blanks between them."""
    return frozenset(listed.split())


# The server's own functions that a revision may well call; an aggregate reads rows.
_HARMLESS_FUNCTIONS = keywords(
    "ARRAY_AGG BOOL_AND BOOL_OR COUNT CURRENT_SCHEMA CURRENT_SETTING FORMAT GENERATE_SERIES MAX MIN NEXTVAL NOW"
    " PG_ADVISORY_XACT_LOCK PG_NOTIFY PG_SLEEP QUOTE_IDENT QUOTE_LITERAL SETVAL SET_CONFIG STRING_AGG SUM TO_REGCLASS"
    " UNNEST VERSION"
)
# Keywords before a parenthesis that calls nothing.
_NO_FUNCTIONS = keywords(
    "ALL AND ANY ARRAY AS BETWEEN BY CASE CAST COALESCE CONFLICT CUBE DISTINCT ELSE EXCEPT EXISTS EXTRACT FROM GREATEST"
    " GROUPING HAVING IN INTERSECT INTERVAL JOIN LATERAL LEAST LIMIT MATERIALIZED NOT NULLIF OFFSET ON OR ORDER OVER"
    " OVERLAY POSITION ROLLUP ROW SELECT SETS SOME SUBSTRING THEN TRIM UNION USING VALUES WHEN WHERE"
)
# Words and signs before a name that is called if a parenthesis follows it.
_BEFORE_CALL = keywords(
    "SELECT FROM JOIN LATERAL ALL DISTINCT WHERE HAVING AND OR NOT WHEN THEN ELSE CASE BY ON IN LIMIT OFFSET VALUES"
    " RETURNING VARIADIC IS ROWS"
) | frozenset({"(", "[", ","})
# After FOR UPDATE, DO UPDATE, FOR NO KEY UPDATE, ON UPDATE, THEN UPDATE no table follows.
_NO_UPDATE_AFTER = frozenset({"FOR", "DO", "KEY", "ON", "THEN"})
QUERIES = frozenset({"SELECT", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "MERGE"})
SEARCH_PATH = "SET search_path"
PERSISTENCE = frozenset({"GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED"})
_MERGED = {"UPDATE": Kind.UPDATE, "DELETE": Kind.DELETE}


def read_with(cursor: Cursor) -> Iterator[Effect]:
    """Yield what a statement that begins with WITH does."""
    main = next((word for word in cursor.outside_groups() if word in QUERIES), "SELECT")
    yield from read_query(cursor) if main in {"SELECT", "VALUES"} else read_changes(cursor)


def read_changes(cursor: Cursor) -> Iterator[Effect]:
    """Yield what happens to rows that exist, also in a WITH, and the table that a SELECT INTO makes."""
    before = ""
    while cursor:
        if cursor.skip("DELETE", "FROM"):
            yield Effect(Kind.DELETE, target_of(cursor))
        elif cursor.skip("MERGE", "INTO"):
            table = target_of(cursor)
            commands = _after_then(cursor.left)
            yield from (Effect(kind, table) for command, kind in _MERGED.items() if command in commands)
        elif cursor.comes("UPDATE") and before not in _NO_UPDATE_AFTER:
            cursor.skip("UPDATE")
            yield Effect(Kind.UPDATE, target_of(cursor))
        elif cursor.comes("INTO") and before != "INSERT":
            cursor.skip("INTO")
            hides_another = cursor.comes("TEMP") or cursor.comes("TEMPORARY")
            cursor.skip_any(PERSISTENCE | {"TABLE"})
            yield Effect(Kind.CREATE_TABLE, cursor.name(), may_exist=hides_another)
        else:
            before = cursor.pop().keyword


def read_query(cursor: Cursor) -> Iterator[Effect]:
    """Yield what `read_changes` does, and OPAQUE for each function that may do anything."""
    yield from (Effect(Kind.OPAQUE, name) for name in _called(cursor.left) if name.upper() not in _HARMLESS_FUNCTIONS)
    if _sets_search_path(cursor.left):
        yield Effect(Kind.OPAQUE, SEARCH_PATH)
    yield from read_changes(cursor)


def _sets_search_path(words: Sequence[Word]) -> bool:
    """Return whether set_config() gives search_path another value than one that is computed from what it was."""
    texts = [word.text if word.literal else word.name for word in words]
    at = texts.index("set_config") if "set_config" in texts else len(texts)
    return texts[at + 2 : at + 4] == ["search_path", ","] and texts[at + 5 : at + 6] in ([","], [")"])


def _called(words: Sequence[Word]) -> Iterator[str]:
    """Yield the functions that a query calls, as far as a name behind one of `_BEFORE_CALL` or an operator tells."""
    for position, before in enumerate(words[:-1]):
        word = words[position + 1]
        if not word.is_name or word.keyword in _NO_FUNCTIONS or not _may_precede_call(before):
            continue
        cursor = Cursor(words[position + 1 :])
        name = cursor.name()
        # WITH …, name (column) AS (…) calls nothing.
        if cursor.comes("(") and not (before.keyword == "," and _names_query(cursor)):
            yield name


def _may_precede_call(word: Word) -> bool:
    is_operator = not word.is_name and not word.literal and word.text[0] in "-+*/<>=~!@#%^&|`?"
    return is_operator or word.keyword in _BEFORE_CALL


def _names_query(cursor: Cursor) -> bool:
    rest = Cursor(cursor.left)
    rest.group()
    return rest.comes("AS", "(") or rest.comes("AS", "MATERIALIZED") or rest.comes("AS", "NOT")


def target_of(cursor: Cursor) -> str:
    """Read the name of the table that a statement works on."""
    cursor.skip("ONLY")
    return cursor.name()


def _after_then(words: Iterable[Word]) -> set[str]:
    keywords = [word.keyword for word in words]
    return {keyword for before, keyword in pairwise(keywords) if before == "THEN"}

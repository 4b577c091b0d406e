"""Which conditions of a CHECK a NULL passes: the previous release leaves a new column NULL."""

from itertools import pairwise

from .cursor import Cursor

# Strict operators, which make NULL of a NULL, and what may stand between them.
_READABLE = frozenset({"=", "<>", "!=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "(", ")", ","})
_READABLE |= {"~", "~*", "!~", "!~*", "~~", "~~*", "!~~", "!~~*", "AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "ILIKE"}
_STRICT_FUNCTIONS = frozenset({"LENGTH", "CHAR_LENGTH", "OCTET_LENGTH", "LOWER", "UPPER", "BTRIM", "JSONB_TYPEOF"})
_NO_COLUMNS = frozenset({"NULL", "TRUE", "FALSE", "IS", "CASE", "ISNULL", "NOTNULL"})
_DIGITS = frozenset("0123456789.")


def is_not_null_column(condition: Cursor) -> bool:
    return [word.keyword for word in condition.left[1:]] == ["IS", "NOT", "NULL"]


def columns_allowed_null(condition: Cursor) -> tuple[str, ...]:
    """Return the columns of a condition that holds where all of them are NULL.

    Nothing where that is not certain: it reads comparisons of columns with values, strict operators and functions.
    """
    columns = []
    for word, after in pairwise([*condition.left, None]):
        assert word is not None
        is_call = after is not None and after.keyword in {"(", "."}
        if word.literal or (word.text[0] in _DIGITS and not word.quoted) or word.keyword in _READABLE:
            continue
        if is_call and word.keyword in _STRICT_FUNCTIONS:
            continue
        if is_call or not word.is_name or word.keyword in _NO_COLUMNS:
            return ()
        columns.append(word.name)
    return tuple(dict.fromkeys(columns))

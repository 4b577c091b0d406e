"""Names and texts as a statement has them."""

from sqlalchemy import Constraint, Index
from sqlalchemy.dialects import postgresql

_LIMIT = 63

# With another style of parameters it doubles percent signs.
_preparer = postgresql.dialect(paramstyle="quoted_name_of").identifier_preparer  # type: ignore[no-untyped-call]


def quote(name: str) -> str:
    """Return the name, in double quotes where it needs them."""
    return _preparer.quote(name)


def quoted_name_of(item: Constraint | Index) -> str | None:
    """Return the quoted name that the server has for a model's constraint or index; None if it has no name."""
    if isinstance(item, Index):
        return _preparer.format_index(item)
    return None if item.name is None else _preparer.format_constraint(item)


def temporary_name(name: str) -> str:
    """Return a name for what is to replace `name`, until it does."""
    return shortened(f"drift_{name}")


def shortened(name: str) -> str:
    """Return as much of the name as the server keeps."""
    return name.encode()[:_LIMIT].decode(errors="ignore")


def quote_literal(text: str) -> str:
    """Return the text as a string literal."""
    doubled = text.replace("'", "''")
    # The backslash means itself whatever standard_conforming_strings says.
    return "E'" + doubled.replace("\\", "\\\\") + "'" if "\\" in doubled else f"'{doubled}'"


def dollar_quoted(code: str, tag: str = "plimsoll") -> str:
    """Return the code of a block as a string between dollar tags, `tag` or one that the code does not have itself."""
    while f"${tag}$" in code:
        tag += "_"
    return f"${tag}${code}${tag}$"


def escape_colons(sql: str) -> str:
    """Return SQL for `text()` in which each colon means itself, and begins no parameter."""
    return sql.replace(":", r"\:")

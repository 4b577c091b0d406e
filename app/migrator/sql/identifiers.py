"""Names in statements."""

from sqlalchemy import Constraint, Index
from sqlalchemy.dialects import postgresql

_LIMIT = 63

# Under another style of parameters it doubles a percent sign.
_preparer = postgresql.dialect(paramstyle="named").identifier_preparer  # type: ignore[no-untyped-call]


def quote(name: str) -> str:
    """The name as a statement has it."""
    return _preparer.quote(name)


def named(item: Constraint | Index) -> str | None:
    """The name that the server knows a constraint or index of a model by, as a statement has it."""
    if isinstance(item, Index):
        return _preparer.format_index(item)
    return _preparer.format_constraint(item)


def spare(name: str) -> str:
    """A name for what is to take the place of `name`, until it does."""
    return f"drift_{name}".encode()[:_LIMIT].decode(errors="ignore")


def literal(text: str) -> str:
    """The text as a statement has it."""
    doubled = text.replace("'", "''")
    # The backslash means itself whatever standard_conforming_strings says.
    return "E'" + doubled.replace("\\", "\\\\") + "'" if "\\" in doubled else f"'{doubled}'"

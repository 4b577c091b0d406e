"""The names of tables and other objects as effects have them."""

import re

# The schemas that a name needs not say.
_SEARCHED = frozenset({"", "public", "pg_catalog"})


def qualified(schema: str, name: str) -> str:
    """Return the name as effects have it: with its schema, and what has a dot within in double quotes."""
    shown = _without_dot(name)
    return shown if schema in _SEARCHED else f"{_without_dot(schema)}.{shown}"


def _without_dot(name: str) -> str:
    return f'"{name}"' if "." in name else name


def in_schema_of(other: str, name: str) -> str:
    """Return the name, as effects have it, of what is in the schema of `other`."""
    return qualified(split_name(other)[0], name)


def split_name(name: str) -> tuple[str, str]:
    """Return the schema (empty: one that a name needs not say) and the rest of a name that effects have."""
    found = _QUALIFIED.fullmatch(name)
    return (found[1] or found[2] or "", found[3] or found[4]) if found else ("", name)


_QUALIFIED = re.compile(r"""(?:(?:"(.+?)"|((?!")[^.]*))\.)?(?:"(.+)"|((?!")[^.]*))""")

"""Whether a new table may be one that is gone, under another name."""

from collections.abc import Mapping


def are_alike(old: Mapping[str, str], new: Mapping[str, str]) -> bool:
    """Return whether most columns are the same, or all types: `old` and `new` are the types by the column's name."""
    same = sum(new.get(name) == kind for name, kind in old.items())
    return 2 * same > max(len(old), len(new)) or sorted(old.values()) == sorted(new.values())

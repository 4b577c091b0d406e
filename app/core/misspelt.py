"""Variables that are almost a setting: nothing reads them, and what they were meant to say would be lost in silence."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

# Other variables of a process are not ours to judge.
_PREFIXES = ("DB_", "DATABASE_", "MIGRATION_")
# Below it, a variable that somebody else has put there, such as DATABASE_PORT, would be taken for one of ours.
_ALIKE = 0.85


def misspelt(given: Mapping[str, str | None], known: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Of each variable that holds something and is almost one of `known`: its name, and the one that was meant."""
    settings = set(known)
    names = [name for name, value in given.items() if name not in settings and (value or "").strip()]
    found = ((name, _meant(name.upper(), settings)) for name in sorted(names) if name.upper().startswith(_PREFIXES))
    return tuple((name, meant) for name, meant in found if meant is not None)


def _meant(name: str, settings: Iterable[str]) -> str | None:
    return next(iter(get_close_matches(name, settings, n=1, cutoff=_ALIKE)), None)

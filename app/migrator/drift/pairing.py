"""The two sides of a comparison, object by object."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from ..sql.quoting import quote
from .catalogue import Schema
from .difference import Difference, Kind, Statement
from .obstacles import Obstacles

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
NOTHING = Obstacles()


def differing_pairs(before: Mapping[K, T], after: Mapping[K, T]) -> Iterator[tuple[T | None, T | None]]:
    """Yield the pairs that are not equal, with None for what is missing on one side."""
    for key in [*before, *(key for key in after if key not in before)]:
        if before.get(key) != after.get(key):
            yield before.get(key), after.get(key)


def mending_statements(
    before: T | None,
    after: T | None,
    *,
    create: Callable[[T], Iterable[Statement]],
    drop: Callable[[T], Iterable[Statement]],
    change: Callable[[T, T], Iterable[Statement]],
) -> tuple[Statement, ...]:
    """Return the statements of `create`, `drop` or `change`, depending on which side has the object."""
    if before is not None and after is not None:
        return tuple(change(before, after))
    return tuple(create(after)) if after is not None else tuple(drop(before)) if before is not None else ()


def difference(
    kind: Kind,
    key: tuple[str, ...],
    before: T | None,
    after: T | None,
    show: Callable[[T], str],
    ddl: Iterable[Statement],
    in_the_way: Obstacles = NOTHING,
    name: str | None = None,
) -> Difference:
    """Return the difference, with both sides as `show` returns them, and its statements with their obstacles."""
    sides = (show(before) if before else None, show(after) if after else None)
    return Difference(kind, name or ".".join(map(quote, key)), key, *sides, tuple(in_the_way.mark(ddl)))


def first_not_none(one: T | None, other: T | None) -> T:
    found = one if one is not None else other
    assert found is not None
    return found


def tables_in_both(live: Schema, models: Schema) -> Sequence[str]:
    return [name for name in live.tables if name in models.tables]


def pop_renamed(before: dict[K, T], after: dict[K, T], content: Callable[[T], Hashable]) -> list[tuple[T, T]]:
    """Remove from both sides what is the same under another name, and return those pairs."""
    extra = {content(found): key for key, found in before.items() if key not in after}
    missing = {content(found): key for key, found in after.items() if key not in before}
    return [(before.pop(extra[same]), after.pop(missing[same])) for same in extra if same in missing]

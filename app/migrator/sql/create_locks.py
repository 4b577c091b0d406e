"""What CREATE locks beside that which it makes, and what nobody else can see yet."""

from collections.abc import Callable, Iterator
from itertools import pairwise

from .alter_table_locks import foreign_key_locks, inherited_key_locks
from .cursor import Cursor
from .lock_modes import Lock, LockMode
from .query_locks import named_locks, query_locks
from .relations import Relations
from .rows import PERSISTENCE, target_of
from .tokens import UnreadableSqlError, Word, statements_of


def create_locks(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    """Yield the locks of what follows `CREATE`."""
    replaces = cursor.skip("OR", "REPLACE")
    cursor.skip_any(PERSISTENCE | {"UNIQUE", "CONSTRAINT", "RECURSIVE"})
    if replaces and cursor.comes("VIEW"):
        yield from _replaced_view(cursor, relations)
        return
    for keywords, read in _KINDS:
        if cursor.skip(*keywords):
            yield from read(cursor, relations)
            return


def on_table(cursor: Cursor) -> str:
    """Return the table behind the next ON; empty where there is none."""
    while cursor and not cursor.skip("ON"):
        cursor.pop()
    return target_of(cursor) if cursor else ""


def _table(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    may_exist = cursor.skip_if_exists()
    table = cursor.name()
    if may_exist and relations.tables and table in relations.tables:
        return
    keys = [lock for lock in foreign_key_locks(cursor, relations) if lock.table != table]
    if cursor.skip("PARTITION", "OF"):
        parent = cursor.name()
        strong = [parent, *relations.default_of(parent)]
        yield from (Lock(each, LockMode.ACCESS_EXCLUSIVE) for each in strong)
        yield from inherited_key_locks(parent, relations)
    yield from (Lock(name, LockMode.ACCESS_SHARE) for name in _behind(cursor, "LIKE"))
    yield from _inherited(cursor)
    yield from keys
    yield from _source(cursor, relations)


def _behind(cursor: Cursor, keyword: str) -> Iterator[str]:
    words = cursor.left
    for position, (before, word) in enumerate(pairwise(words)):
        # The operator LIKE stands behind an operand.
        if word.keyword == keyword and before.keyword in {"(", ","}:
            yield Cursor(words[position + 2 :]).name()


def _inherited(cursor: Cursor) -> Iterator[Lock]:
    words = cursor.left
    for position, (word, bracket) in enumerate(pairwise(words)):
        if word.keyword == "INHERITS" and bracket.keyword == "(":
            parents = Cursor(words[position + 1 :]).group().names()
            yield from (Lock(parent, LockMode.SHARE_UPDATE_EXCLUSIVE) for parent in parents)


def _source(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    """Yield the locks of the query of a CREATE … AS, which is only read if it fills nothing."""
    is_empty = cursor.has("WITH", "NO", "DATA")
    query = _query(cursor)
    yield from named_locks(query.left) if is_empty else query_locks(query, relations)


def _query(cursor: Cursor) -> Cursor:
    """Return what comes behind the AS that is in no parentheses."""
    rest = Cursor(cursor.left)
    while rest and not rest.skip("AS"):
        if rest.comes("("):
            rest.group()
        else:
            rest.pop()
    return rest


def _index(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    is_concurrent = cursor.skip("CONCURRENTLY")
    if cursor.skip_if_exists() and cursor and cursor.left[0].name in relations.indexes:
        return
    while cursor and not cursor.skip("ON"):
        cursor.pop()
    only = cursor.skip("ONLY")
    table = cursor.name()
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if is_concurrent else LockMode.SHARE
    tables = [table] if only else [*relations.with_partitions(table)]
    if is_concurrent and tables[1:]:
        # For a moment: that of a partitioned table is made before those of its partitions.
        yield Lock(table, LockMode.SHARE)
        tables.remove(table)
    yield from (Lock(each, mode) for each in tables)


def _view(cursor: Cursor, relations: Relations) -> Iterator[Lock]:  # noqa: ARG001 - as the others
    yield from named_locks(_query(cursor).left)


def _replaced_view(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    cursor.skip("VIEW")
    view = cursor.name()
    if not relations.is_missing(view):
        yield Lock(view, LockMode.ACCESS_EXCLUSIVE)
    yield from named_locks(_query(cursor).left)


def _trigger(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    table = on_table(cursor)
    is_for_rows = cursor.has("EACH", "ROW") or cursor.has("FOR", "ROW")
    tables = relations.with_partitions(table) if is_for_rows else [table]
    yield from (Lock(each, LockMode.SHARE_ROW_EXCLUSIVE) for each in tables)
    if cursor.skip("FROM"):
        yield Lock(cursor.name(), LockMode.ACCESS_SHARE)


def _policy(cursor: Cursor, relations: Relations) -> Iterator[Lock]:  # noqa: ARG001 - as the others
    yield Lock(on_table(cursor), LockMode.ACCESS_EXCLUSIVE)
    yield from named_locks(cursor.left)


def _rule(cursor: Cursor, relations: Relations) -> Iterator[Lock]:  # noqa: ARG001 - as the others
    while cursor and not cursor.skip("TO"):
        cursor.pop()
    yield Lock(cursor.name(), LockMode.ACCESS_EXCLUSIVE)
    yield from named_locks(cursor.left)


def _statistics(cursor: Cursor, relations: Relations) -> Iterator[Lock]:  # noqa: ARG001 - as the others
    while cursor and not cursor.skip("FROM"):
        cursor.pop()
    yield Lock(cursor.name(), LockMode.SHARE_UPDATE_EXCLUSIVE)


def publication_locks(cursor: Cursor, relations: Relations) -> Iterator[Lock]:  # noqa: ARG001 - as the others
    """Yield the locks of a publication on the tables that it names."""
    while cursor and not cursor.skip("TABLE"):
        cursor.pop()
    yield from (Lock(target_of(part), LockMode.SHARE_UPDATE_EXCLUSIVE) for part in cursor.parts())


def owned_by_locks(cursor: Cursor, relations: Relations) -> Iterator[Lock]:  # noqa: ARG001 - as the others
    """Yield the lock on the table of OWNED BY table.column."""
    words = cursor.left
    for position, (first, second) in enumerate(pairwise(words)):
        if (first.keyword, second.keyword) == ("OWNED", "BY"):
            owner = Cursor(words[position + 2 :])
            if not owner.comes("NONE"):
                yield Lock(table_of_column(owner), LockMode.ACCESS_SHARE)


def table_of_column(cursor: Cursor) -> str:
    """Return the table of the `table.column` that comes next."""
    name = [cursor.pop()]
    while cursor.comes("."):
        name += [cursor.pop(), cursor.pop()]
    return Cursor(name[:-2]).name()


def _function(cursor: Cursor, relations: Relations) -> Iterator[Lock]:  # noqa: ARG001 - as the others
    """Yield the locks of a body in SQL, which the server reads when it makes the function."""
    words = cursor.left
    if not cursor.has("LANGUAGE", "SQL"):
        return
    bodies = [word for before, word in pairwise(words) if before.keyword == "AS" and word.literal]
    for body in bodies:
        yield from _body(body)
    yield from named_locks(words)


def _body(body: Word) -> Iterator[Lock]:
    try:
        for statement in statements_of(body.text):
            yield from named_locks(statement.words)
    except UnreadableSqlError:
        return


# The first that fits. What is not here locks no table.
_KINDS: tuple[tuple[tuple[str, ...], Callable[[Cursor, Relations], Iterator[Lock]]], ...] = (
    (("TABLE",), _table),
    (("FOREIGN", "TABLE"), _table),
    (("INDEX",), _index),
    (("VIEW",), _view),
    (("MATERIALIZED", "VIEW"), _source),
    (("TRIGGER",), _trigger),
    (("POLICY",), _policy),
    (("RULE",), _rule),
    (("STATISTICS",), _statistics),
    (("PUBLICATION",), publication_locks),
    (("SEQUENCE",), owned_by_locks),
    (("FUNCTION",), _function),
    (("PROCEDURE",), _function),
)

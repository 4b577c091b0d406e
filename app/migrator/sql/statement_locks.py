"""Which tables a statement locks, and how: what its text tells, and what hangs together in the schema."""

from collections.abc import Callable, Iterable, Iterator

from .alter_table_locks import alter_table_locks, referenced_tables
from .create_locks import create_locks, on_table, owned_by_locks, publication_locks, table_of_column
from .cursor import Cursor
from .drop_locks import drop_locks, truncate_locks
from .lock_modes import Lock, LockMode
from .query_locks import copy_locks, named_locks, query_locks
from .relations import NOTHING_KNOWN, Relations
from .rows import QUERIES, target_of
from .tokens import Statement

# The modes of LOCK beside which a table is read and written.
_WEAK_MODES = (("IN", "ACCESS", "SHARE"), ("IN", "ROW"), ("IN", "SHARE", "UPDATE"))
_COMMENTED = {"TABLE", "VIEW", "SEQUENCE", "MATERIALIZED", "FOREIGN"}
_PARTS_OF_TABLES = {"CONSTRAINT", "TRIGGER", "POLICY", "RULE"}
# What GRANT names that is no table.
_NOT_GRANTED_ON_TABLES = {
    *("ALL", "DATABASE", "DOMAIN", "FOREIGN", "FUNCTION", "LANGUAGE", "LARGE", "PARAMETER", "PROCEDURE", "ROUTINE"),
    *("SCHEMA", "TABLESPACE", "TYPE"),
}


def locks_of(statement: Statement, relations: Relations = NOTHING_KNOWN) -> tuple[Lock, ...]:
    """Return each table that the statement locks, with the strongest mode, in the order in which it locks them.

    What it makes itself is not among them. Without `relations` they are those that its text names.
    """
    return _strongest(_locks(Cursor(statement.words), relations))


def locked_tables(statement: Statement) -> tuple[str, ...]:
    """Return the tables whose reads or writes wait for it, in the order in which the statement locks them.

    Those that a foreign key refers to come last. A table that is dropped, or detached, is not among them.
    """
    cursor = Cursor(statement.words)
    if cursor.skip("DROP") and not any(cursor.comes(kind) for kind in _PARTS_OF_TABLES):
        return ()
    detached = _detached(Cursor(statement.words))
    locks = [lock for lock in locks_of(statement) if lock.table not in detached]
    return tuple(lock.table for lock in locks if lock.mode.stops_traffic)


def is_foreign_key(statement: Statement) -> bool:
    """Return whether it is an ALTER TABLE that makes foreign keys: each locks the table that it refers to, too."""
    return statement.head == "ALTER" and any(True for _ in referenced_tables(Cursor(statement.words)))


def locks_beside_traffic(cursor: Cursor) -> bool:
    """Return whether a LOCK, behind that word, names a mode beside which the table is read and written."""
    return any(cursor.has(*mode) for mode in _WEAK_MODES)


def _detached(cursor: Cursor) -> tuple[str, ...]:
    while cursor and not cursor.skip("DETACH", "PARTITION"):
        cursor.pop()
    return (cursor.name(),) if cursor else ()


def _strongest(locks: Iterable[Lock]) -> tuple[Lock, ...]:
    found: dict[str, LockMode] = {}
    for lock in locks:
        before = found.get(lock.table, lock.mode)
        found[lock.table] = max(before, lock.mode, key=lambda mode: mode.strength)
    return tuple(Lock(table, mode) for table, mode in found.items() if table)


def _locks(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    for keywords, read in _STATEMENTS:
        if cursor.skip(*keywords):
            yield from read(cursor, relations)
            return
    if cursor and cursor.left[0].keyword in QUERIES | {"WITH", "("}:
        yield from query_locks(cursor, relations)


def _alter_index(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    cursor.skip_if_exists()
    parent = cursor.name()
    if cursor.skip("ATTACH", "PARTITION"):
        tables = (relations.indexes.get(index, "") for index in (parent, cursor.name()))
        yield from (Lock(table, LockMode.ACCESS_SHARE) for table in tables)


def _alter_sequence(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    cursor.skip_if_exists()
    sequence = cursor.name()
    moves = any(cursor.comes(*words) for words in (("RENAME",), ("OWNER",), ("SET",)))
    yield Lock(sequence, LockMode.ACCESS_EXCLUSIVE if moves else LockMode.SHARE_ROW_EXCLUSIVE)
    yield from owned_by_locks(cursor, relations)


def _alter_domain(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    users = relations.uses.get(cursor.name(), ())
    adds = cursor.comes("ADD") and not cursor.has("NOT", "VALID")
    if adds or cursor.comes("VALIDATE") or cursor.comes("SET", "NOT", "NULL"):
        yield from (Lock(table, LockMode.SHARE) for table in users)


def _alter_type(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    """Yield the locks on the tables of a composite type, which CASCADE changes as well."""
    users = relations.uses.get(cursor.name(), ())
    yield from (Lock(table, LockMode.ACCESS_EXCLUSIVE) for table in (users if cursor.has("CASCADE") else ()))


def _alter_trigger(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    yield from (Lock(table, LockMode.ACCESS_EXCLUSIVE) for table in relations.with_partitions(on_table(cursor)))


def _alter_of_table(cursor: Cursor, relations: Relations) -> Iterator[Lock]:  # noqa: ARG001 - as the others
    yield Lock(on_table(cursor), LockMode.ACCESS_EXCLUSIVE)
    yield from named_locks(cursor.left)


def _alter_view(cursor: Cursor, relations: Relations) -> Iterator[Lock]:  # noqa: ARG001 - as the others
    cursor.skip_if_exists()
    yield Lock(cursor.name(), LockMode.ACCESS_EXCLUSIVE)


def _comment(cursor: Cursor, relations: Relations) -> Iterator[Lock]:  # noqa: ARG001 - as the others
    kind = cursor.pop().keyword if cursor else ""
    cursor.skip("VIEW")
    cursor.skip("TABLE")
    if kind in _COMMENTED:
        yield Lock(cursor.name(), LockMode.SHARE_UPDATE_EXCLUSIVE)
    elif kind == "COLUMN":
        yield Lock(table_of_column(cursor), LockMode.SHARE_UPDATE_EXCLUSIVE)
    elif kind in _PARTS_OF_TABLES and not cursor.has("ON", "DOMAIN"):
        yield Lock(on_table(cursor), LockMode.ACCESS_SHARE)


def _grant(cursor: Cursor, relations: Relations) -> Iterator[Lock]:  # noqa: ARG001 - as the others
    while cursor and not cursor.skip("ON"):
        cursor.pop()
    if cursor and cursor.left[0].keyword not in _NOT_GRANTED_ON_TABLES:
        cursor.skip("TABLE")
        cursor.skip("SEQUENCE")
        yield from (Lock(name, LockMode.ACCESS_SHARE) for name in cursor.names())


def _lock(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    cursor.skip("TABLE")
    mode = LockMode.ACCESS_EXCLUSIVE
    if cursor.has("MODE"):
        words = [word.keyword for word in cursor.left]
        mode = LockMode.named(" ".join(words[words.index("IN") + 1 : words.index("MODE")]))
    for part in cursor.parts():
        only = part.comes("ONLY")
        table = target_of(part)
        read = [table] if only else relations.with_read(table)
        yield from (Lock(each, mode) for one in read for each in ([one] if only else relations.with_children(one)))


def _reindex(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    if cursor.comes("("):
        cursor.group()
    kind = cursor.pop().keyword if cursor else ""
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if cursor.skip("CONCURRENTLY") else LockMode.SHARE
    name = cursor.name()
    table = relations.indexes.get(name, "") if kind == "INDEX" else name if kind == "TABLE" else ""
    yield from (Lock(each, mode) for each in relations.with_children(table))


def _refresh(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    is_concurrent = cursor.skip("CONCURRENTLY")
    view = cursor.name()
    yield Lock(view, LockMode.EXCLUSIVE if is_concurrent else LockMode.ACCESS_EXCLUSIVE)
    if not cursor.has("WITH", "NO", "DATA"):
        tables = (each for read in [*relations.with_read(view)][1:] for each in relations.with_children(read))
        yield from (Lock(each, LockMode.ACCESS_SHARE) for each in tables)


def _vacuum(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    is_full = cursor.has("FULL")
    yield from _analyze(cursor, relations, LockMode.ACCESS_EXCLUSIVE if is_full else LockMode.SHARE_UPDATE_EXCLUSIVE)


def _analyze(cursor: Cursor, relations: Relations, mode: LockMode = LockMode.SHARE_UPDATE_EXCLUSIVE) -> Iterator[Lock]:
    if cursor.comes("("):
        cursor.group()
    cursor.skip_any(frozenset({"FULL", "FREEZE", "VERBOSE", "ANALYZE", "ANALYSE"}))
    if not cursor:
        yield from (Lock(table, mode) for table in sorted(relations.with_rows))
    for part in cursor.parts():
        only = part.comes("ONLY")
        table, *children = relations.with_children(target_of(part))
        yield Lock(table, mode)
        yield from (Lock(child, LockMode.ACCESS_SHARE if only else mode) for child in children)


def _cluster(cursor: Cursor, relations: Relations) -> Iterator[Lock]:  # noqa: ARG001 - as the others
    if cursor.comes("("):
        cursor.group()
    cursor.skip("VERBOSE")
    table = cursor.name()
    yield Lock(cursor.name() if cursor.skip("ON") else table, LockMode.ACCESS_EXCLUSIVE)


def _explain(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    if cursor.comes("(") and cursor.left[1].keyword not in QUERIES | {"(", "WITH"}:
        cursor.group()
    cursor.skip_any(frozenset({"ANALYZE", "ANALYSE", "VERBOSE"}))
    yield from _locks(cursor, relations)


# The first that fits. What is not here locks no table, or none that its text tells.
_STATEMENTS: tuple[tuple[tuple[str, ...], Callable[[Cursor, Relations], Iterator[Lock]]], ...] = (
    (("ALTER", "TABLE"), alter_table_locks),
    (("ALTER", "FOREIGN", "TABLE"), alter_table_locks),
    (("ALTER", "MATERIALIZED", "VIEW"), alter_table_locks),
    (("ALTER", "INDEX"), _alter_index),
    (("ALTER", "VIEW"), _alter_view),
    (("ALTER", "SEQUENCE"), _alter_sequence),
    (("ALTER", "DOMAIN"), _alter_domain),
    (("ALTER", "TYPE"), _alter_type),
    (("ALTER", "TRIGGER"), _alter_trigger),
    (("ALTER", "RULE"), _alter_of_table),
    (("ALTER", "POLICY"), _alter_of_table),
    (("ALTER", "PUBLICATION"), publication_locks),
    (("CREATE",), create_locks),
    (("DROP",), drop_locks),
    (("TRUNCATE",), truncate_locks),
    (("COMMENT", "ON"), _comment),
    (("SECURITY", "LABEL", "ON"), _comment),
    (("GRANT",), _grant),
    (("REVOKE",), _grant),
    (("LOCK",), _lock),
    (("REINDEX",), _reindex),
    (("REFRESH", "MATERIALIZED", "VIEW"), _refresh),
    (("VACUUM",), _vacuum),
    (("ANALYZE",), _analyze),
    (("ANALYSE",), _analyze),
    (("CLUSTER",), _cluster),
    (("COPY",), copy_locks),
    (("EXPLAIN",), _explain),
)

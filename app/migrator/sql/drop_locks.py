"""What DROP and TRUNCATE lock: also what depends on that which goes, and what it depends on."""

from collections.abc import Callable, Iterator, Mapping

from .create_locks import on_table
from .cursor import Cursor
from .lock_modes import Lock, LockMode
from .relations import Relations
from .rows import target_of

_STRONGEST = LockMode.ACCESS_EXCLUSIVE


def drop_locks(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    """Yield the locks of what follows `DROP`."""
    for keywords, read in _KINDS:
        if cursor.skip(*keywords):
            yield from read(cursor, relations)
            return


def truncate_locks(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    """Yield the locks of what follows `TRUNCATE`."""
    cursor.skip("TABLE")
    cascades, restarts = cursor.has("CASCADE"), cursor.has("RESTART", "IDENTITY")
    tables: list[str] = []
    for part in cursor.parts():
        only = part.comes("ONLY")
        table = target_of(part)
        tables += [table] if only else relations.with_children(table)
    emptied = dict.fromkeys(tables)
    while cascades and tables:
        tables = [key.table for table in tables for key in relations.keys_to(table) if key.table not in emptied]
        emptied |= dict.fromkeys(each for table in tables for each in relations.with_children(table))
    for table in emptied:
        yield Lock(table, _STRONGEST)
        if restarts:
            yield from (Lock(sequence, _STRONGEST) for sequence in relations.sequences_of(table))


def _names(cursor: Cursor, relations: Relations) -> list[str]:
    may_be_missing = cursor.skip_if_exists()
    return [name for name in cursor.names() if not (may_be_missing and relations.is_missing(name))]


def _tables(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    cascades = cursor.has("CASCADE")
    for table in _names(cursor, relations):
        # So that no row goes to it meanwhile.
        if table in relations.parents:
            parent = relations.parents[table]
            yield from (Lock(each, _STRONGEST) for each in (parent, *relations.default_of(parent)))
        own = [key for key in relations.foreign_keys if key.table == table]
        others = [key.referenced for key in own]
        if cascades:
            others += [key.table for key in relations.keys_to(table)]
            others += relations.views_of(table)
        for dropped in relations.with_children(table):
            yield Lock(dropped, _STRONGEST)
            others += relations.sequences_of(dropped)
        yield from (Lock(each, _STRONGEST) for other in others for each in relations.with_children(other))


def _views(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    cascades = cursor.has("CASCADE")
    for view in _names(cursor, relations):
        yield Lock(view, _STRONGEST)
        yield from (Lock(each, _STRONGEST) for each in (relations.views_of(view) if cascades else ()))


def _index(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    mode = LockMode.SHARE_UPDATE_EXCLUSIVE if cursor.skip("CONCURRENTLY") else _STRONGEST
    cursor.skip_if_exists()
    for name in cursor.names():
        if name in relations.indexes:
            yield from (Lock(table, mode) for table in relations.with_partitions(relations.indexes[name]))


def _statistics(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    cursor.skip_if_exists()
    for name in cursor.names():
        if name in relations.statistics:
            yield Lock(relations.statistics[name], LockMode.SHARE_UPDATE_EXCLUSIVE)


def _trigger(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    yield from (Lock(table, _STRONGEST) for table in relations.with_partitions(on_table(cursor)))


def _of_table(cursor: Cursor, relations: Relations) -> Iterator[Lock]:  # noqa: ARG001 - as the others
    yield Lock(on_table(cursor), _STRONGEST)


def _users(cursor: Cursor, users: Mapping[str, tuple[str, ...]]) -> Iterator[Lock]:
    """Yield the locks on the tables that use what is dropped, which CASCADE changes."""
    if cursor.has("CASCADE"):
        cursor.skip_if_exists()
        yield from (Lock(table, _STRONGEST) for name in cursor.names() for table in users.get(name, ()))


# The first that fits. What is not here locks no table that its text tells.
_KINDS: tuple[tuple[tuple[str, ...], Callable[[Cursor, Relations], Iterator[Lock]]], ...] = (
    (("TABLE",), _tables),
    (("FOREIGN", "TABLE"), _tables),
    (("VIEW",), _views),
    (("MATERIALIZED", "VIEW"), _views),
    (("SEQUENCE",), _views),
    (("INDEX",), _index),
    (("STATISTICS",), _statistics),
    (("TRIGGER",), _trigger),
    (("RULE",), _of_table),
    (("POLICY",), _of_table),
    (("FUNCTION",), lambda cursor, relations: _users(cursor, relations.runs)),
    (("ROUTINE",), lambda cursor, relations: _users(cursor, relations.runs)),
    (("TYPE",), lambda cursor, relations: _users(cursor, relations.uses)),
    (("DOMAIN",), lambda cursor, relations: _users(cursor, relations.uses)),
)

"""Which tables a query or a change of rows locks; foreign keys look at other tables, too."""

from collections.abc import Iterator, Sequence

from .cursor import Cursor
from .lock_modes import Lock, LockMode
from .query_tables import RowChange, locked_rows, row_changes, sequences_moved, tables_read
from .relations import ForeignKey, Relations
from .tokens import Word


def query_locks(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    """Yield the locks of a query that is carried out: those of the views in it, and of what they read."""
    words = cursor.left
    locks_rows, of = locked_rows(words)
    for read in tables_read(words):
        mode = LockMode.ROW_SHARE if locks_rows and (not of or read.alias in of) else LockMode.ACCESS_SHARE
        if read.only:
            yield Lock(read.table, mode)
            continue
        for table in relations.with_read(read.table):
            yield from (Lock(one, mode) for one in relations.with_children(table))
    for change in row_changes(words):
        yield from _change_locks(change, relations)
    yield from (Lock(sequence, LockMode.ROW_EXCLUSIVE) for sequence in sequences_moved(words))


def named_locks(words: Sequence[Word]) -> Iterator[Lock]:
    """Yield the locks of a query that is only read, as in CREATE VIEW: those of what it names."""
    yield from (Lock(read.table, LockMode.ACCESS_SHARE) for read in tables_read(words))
    yield from (Lock(change.table, LockMode.ROW_EXCLUSIVE) for change in row_changes(words))


def copy_locks(cursor: Cursor, relations: Relations) -> Iterator[Lock]:
    if cursor.comes("("):
        yield from query_locks(cursor.group(), relations)
        return
    table = cursor.name()
    columns = frozenset(cursor.group().column_names()) if cursor.comes("(") else None
    if cursor.comes("FROM"):
        yield from _change_locks(RowChange("INSERT", table, columns), relations)
    else:
        yield Lock(table, LockMode.ACCESS_SHARE)


def _change_locks(change: RowChange, relations: Relations) -> Iterator[Lock]:
    for table in [change.table] if change.only else relations.with_children(change.table):
        yield Lock(table, LockMode.ROW_EXCLUSIVE)
    yield from (Lock(parent, LockMode.ACCESS_SHARE) for parent in relations.ancestors(change.table))
    if change.verb != "DELETE":
        yield from _checked(change, relations)
    if change.verb != "INSERT":
        yield from _followed(change, relations, seen=frozenset({change.table}))


def _checked(change: RowChange, relations: Relations) -> Iterator[Lock]:
    """Yield the locks on what the new rows refer to."""
    for key in relations.keys_of(change.table):
        if change.columns is None or not change.columns.isdisjoint(key.columns):
            yield from (Lock(table, LockMode.ROW_SHARE) for table in relations.with_children(key.referenced))


def _followed(change: RowChange, relations: Relations, seen: frozenset[str]) -> Iterator[Lock]:
    """Yield the locks on what refers to the old rows, and on what refers to that where it is deleted, too."""
    for key in relations.keys_to(change.table):
        is_read_only = change.verb == "UPDATE" and change.columns is not None
        if is_read_only and (change.columns or frozenset()).isdisjoint(key.referenced_columns):
            continue
        mode = LockMode.ROW_EXCLUSIVE if _changes_rows(key, change.verb) else LockMode.ROW_SHARE
        yield from (Lock(table, mode) for table in relations.with_children(key.table))
        if change.verb == "DELETE" and key.deletes_on_delete and key.table not in seen:
            yield from _followed(RowChange("DELETE", key.table), relations, seen | {key.table})


def _changes_rows(key: ForeignKey, verb: str) -> bool:
    return key.changes_on_delete if verb == "DELETE" else key.changes_on_update

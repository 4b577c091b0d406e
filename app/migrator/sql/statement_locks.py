"""Which tables' reads or writes have to wait for a statement: those that it locks in SHARE mode, or a stronger one."""

from collections.abc import Callable, Iterator

from .cursor import Cursor
from .rows import PERSISTENCE, target_of
from .tokens import Statement

# The actions of ALTER TABLE beside which a table is read and written.
_WEAK_ACTIONS = (
    ("VALIDATE", "CONSTRAINT"),
    ("SET", "("),
    ("RESET", "("),
    ("CLUSTER", "ON"),
    ("SET", "WITHOUT", "CLUSTER"),
)
_WEAK_COLUMN_ACTIONS = (("SET", "STATISTICS"), ("SET", "("), ("RESET", "("))
# The modes of LOCK beside which a table is read and written.
_WEAK_MODES = (("IN", "ACCESS", "SHARE"), ("IN", "ROW"), ("IN", "SHARE", "UPDATE"))


def locked_tables(statement: Statement) -> tuple[str, ...]:
    """Return the tables in the order in which the statement locks them; those that a foreign key refers to come last.

    A table that is dropped, or whose index is, is not among them.
    """
    cursor = Cursor(statement.words)
    for keywords, read in _STATEMENTS:
        if cursor.skip(*keywords):
            return tuple(dict.fromkeys(read(cursor)))
    return ()


def is_foreign_key(statement: Statement) -> bool:
    """Return whether it is an ALTER TABLE that makes foreign keys: each locks the table that it refers to, too."""
    return statement.head == "ALTER" and any(True for _ in _referenced(Cursor(statement.words)))


def locks_beside_traffic(cursor: Cursor) -> bool:
    """Return whether a LOCK, behind that word, names a mode beside which the table is read and written."""
    return any(cursor.has(*mode) for mode in _WEAK_MODES)


def _alter_table(cursor: Cursor) -> Iterator[str]:
    cursor.skip_if_exists()
    table = target_of(cursor)
    cursor.skip("*")
    references = [*_referenced(cursor)]
    for action in cursor.parts():
        if action.skip("ATTACH", "PARTITION"):
            yield action.name()
        elif action.skip("DETACH", "PARTITION"):
            # And the partition, without which it cannot be done.
            if not action.has("CONCURRENTLY"):
                yield table
        elif not _is_weak(action):
            yield table
    yield from references


def _is_weak(action: Cursor) -> bool:
    if any(action.comes(*keywords) for keywords in _WEAK_ACTIONS):
        return True
    if not action.skip("ALTER"):
        return False
    action.skip("COLUMN")
    action.column()
    return any(action.comes(*keywords) for keywords in _WEAK_COLUMN_ACTIONS)


def _create_table(cursor: Cursor) -> Iterator[str]:
    cursor.skip_if_exists()
    cursor.name()
    if cursor.skip("PARTITION", "OF"):
        yield cursor.name()
    yield from _referenced(cursor)


def _referenced(cursor: Cursor) -> Iterator[str]:
    for position, word in enumerate(cursor.left):
        if word.keyword == "REFERENCES":
            yield Cursor(cursor.left[position + 1 :]).name()


def _create_index(cursor: Cursor) -> Iterator[str]:
    if not cursor.skip("CONCURRENTLY"):
        yield from _on_table(cursor)


def _on_table(cursor: Cursor) -> Iterator[str]:
    """Yield the table behind the next ON."""
    while cursor and not cursor.skip("ON"):
        cursor.pop()
    if cursor:
        yield target_of(cursor)


def _truncate(cursor: Cursor) -> Iterator[str]:
    cursor.skip("TABLE")
    yield from (target_of(part) for part in cursor.parts())


def _lock(cursor: Cursor) -> Iterator[str]:
    if not locks_beside_traffic(cursor):
        yield from _truncate(cursor)


def _reindex(cursor: Cursor) -> Iterator[str]:
    if not cursor.has("CONCURRENTLY"):
        if cursor.comes("("):
            cursor.group()
        if cursor.skip("TABLE"):
            yield cursor.name()


# The first that fits; PostgreSQL's other statements lock no table so, or one that the statement does not name.
_STATEMENTS: tuple[tuple[tuple[str, ...], Callable[[Cursor], Iterator[str]]], ...] = (
    (("ALTER", "TABLE"), _alter_table),
    (("ALTER", "FOREIGN", "TABLE"), _alter_table),
    (("CREATE", "TABLE"), _create_table),
    *((("CREATE", word, "TABLE"), _create_table) for word in sorted(PERSISTENCE)),
    (("CREATE", "INDEX"), _create_index),
    (("CREATE", "UNIQUE", "INDEX"), _create_index),
    (("CREATE", "POLICY"), _on_table),
    (("CREATE", "TRIGGER"), _on_table),
    (("CREATE", "CONSTRAINT", "TRIGGER"), _on_table),
    (("CREATE", "OR", "REPLACE", "TRIGGER"), _on_table),
    *(((verb, kind), _on_table) for verb in ("ALTER", "DROP") for kind in ("TRIGGER", "RULE", "POLICY")),
    (("TRUNCATE",), _truncate),
    (("LOCK",), _lock),
    (("REINDEX",), _reindex),
)

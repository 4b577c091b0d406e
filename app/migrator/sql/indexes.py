"""What CREATE INDEX and DROP INDEX say."""

from dataclasses import dataclass

from .alter_table import NULL_COUNTS
from .cursor import Cursor
from .names import in_schema_of
from .tokens import Statement


@dataclass(frozen=True)
class IndexBuild:
    """The index that a CREATE INDEX makes; `only` is that of ON ONLY.

    `columns` are those that it is of; none if it has more than columns, or lets no second row be NULL. `name` is empty
    where PostgreSQL chooses it.
    """

    name: str
    table: str
    columns: tuple[str, ...]
    is_unique: bool
    is_concurrent: bool
    only: bool


def index_build(statement: Statement) -> IndexBuild | None:
    """Return what a CREATE INDEX makes; None for another statement."""
    cursor = Cursor(statement.words)
    if not cursor.skip("CREATE"):
        return None
    is_unique = cursor.skip("UNIQUE")
    return read_index_build(cursor, is_unique=is_unique) if cursor.skip("INDEX") else None


def read_index_build(cursor: Cursor, *, is_unique: bool) -> IndexBuild:
    """Return what a CREATE INDEX makes, of which `cursor` is behind INDEX."""
    is_concurrent = cursor.skip("CONCURRENTLY")
    cursor.skip_if_exists()
    name = "" if cursor.comes("ON") else cursor.column()
    cursor.skip("ON")
    only = cursor.skip("ONLY")
    table = cursor.name()
    columns = cursor.group().column_names()
    columns = () if cursor.has(*NULL_COUNTS) else columns
    return IndexBuild(name and in_schema_of(table, name), table, columns, is_unique, is_concurrent, only)


def dropped_concurrently(statement: Statement) -> tuple[str, ...]:
    """Return the indexes that a DROP INDEX CONCURRENTLY drops; none for another statement."""
    cursor = Cursor(statement.words)
    if not cursor.skip("DROP", "INDEX", "CONCURRENTLY"):
        return ()
    cursor.skip_if_exists()
    return tuple(cursor.names())

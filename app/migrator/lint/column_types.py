"""The columns that revisions make, with their types, read from the text of their statements."""

from collections.abc import Iterable, Iterator
from itertools import takewhile

from ..sql.create_table import TABLE_CONSTRAINTS
from ..sql.cursor import Cursor
from ..sql.effect import Effect, Kind
from ..sql.functions import keywords
from ..sql.rows import PERSISTENCE
from ..sql.tokens import Statement
from .known_schema import ParsedRevision

# By table and column.
Types = dict[tuple[str, str], str]
# What follows the type in the definition of a column.
_BEHIND_TYPE = keywords(
    "AS CHECK COLLATE COMPRESSION CONSTRAINT DEFAULT GENERATED NOT NULL PRIMARY REFERENCES STORAGE UNIQUE USING"
)
# Other words for the same type.
_SAME = {
    "BOOL": "BOOLEAN",
    "DECIMAL": "NUMERIC",
    "FLOAT4": "REAL",
    "FLOAT8": "DOUBLE PRECISION",
    "INT": "INTEGER",
    "INT2": "SMALLINT",
    "INT4": "INTEGER",
    "INT8": "BIGINT",
    "TIMESTAMPTZ": "TIMESTAMP WITH TIME ZONE",
    "VARCHAR": "CHARACTER VARYING",
}
_REMOVES = {Kind.DROP_COLUMN, Kind.RENAME_COLUMN, Kind.CHANGE_TYPE, Kind.DROP_TABLE, Kind.RENAME_TABLE}


def added_types(revision: ParsedRevision) -> Types:
    """Return the types of the columns that the revision adds, those of new tables too."""
    return {key: kind for statement in revision.statements for key, kind in _added(statement)}


def types_after(revisions: Iterable[ParsedRevision]) -> Types:
    """Return the types of the columns that are there after the revisions, as far as their statements say it."""
    types: Types = {}
    for revision in revisions:
        removals: dict[int, list[Effect]] = {}
        for change in revision.changes:
            if change.effect.kind in _REMOVES:
                removals.setdefault(id(change.statement), []).append(change.effect)
        for statement in revision.statements:
            for effect in removals.get(id(statement), ()):
                _remove(effect, types)
            types.update(_added(statement))
    return types


def _remove(effect: Effect, types: Types) -> None:
    table, column, new = effect.table, effect.column, effect.renamed_to or ""
    for key in [key for key in types if key[0] == table and column in {None, key[1]}]:
        kind = types.pop(key)
        if effect.kind is Kind.RENAME_COLUMN:
            types[table, new] = kind
        elif effect.kind is Kind.RENAME_TABLE:
            types[new, key[1]] = kind


def _added(statement: Statement) -> Iterator[tuple[tuple[str, str], str]]:
    cursor = Cursor(statement.words)
    if cursor.skip("ALTER", "TABLE"):
        cursor.skip_if_exists()
        cursor.skip("ONLY")
        table = cursor.name()
        for action in cursor.parts():
            if action.skip("ADD"):
                action.skip("COLUMN")
                action.skip_if_exists()
                yield from _column(table, action)
    elif cursor.skip("CREATE"):
        cursor.skip_any(PERSISTENCE)
        if cursor.skip("TABLE"):
            cursor.skip_if_exists()
            table = cursor.name()
            if cursor.comes("("):
                for part in cursor.group().parts():
                    yield from _column(table, part)


def _column(table: str, definition: Cursor) -> Iterator[tuple[tuple[str, str], str]]:
    if definition and definition.left[0].keyword not in TABLE_CONSTRAINTS:
        column = definition.column()
        words = takewhile(lambda word: word.keyword not in _BEHIND_TYPE, definition.left)
        texts = [word.name if word.quoted else _SAME.get(word.keyword, word.text.upper()) for word in words]
        yield (table, column), " ".join(texts)

"""The columns that revisions make, with their types, read from the text of their statements."""

from collections.abc import Iterator, Sequence
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


class ColumnTypes:
    """The types of the columns that revisions make, as far as their statements say it; each is read once.

    `revisions` come oldest first.
    """

    def __init__(self, revisions: Sequence[ParsedRevision]) -> None:
        self._revisions = revisions
        self._added: dict[str, Types] = {}
        # What is there after as many of the revisions as are counted: they are asked about in their order.
        self._types: Types = {}
        self._count = 0

    def added_by(self, revision: ParsedRevision) -> Types:
        """Return the types of the columns that the revision adds, those of new tables too."""
        name = revision.script.revision
        if name not in self._added:
            self._added[name] = {key: kind for each in revision.statements for key, kind in _added(each)}
        return self._added[name]

    def after(self, count: int) -> Types:
        """Return the types of the columns that are there after so many revisions."""
        if count < self._count:
            self._types, self._count = {}, 0
        for revision in self._revisions[self._count : count]:
            _apply(revision, self._types)
        self._count = count
        return self._types


def _apply(revision: ParsedRevision, types: Types) -> None:
    removals: dict[int, list[Effect]] = {}
    for change in revision.changes:
        if change.effect.kind in _REMOVES:
            removals.setdefault(id(change.statement), []).append(change.effect)
    for statement in revision.statements:
        for effect in removals.get(id(statement), ()):
            _remove(effect, types)
        types.update(_added(statement))


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

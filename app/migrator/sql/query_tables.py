"""Which tables a query names: those that it reads, those whose rows it changes, and the sequences that it moves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .cursor import Cursor
from .functions import keywords
from .names import split_name
from .rows import target_of
from .tokens import Word

# A list of tables ends with these.
_AFTER_TABLES = keywords(
    "WHERE GROUP HAVING ORDER LIMIT OFFSET FETCH UNION INTERSECT EXCEPT WINDOW RETURNING SET WHEN SELECT VALUES"
)
_NO_ALIAS = _AFTER_TABLES | keywords("CROSS FOR FULL INNER JOIN LEFT NATURAL ON RIGHT TABLESAMPLE USING")
# Functions whose arguments have a FROM.
_HAVE_FROM = keywords("EXTRACT SUBSTRING TRIM OVERLAY POSITION")
_QUERY_STARTS = keywords("SELECT WITH VALUES TABLE LATERAL")
# Before UPDATE, after which no table comes.
_NO_UPDATE_AFTER = keywords("FOR KEY ON THEN DO")
_MOVE_SEQUENCES = keywords("NEXTVAL SETVAL")


@dataclass(frozen=True)
class TableRead:
    """A table that a query reads, the name by which it calls it, and whether without its partitions (ONLY)."""

    table: str
    alias: str
    only: bool


@dataclass(frozen=True)
class RowChange:
    """A change of rows: the verb (INSERT, UPDATE, DELETE, MERGE) and the columns that are written (None: any).

    `only`: without the rows of its partitions.
    """

    verb: str
    table: str
    columns: frozenset[str] | None = None
    only: bool = False


def tables_read(words: Sequence[Word]) -> Iterator[TableRead]:
    """Yield the tables behind FROM, JOIN, USING and TABLE, without the queries that WITH names."""
    named = {*_named_queries(words)}
    yield from (read for read in _Tables(words).read() if read.table not in named)


def locked_rows(words: Sequence[Word]) -> tuple[bool, frozenset[str]]:
    """Return whether the query locks rows (FOR UPDATE, FOR SHARE), and of which names; of all where there are none."""
    for position, word in enumerate(words):
        if word.keyword != "FOR":
            continue
        cursor = Cursor(words[position + 1 :])
        cursor.skip_any(frozenset({"NO", "KEY"}))
        if cursor.skip("UPDATE") or cursor.skip("SHARE"):
            return True, frozenset(cursor.names()) if cursor.skip("OF") else frozenset()
    return False, frozenset()


def sequences_moved(words: Sequence[Word]) -> Iterator[str]:
    """Yield the sequences that nextval() and setval() name."""
    for function, bracket, name in zip(words, words[1:], words[2:], strict=False):
        if function.keyword in _MOVE_SEQUENCES and bracket.keyword == "(" and name.literal:
            yield name.text.removeprefix("public.")


def row_changes(words: Sequence[Word]) -> Iterator[RowChange]:
    """Yield the changes of rows of a statement, also those in a WITH."""
    cursor, before = Cursor(words), ""
    while cursor:
        if cursor.skip("DELETE", "FROM"):
            yield RowChange("DELETE", only=cursor.comes("ONLY"), table=target_of(cursor))
        elif cursor.skip("MERGE", "INTO"):
            yield RowChange("MERGE", only=cursor.comes("ONLY"), table=target_of(cursor))
        elif cursor.skip("INSERT", "INTO"):
            yield _insertion(cursor)
        elif cursor.comes("UPDATE") and before not in _NO_UPDATE_AFTER:
            cursor.skip("UPDATE")
            yield RowChange("UPDATE", only=cursor.comes("ONLY"), table=target_of(cursor), columns=_columns_set(cursor))
        else:
            before = cursor.pop().keyword


def _insertion(cursor: Cursor) -> RowChange:
    table = cursor.name()
    if cursor.skip("AS"):
        cursor.pop()
    if not cursor.comes("(") or cursor.left[1].keyword in _QUERY_STARTS:
        return RowChange("INSERT", table)
    return RowChange("INSERT", table, frozenset(cursor.group().column_names()))


def _columns_set(cursor: Cursor) -> frozenset[str]:
    """Return the columns of a SET, which comes behind a table and its alias."""
    found: set[str] = set()
    left = Cursor(cursor.left)
    while left and not left.skip("SET"):
        left.pop()
    for part in left.parts():
        found.update(part.group().column_names() if part.comes("(") else [part.column()])
        if not {"FROM", "WHERE", "RETURNING"}.isdisjoint(part.outside_groups()):
            break
    return frozenset(found)


def _named_queries(words: Sequence[Word]) -> Iterator[str]:
    """Yield the names before `AS (…)`, whether their columns are named or not."""
    for position, word in enumerate(words):
        rest = Cursor(words[position + 1 :])
        rest.skip_any(frozenset({"NOT", "MATERIALIZED"}))
        if word.keyword != "AS" or not rest.comes("("):
            continue
        before = position - 1
        if before > 0 and words[before].keyword == ")":
            while before > 0 and words[before].keyword != "(":
                before -= 1
            before -= 1
        if before >= 0 and words[before].is_name:
            yield words[before].name


@dataclass
class _Level:
    """What is known within one pair of parentheses."""

    expects_table: bool = False
    is_list: bool = False
    ignores_from: bool = False


class _Tables:
    """Reads the words of one query from the left."""

    def __init__(self, words: Sequence[Word]) -> None:
        self._words = words
        self._levels = [_Level()]
        self._position = 0

    def read(self) -> Iterator[TableRead]:
        while self._position < len(self._words):
            word, level = self._words[self._position], self._levels[-1]
            if word.keyword == "(":
                self._open(level)
            elif word.keyword == ")":
                self._levels[1:] = self._levels[1:-1]
            elif level.expects_table and word.is_name and word.keyword not in {"ONLY", "LATERAL"}:
                level.expects_table = False
                yield from self._table()
                continue
            else:
                self._follow(word, level)
            self._position += 1

    def _open(self, level: _Level) -> None:
        is_query = self._keyword(1) in _QUERY_STARTS
        inner = _Level(
            expects_table=level.expects_table and not is_query,
            is_list=level.expects_table and not is_query,
            ignores_from=self._keyword(-1) in _HAVE_FROM,
        )
        level.expects_table = False
        self._levels.append(inner)

    def _follow(self, word: Word, level: _Level) -> None:
        before = self._keyword(-1)
        if word.keyword == "FROM":
            level.expects_table = level.is_list = not level.ignores_from and before != "DISTINCT"
        elif word.keyword == "JOIN":
            level.expects_table = level.is_list = True
        elif word.keyword == "USING":
            level.expects_table = self._keyword(1) != "(" or self._keyword(2) in _QUERY_STARTS
        elif word.keyword == "TABLE":
            level.expects_table = before in {"", "(", "AS", "UNION", "ALL"}
        elif word.keyword == ",":
            level.expects_table = level.is_list
        elif word.keyword in _AFTER_TABLES:
            level.expects_table = level.is_list = False

    def _table(self) -> Iterator[TableRead]:
        only = self._keyword(-1) == "ONLY"
        cursor = Cursor(self._words[self._position :])
        table = cursor.name()
        self._position = len(self._words) - len(cursor.left)
        # A function in the place of a table.
        if cursor.comes("("):
            return
        cursor.skip("*")
        cursor.skip("AS")
        has_alias = bool(cursor) and cursor.left[0].is_name and cursor.left[0].keyword not in _NO_ALIAS
        yield TableRead(table, cursor.left[0].name if has_alias else split_name(table)[1], only)

    def _keyword(self, offset: int) -> str:
        position = self._position + offset
        return self._words[position].keyword if 0 <= position < len(self._words) else ""

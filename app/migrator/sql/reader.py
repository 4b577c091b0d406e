"""What a revision does to tables and columns, read from the SQL that it prints offline: nothing is run."""

import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script

from .alter_table import NULL_COUNTS, alterations, domain_alterations, renaming, type_alterations
from .effect import Effect, Kind
from .tokens import Cursor, Statement, UnreadableSqlError, Word, in_schema_of, statements_of

Direction = Literal["upgrade", "downgrade"]


def offline_sql(script: Script, direction: Direction = "upgrade") -> str | None:
    """Return the revision's SQL; None if it cannot be run offline because it wants to look at the database."""
    buffer = io.StringIO()
    offline = MigrationContext.configure(
        dialect_name="postgresql", opts={"as_sql": True, "literal_binds": True, "output_buffer": buffer}
    )
    try:
        with Operations.context(offline):
            getattr(script.module, direction)()
    except (Exception, SystemExit):  # noqa: BLE001 - whatever a maintainer's revision raises, the answer is the same
        return None
    return buffer.getvalue()


def effects_of(revisions: Iterable[Script], direction: Direction = "upgrade") -> tuple[Effect, ...] | None:
    """Return what these revisions do, in their order; None if one of them cannot be run offline."""
    found: list[Effect] = []
    for script in revisions:
        sql = offline_sql(script, direction)
        if sql is None:
            return None
        found.extend(read_sql(sql))
    return tuple(found)


def read_sql(sql: str) -> Iterator[Effect]:
    """Yield the effects of the statements in `sql`, in their order; OPAQUE for what cannot be read."""
    try:
        for statement in statements_of(sql):
            yield from read_statement(statement)
    except UnreadableSqlError:
        yield Effect(Kind.OPAQUE, "SQL")


def read_statement(statement: Statement) -> Iterator[Effect]:
    """Yield the effects of one statement."""
    yield from _read(Cursor(statement.words))


def _read(cursor: Cursor) -> Iterator[Effect]:
    head = cursor.left[0].keyword if cursor else ""
    if head in _BY_HEAD:
        yield from _BY_HEAD[head](cursor)
    elif head not in _HARMLESS:
        yield Effect(Kind.OPAQUE, head)


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# They do nothing to a table, a column or its rows that its users would notice, or only add rows.
_HARMLESS = _words(
    "ABORT ANALYZE BEGIN CHECKPOINT COMMENT COMMIT DISCARD END GRANT LISTEN NOTIFY REASSIGN REINDEX RELEASE RESET"
    " REVOKE ROLLBACK SAVEPOINT SECURITY SHOW START TABLE UNLISTEN"
)
_PERSISTENCE = frozenset({"GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED"})
# The kinds of objects in_schema_of tables and indexes, of which the first that fits is meant.
_OBJECTS = [
    tuple(kind.split())
    for kind in re.findall(
        r"[A-Z][A-Z ]+",
        "ACCESS METHOD, AGGREGATE, CAST, COLLATION, CONVERSION, DATABASE, DEFAULT CONVERSION, DOMAIN, EVENT TRIGGER,"
        "EXTENSION, FOREIGN DATA WRAPPER, FUNCTION, GROUP, LANGUAGE, LARGE OBJECT, MATERIALIZED VIEW, OPERATOR CLASS,"
        "OPERATOR FAMILY, OPERATOR, OWNED BY, POLICY, PROCEDURAL LANGUAGE, PROCEDURE, PUBLICATION, RECURSIVE VIEW,"
        "ROLE, ROUTINE, RULE, SCHEMA, SEQUENCE, SERVER, STATISTICS, SUBSCRIPTION, TABLESPACE,"
        "TEXT SEARCH CONFIGURATION, TEXT SEARCH DICTIONARY, TEXT SEARCH PARSER, TEXT SEARCH TEMPLATE, TRANSFORM FOR,"
        "TRIGGER, TRUSTED LANGUAGE, TRUSTED PROCEDURAL LANGUAGE, TYPE, USER MAPPING, USER, VIEW",
    )
]
# The server's own functions that a revision may well call; an aggregate reads rows.
_HARMLESS_FUNCTIONS = _words(
    "ARRAY_AGG BOOL_AND BOOL_OR COUNT CURRENT_SCHEMA CURRENT_SETTING FORMAT GENERATE_SERIES MAX MIN NEXTVAL NOW"
    " PG_ADVISORY_XACT_LOCK PG_NOTIFY PG_SLEEP QUOTE_IDENT QUOTE_LITERAL SETVAL SET_CONFIG STRING_AGG SUM TO_REGCLASS"
    " UNNEST VERSION"
)
# Keywords before a parenthesis that calls nothing.
_NO_FUNCTIONS = _words(
    "ALL AND ANY ARRAY AS BETWEEN BY CASE CAST COALESCE CONFLICT CUBE DISTINCT ELSE EXCEPT EXISTS EXTRACT FROM GREATEST"
    " GROUPING HAVING IN INTERSECT INTERVAL JOIN LATERAL LEAST LIMIT MATERIALIZED NOT NULLIF OFFSET ON OR ORDER OVER"
    " OVERLAY POSITION ROLLUP ROW SELECT SETS SOME SUBSTRING THEN TRIM UNION USING VALUES WHEN WHERE"
)
# Words and signs before a name that is called if a parenthesis follows it.
_BEFORE_CALL = _words(
    "SELECT FROM JOIN LATERAL ALL DISTINCT WHERE HAVING AND OR NOT WHEN THEN ELSE CASE BY ON IN LIMIT OFFSET VALUES"
    " RETURNING VARIADIC IS ROWS"
) | frozenset({"(", "[", ","})
# The modes of LOCK that neither reads nor writes wait for.
_MODES_BESIDE_TRAFFIC = (("IN", "ACCESS", "SHARE"), ("IN", "ROW"), ("IN", "SHARE", "UPDATE"))
_EVERY_TABLE = "every table"
# After FOR UPDATE, DO UPDATE, FOR NO KEY UPDATE, ON UPDATE, THEN UPDATE no table follows.
_NO_UPDATE_AFTER = frozenset({"FOR", "DO", "KEY", "ON", "THEN"})
_QUERIES = frozenset({"SELECT", "VALUES", "TABLE", "INSERT", "UPDATE", "DELETE", "MERGE"})
_OFF = frozenset({"FALSE", "OFF", "0"})


def _object_name(cursor: Cursor) -> str:
    """Read an object's name behind its kind, as effects have it."""
    for kind in _OBJECTS:
        if cursor.skip(*kind):
            break
    cursor.skip_if_exists()
    cursor.skip("FOR")
    cursor.skip("AUTHORIZATION")
    # DROP CAST (a AS b)
    if cursor.comes("("):
        return " ".join(word.name for word in cursor.group().left)
    return cursor.name()


def _create(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("CREATE")
    replaces = cursor.skip("OR", "REPLACE")
    if cursor.comes("UNIQUE") or cursor.comes("INDEX"):
        yield from _create_index(cursor)
        return
    hides_another = cursor.comes("TEMP") or cursor.comes("TEMPORARY")
    cursor.skip_any(_PERSISTENCE)
    if cursor.skip("TRIGGER") or cursor.skip("CONSTRAINT", "TRIGGER"):
        yield _create_trigger(cursor)
    # A rule makes something else of what others do to a table.
    elif cursor.comes("RULE"):
        yield Effect(Kind.OPAQUE, "RULE")
    elif cursor.skip("FOREIGN", "TABLE") or cursor.skip("TABLE"):
        may_exist = cursor.skip_if_exists() or hides_another
        yield Effect(Kind.CREATE_TABLE, cursor.name(), may_exist=may_exist)
        yield from _source(cursor)
    elif not replaces:
        may_exist = cursor.has("IF", "NOT", "EXISTS")
        yield Effect(Kind.CREATE_OTHER, _object_name(cursor), may_exist=may_exist)


def _source(cursor: Cursor) -> Iterator[Effect]:
    """Yield what the query of a CREATE TABLE … AS does."""
    while cursor and not cursor.skip("AS"):
        if cursor.comes("("):
            cursor.group()
        else:
            cursor.pop()
    if cursor:
        yield from _read(cursor)


def _create_trigger(cursor: Cursor) -> Effect:
    name = cursor.column()
    while cursor and not cursor.skip("ON"):
        cursor.pop()
    return Effect(Kind.CREATE_TRIGGER, cursor.name(), name=name)


def _create_index(cursor: Cursor) -> Iterator[Effect]:
    unique = cursor.skip("UNIQUE")
    cursor.skip("INDEX")
    cursor.skip("CONCURRENTLY")
    cursor.skip_if_exists()
    name = "" if cursor.comes("ON") else cursor.column()
    cursor.skip("ON")
    cursor.skip("ONLY")
    table = cursor.name()
    if unique:
        columns = cursor.group().column_names()
        columns = () if cursor.has(*NULL_COUNTS) else columns
        yield Effect(Kind.ADD_UNIQUE_INDEX, table, name=name and in_schema_of(table, name), columns=columns)


def _drop(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("DROP")
    if cursor.skip("INDEX"):
        cursor.skip("CONCURRENTLY")
        cursor.skip_if_exists()
        yield from (Effect(Kind.DROP_INDEX, "", name=name) for name in cursor.names())
    elif cursor.skip("FOREIGN", "TABLE") or cursor.skip("TABLE"):
        cursor.skip_if_exists()
        yield from (Effect(Kind.DROP_TABLE, name) for name in cursor.names())
    # No statement of a release names statistics.
    elif not cursor.comes("STATISTICS"):
        yield Effect(Kind.DROP_OTHER, _object_name(cursor))
        yield from (Effect(Kind.DROP_OTHER, other.name()) for other in [*cursor.parts()][1:])


def _alter(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("ALTER")
    if cursor.skip("FOREIGN", "TABLE") or cursor.skip("TABLE"):
        yield from alterations(cursor)
    elif cursor.skip("INDEX"):
        yield from _alter_index(cursor)
    elif cursor.skip("DOMAIN"):
        yield from domain_alterations(cursor)
    elif cursor.skip("TYPE"):
        yield from type_alterations(cursor)
    elif not cursor.comes("STATISTICS"):
        yield from _alter_other(cursor)


def _alter_index(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip_if_exists()
    name = cursor.name()
    if cursor.skip("RENAME", "TO"):
        yield Effect(Kind.RENAME_INDEX, "", name=name, renamed_to=in_schema_of(name, cursor.column()))
    elif cursor.has("SET", "TABLESPACE"):
        yield Effect(Kind.REWRITE, name)


def _alter_other(cursor: Cursor) -> Iterator[Effect]:
    may_be_rewritten = cursor.comes("MATERIALIZED")
    name = _object_name(cursor)
    if may_be_rewritten:
        is_moved = (action.has("SET", "TABLESPACE") or action.comes("SET", "ACCESS") for action in cursor.parts())
        yield from (Effect(Kind.REWRITE, name) for is_rewrite in is_moved if is_rewrite)
    # A function's parameters, the table of a trigger, the method of an operator class.
    if cursor.comes("("):
        cursor.group()
    if cursor.skip("ON") or cursor.skip("USING"):
        cursor.name()
    yield from renaming(name, cursor)


def _truncate(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("TRUNCATE")
    cursor.skip("TABLE")
    yield from (Effect(Kind.TRUNCATE, _target(part)) for part in cursor.parts())


def _lock(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("LOCK")
    cursor.skip("TABLE")
    if not any(cursor.has(*mode) for mode in _MODES_BESIDE_TRAFFIC):
        yield from (Effect(Kind.LOCK, _target(part)) for part in cursor.parts())


def _vacuum(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("VACUUM")
    if cursor.comes("("):
        options = [[word.keyword for word in part.left] for part in cursor.group().parts()]
        is_full = any(option[0] == "FULL" and _OFF.isdisjoint(option[1:]) for option in options)
    else:
        is_full = cursor.comes("FULL")
    cursor.skip_any(frozenset({"FULL", "FREEZE", "VERBOSE", "ANALYZE", "ANALYSE"}))
    if is_full:
        tables = [_target(part) for part in cursor.parts()]
        yield from (Effect(Kind.REWRITE, table) for table in tables or [_EVERY_TABLE])


def _cluster(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("CLUSTER")
    if cursor.comes("("):
        cursor.group()
    cursor.skip("VERBOSE")
    table = cursor.name()
    # CLUSTER index ON table
    if cursor.skip("ON"):
        table = cursor.name()
    yield Effect(Kind.REWRITE, table or _EVERY_TABLE)


def _refresh(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("REFRESH", "MATERIALIZED", "VIEW")
    if not cursor.comes("CONCURRENTLY"):
        yield Effect(Kind.REWRITE, cursor.name())


def _set(cursor: Cursor) -> Iterator[Effect]:
    """Yield OPAQUE if the names that come after it mean other tables."""
    cursor.skip("SET")
    cursor.skip_any(frozenset({"SESSION", "LOCAL"}))
    if cursor.comes("SEARCH_PATH") or cursor.comes("SCHEMA"):
        yield Effect(Kind.OPAQUE, _SEARCH_PATH)


_SEARCH_PATH = "SET search_path"


def _explain(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("EXPLAIN")
    if cursor.comes("(") and not (len(cursor.left) > 1 and cursor.left[1].keyword in _QUERIES | {"(", "WITH"}):
        cursor.group()
    cursor.skip_any(frozenset({"ANALYZE", "ANALYSE", "VERBOSE"}))
    yield from _read(cursor)


def _copy(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("COPY")
    if cursor.comes("("):
        yield from _read(cursor.group())


def _with(cursor: Cursor) -> Iterator[Effect]:
    main = next((word for word in cursor.outside_groups() if word in _QUERIES), "SELECT")
    yield from _select(cursor) if main in {"SELECT", "VALUES"} else _rows(cursor)


def _rows(cursor: Cursor) -> Iterator[Effect]:
    """Yield what happens to rows that exist, also in a WITH, and the table that a SELECT INTO makes."""
    before = ""
    while cursor:
        if cursor.skip("DELETE", "FROM"):
            yield Effect(Kind.DELETE, _target(cursor))
        elif cursor.skip("MERGE", "INTO"):
            table = _target(cursor)
            commands = _after_then(cursor.left)
            yield from (Effect(kind, table) for command, kind in _MERGED.items() if command in commands)
        elif cursor.comes("UPDATE") and before not in _NO_UPDATE_AFTER:
            cursor.skip("UPDATE")
            yield Effect(Kind.UPDATE, _target(cursor))
        elif cursor.comes("INTO") and before != "INSERT":
            cursor.skip("INTO")
            hides_another = cursor.comes("TEMP") or cursor.comes("TEMPORARY")
            cursor.skip_any(_PERSISTENCE | {"TABLE"})
            yield Effect(Kind.CREATE_TABLE, cursor.name(), may_exist=hides_another)
        else:
            before = cursor.pop().keyword


def _select(cursor: Cursor) -> Iterator[Effect]:
    """Yield what `_rows` does, and OPAQUE for each function that may do anything."""
    yield from (Effect(Kind.OPAQUE, name) for name in _called(cursor.left) if name.upper() not in _HARMLESS_FUNCTIONS)
    if _sets_search_path(cursor.left):
        yield Effect(Kind.OPAQUE, _SEARCH_PATH)
    yield from _rows(cursor)


def _sets_search_path(words: Sequence[Word]) -> bool:
    """Return whether set_config() gives search_path another value than one that is computed from what it was."""
    texts = [word.text if word.literal else word.name for word in words]
    at = texts.index("set_config") if "set_config" in texts else len(texts)
    return texts[at + 2 : at + 4] == ["search_path", ","] and texts[at + 5 : at + 6] in ([","], [")"])


def _called(words: Sequence[Word]) -> Iterator[str]:
    """Yield the functions that a query calls, as far as a name behind one of `_BEFORE_CALL` or an operator tells."""
    for position, before in enumerate(words[:-1]):
        word = words[position + 1]
        if not word.is_name or word.keyword in _NO_FUNCTIONS or not _may_precede_call(before):
            continue
        cursor = Cursor(words[position + 1 :])
        name = cursor.name()
        # WITH …, name (column) AS (…) calls nothing.
        if cursor.comes("(") and not (before.keyword == "," and _names_query(cursor)):
            yield name


def _may_precede_call(word: Word) -> bool:
    is_operator = not word.is_name and not word.literal and word.text[0] in "-+*/<>=~!@#%^&|`?"
    return is_operator or word.keyword in _BEFORE_CALL


def _names_query(cursor: Cursor) -> bool:
    rest = Cursor(cursor.left)
    rest.group()
    return rest.comes("AS", "(") or rest.comes("AS", "MATERIALIZED") or rest.comes("AS", "NOT")


def _target(cursor: Cursor) -> str:
    cursor.skip("ONLY")
    return cursor.name()


def _after_then(words: Iterable[Word]) -> set[str]:
    keywords = [word.keyword for word in words]
    return {keyword for before, keyword in pairwise(keywords) if before == "THEN"}


_MERGED = {"UPDATE": Kind.UPDATE, "DELETE": Kind.DELETE}
_BY_HEAD: dict[str, Callable[[Cursor], Iterator[Effect]]] = {
    "CREATE": _create,
    "DROP": _drop,
    "ALTER": _alter,
    "TRUNCATE": _truncate,
    "LOCK": _lock,
    "VACUUM": _vacuum,
    "CLUSTER": _cluster,
    "REFRESH": _refresh,
    "SET": _set,
    "EXPLAIN": _explain,
    "COPY": _copy,
    "WITH": _with,
    **dict.fromkeys(("SELECT", "VALUES", "("), _select),
    **dict.fromkeys(("DELETE", "INSERT", "MERGE", "UPDATE"), _rows),
}

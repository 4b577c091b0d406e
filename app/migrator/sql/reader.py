"""What statements do to tables and columns, read from their text."""

import re
from collections.abc import Callable, Iterator

from .alter_table import alterations, domain_alterations, renaming, type_alterations
from .create_table import created_table
from .cursor import Cursor
from .effect import Effect, Kind
from .functions import keywords
from .grant_blocks import is_grant_block
from .indexes import read_index_build
from .names import in_schema_of
from .rows import PERSISTENCE, QUERIES, SEARCH_PATH, read_query, target_of
from .statement_locks import locks_beside_traffic
from .tokens import Statement, UnreadableSqlError, statements_of


def read_sql(sql: str) -> Iterator[Effect]:
    """Yield the effects of the statements in `sql`, in their order; OPAQUE for what cannot be read."""
    try:
        for statement in statements_of(sql):
            yield from read_statement(statement)
    except UnreadableSqlError:
        yield Effect(Kind.OPAQUE, "SQL")


def read_statement(statement: Statement) -> Iterator[Effect]:
    yield from _read(Cursor(statement.words))


def _read(cursor: Cursor) -> Iterator[Effect]:
    head = cursor.left[0].keyword if cursor else ""
    if head in _BY_HEAD:
        yield from _BY_HEAD[head](cursor)
    elif head not in _HARMLESS:
        yield Effect(Kind.OPAQUE, head)


# They do nothing to a table, a column or its rows that its users would notice, or only add rows.
_HARMLESS = keywords(
    "ABORT ANALYZE BEGIN CHECKPOINT COMMENT COMMIT DISCARD END GRANT LISTEN NOTIFY REASSIGN REINDEX RELEASE RESET"
    " REVOKE ROLLBACK SAVEPOINT SECURITY SHOW START TABLE UNLISTEN"
)
# The kinds of objects beside tables and indexes; the first that fits.
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
_EVERY_TABLE = "every table"
# What goes with these may hold rows.
_HOLD_TABLES = ("SCHEMA", "EXTENSION", "OWNED", "DATABASE")
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
    is_unique = cursor.skip("UNIQUE")
    if cursor.skip("INDEX"):
        index = read_index_build(cursor, is_unique=is_unique)
        kind = Kind.ADD_UNIQUE_INDEX if is_unique else Kind.ADD_INDEX
        yield Effect(kind, index.table, name=index.name, columns=index.columns)
        return
    hides_another = cursor.comes("TEMP") or cursor.comes("TEMPORARY")
    cursor.skip_any(PERSISTENCE)
    if cursor.skip("TRIGGER") or cursor.skip("CONSTRAINT", "TRIGGER"):
        yield _create_trigger(cursor)
    # A rule makes something else of what others do to a table.
    elif cursor.comes("RULE"):
        yield Effect(Kind.OPAQUE, "RULE")
    elif cursor.skip("FOREIGN", "TABLE") or cursor.skip("TABLE"):
        yield from created_table(cursor, may_exist=cursor.skip_if_exists() or hides_another)
        yield from _source(cursor)
    elif not replaces:
        is_filled = cursor.comes("MATERIALIZED") and not cursor.has("WITH", "NO", "DATA")
        may_exist = cursor.has("IF", "NOT", "EXISTS")
        code = next((word.text for word in reversed(cursor.left) if word.literal), "")
        yield Effect(Kind.CREATE_OTHER, _object_name(cursor), code=code, may_exist=may_exist)
        if is_filled:
            yield from _source(cursor)


def _source(cursor: Cursor) -> Iterator[Effect]:
    """Yield what the query of a CREATE … AS does."""
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
    table = cursor.name()
    while cursor and not (cursor.skip("EXECUTE", "FUNCTION") or cursor.skip("EXECUTE", "PROCEDURE")):
        cursor.pop()
    return Effect(Kind.CREATE_TRIGGER, table, name=name, code=cursor.name())


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
        drops_more = cursor.has("CASCADE") or any(cursor.comes(kind) for kind in _HOLD_TABLES)
        yield Effect(Kind.DROP_OTHER, _object_name(cursor), drops_more=drops_more)
        for other in [*cursor.parts()][1:]:
            yield Effect(Kind.DROP_OTHER, other.name(), drops_more=drops_more)


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
    yield from (Effect(Kind.TRUNCATE, target_of(part)) for part in cursor.parts())


def _lock(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("LOCK")
    cursor.skip("TABLE")
    if not locks_beside_traffic(cursor):
        yield from (Effect(Kind.LOCK, target_of(part)) for part in cursor.parts())


def _vacuum(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("VACUUM")
    if cursor.comes("("):
        options = [[word.keyword for word in part.left] for part in cursor.group().parts()]
        is_full = any(option[0] == "FULL" and _OFF.isdisjoint(option[1:]) for option in options)
    else:
        is_full = cursor.comes("FULL")
    cursor.skip_any(frozenset({"FULL", "FREEZE", "VERBOSE", "ANALYZE", "ANALYSE"}))
    if is_full:
        tables = [target_of(part) for part in cursor.parts()]
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
        yield Effect(Kind.OPAQUE, SEARCH_PATH)


def _explain(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("EXPLAIN")
    if cursor.comes("(") and not (len(cursor.left) > 1 and cursor.left[1].keyword in QUERIES | {"(", "WITH"}):
        cursor.group()
    cursor.skip_any(frozenset({"ANALYZE", "ANALYSE", "VERBOSE"}))
    yield from _read(cursor)


def _copy(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("COPY")
    if cursor.comes("("):
        yield from _read(cursor.group())


def _do(cursor: Cursor) -> Iterator[Effect]:
    """Yield OPAQUE, except for a block that is ours."""
    if not any(word.literal and is_grant_block(word.text) for word in cursor.left):
        yield Effect(Kind.OPAQUE, "DO")


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
    "DO": _do,
    **dict.fromkeys(("SELECT", "VALUES", "(", "WITH", "DELETE", "INSERT", "MERGE", "UPDATE"), read_query),
}

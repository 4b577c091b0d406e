"""What a revision does to tables and columns, read from the SQL that it prints offline: nothing is run."""

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Literal

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import Script

from app.migrator.sql.alter_table import NULL_COUNTS, alterations, domain_alterations, renaming, type_alterations
from app.migrator.sql.effect import Effect, Kind
from app.migrator.sql.tokens import Cursor, Statement, UnreadableSqlError, Word, beside, statements_of

Direction = Literal["upgrade", "downgrade"]


def offline_sql(script: Script, direction: Direction = "upgrade") -> str | None:
    """The revision's SQL; None where it cannot be run offline, because it wants to look at the database."""
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
    """What these revisions do, in their order; None where one of them cannot be run offline."""
    found: list[Effect] = []
    for script in revisions:
        sql = offline_sql(script, direction)
        if sql is None:
            return None
        found.extend(read_sql(sql))
    return tuple(found)


def read_sql(sql: str) -> Iterator[Effect]:
    """The effects of the statements in `sql`, in order; OPAQUE for what cannot be read."""
    try:
        for statement in statements_of(sql):
            yield from read_statement(statement)
    except UnreadableSqlError:
        yield Effect(Kind.OPAQUE, "SQL")


def read_statement(statement: Statement) -> Iterator[Effect]:
    cursor = Cursor(statement.words)
    read = _BY_HEAD.get(statement.head)
    if read is not None:
        yield from read(cursor)
    elif statement.head not in _HARMLESS:
        yield Effect(Kind.OPAQUE, statement.head)


def _words(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


# Do nothing to a table, a column or its rows that whoever uses them would notice, or only add rows.
_HARMLESS = _words(
    "ABORT ANALYZE BEGIN CHECKPOINT COMMENT COMMIT DISCARD END GRANT LISTEN NOTIFY REASSIGN REINDEX RELEASE RESET"
    " REVOKE ROLLBACK SAVEPOINT SECURITY SHOW START TABLE UNLISTEN VALUES"
)
_PERSISTENCE = frozenset({"GLOBAL", "LOCAL", "TEMP", "TEMPORARY", "UNLOGGED"})
# The words that a kind of object is named by, beside TABLE and INDEX.
_OBJECT = _words(
    "ACCESS AGGREGATE CAST CLASS COLLATION CONFIGURATION CONSTRAINT CONVERSION DATA DATABASE DEFAULT DICTIONARY DOMAIN"
    " EVENT EXTENSION FAMILY FOREIGN FUNCTION GROUP LANGUAGE LARGE MAPPING MATERIALIZED METHOD OBJECT OPERATOR OWNED"
    " PARSER POLICY PROCEDURAL PROCEDURE PUBLICATION RECURSIVE ROLE ROUTINE RULE SCHEMA SEARCH SEQUENCE SERVER"
    " STATISTICS SUBSCRIPTION TABLESPACE TEMP TEMPORARY TEMPLATE TEXT TRANSFORM TRIGGER TRUSTED TYPE USER VIEW"
    " WRAPPER"
)
# Of the server's own, those that a revision may well call; an aggregate reads rows.
_HARMLESS_FUNCTIONS = _words(
    "ARRAY_AGG BOOL_AND BOOL_OR COALESCE COUNT CURRENT_SETTING EXISTS FORMAT GENERATE_SERIES MAX MIN NEXTVAL NOW"
    " PG_ADVISORY_XACT_LOCK PG_NOTIFY PG_SLEEP SETVAL SET_CONFIG STRING_AGG SUM TO_REGCLASS UNNEST VERSION"
)
# The modes of LOCK that neither reads nor writes wait for.
_MODES_BESIDE_TRAFFIC = (("IN", "ACCESS", "SHARE"), ("IN", "ROW"), ("IN", "SHARE", "UPDATE"))
_EVERY_TABLE = "every table"
# After FOR UPDATE, DO UPDATE, FOR NO KEY UPDATE, ON UPDATE, THEN UPDATE no table follows.
_NO_UPDATE_AFTER = frozenset({"FOR", "DO", "KEY", "ON", "THEN"})


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
    # Of what others do to a table it makes something else.
    elif cursor.comes("RULE"):
        yield Effect(Kind.OPAQUE, "RULE")
    elif cursor.skip("FOREIGN", "TABLE") or cursor.skip("TABLE"):
        may_exist = cursor.skip_if_exists() or hides_another
        yield Effect(Kind.CREATE_TABLE, cursor.name(), may_exist=may_exist)
    elif not replaces:
        cursor.skip_any(_OBJECT)
        may_exist = cursor.skip_if_exists()
        yield Effect(Kind.CREATE_OTHER, cursor.name(), may_exist=may_exist)


def _create_trigger(cursor: Cursor) -> Effect:
    name = cursor.name()
    while cursor and not cursor.skip("ON"):
        cursor.pop()
    return Effect(Kind.CREATE_TRIGGER, cursor.name(), name=name)


def _create_index(cursor: Cursor) -> Iterator[Effect]:
    unique = cursor.skip("UNIQUE")
    cursor.skip("INDEX")
    cursor.skip("CONCURRENTLY")
    cursor.skip_if_exists()
    name = "" if cursor.comes("ON") else cursor.name()
    cursor.skip("ON")
    cursor.skip("ONLY")
    table = cursor.name()
    if unique:
        columns = cursor.group().column_names()
        columns = () if cursor.has(*NULL_COUNTS) else columns
        yield Effect(Kind.ADD_UNIQUE_INDEX, table, name=beside(table, name), columns=columns)


def _drop(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("DROP")
    if cursor.skip("INDEX"):
        cursor.skip("CONCURRENTLY")
        cursor.skip_if_exists()
        yield from (Effect(Kind.DROP_INDEX, "", name=name) for name in cursor.names())
        return
    # What the previous release's statements do not name.
    if cursor.comes("STATISTICS"):
        return
    kind = Kind.DROP_TABLE if cursor.skip("FOREIGN", "TABLE") or cursor.skip("TABLE") else Kind.DROP_OTHER
    if kind is Kind.DROP_OTHER:
        cursor.skip_any(_OBJECT)
    cursor.skip_if_exists()
    yield from (Effect(kind, name) for name in cursor.names())


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
        yield from _rename_other(cursor)


def _alter_index(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip_if_exists()
    name = cursor.name()
    if cursor.skip("RENAME", "TO"):
        yield Effect(Kind.RENAME_INDEX, "", name=name, renamed_to=beside(name, cursor.name()))
    elif cursor.has("SET", "TABLESPACE"):
        yield Effect(Kind.REWRITE, name)


def _rename_other(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip_any(_OBJECT)
    cursor.skip_if_exists()
    name = cursor.name()
    if cursor.comes("("):
        cursor.group()
    yield from renaming(name, cursor)


def _truncate(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("TRUNCATE")
    cursor.skip("TABLE")
    for part in cursor.parts():
        part.skip("ONLY")
        yield Effect(Kind.TRUNCATE, part.name())


def _lock(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("LOCK")
    cursor.skip("TABLE")
    if not any(cursor.has(*mode) for mode in _MODES_BESIDE_TRAFFIC):
        yield from (Effect(Kind.LOCK, _target(part)) for part in cursor.parts())


def _vacuum(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("VACUUM")
    is_full = cursor.group().has("FULL") if cursor.comes("(") else cursor.comes("FULL")
    cursor.skip_any(frozenset({"FULL", "FREEZE", "VERBOSE", "ANALYZE", "ANALYSE"}))
    if is_full:
        yield from (Effect(Kind.REWRITE, name) for name in (list(cursor.names()) or [_EVERY_TABLE]))


def _cluster(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("CLUSTER")
    if cursor.comes("("):
        cursor.group()
    cursor.skip("VERBOSE")
    yield Effect(Kind.REWRITE, cursor.name() or _EVERY_TABLE)


def _refresh(cursor: Cursor) -> Iterator[Effect]:
    cursor.skip("REFRESH", "MATERIALIZED", "VIEW")
    if not cursor.comes("CONCURRENTLY"):
        yield Effect(Kind.REWRITE, cursor.name())


def _set(cursor: Cursor) -> Iterator[Effect]:
    """What makes the names that come after it mean other tables."""
    cursor.skip("SET")
    cursor.skip_any(frozenset({"SESSION", "LOCAL"}))
    if cursor.comes("SEARCH_PATH") or cursor.comes("SCHEMA"):
        yield Effect(Kind.OPAQUE, "SET search_path")


def _rows(cursor: Cursor) -> Iterator[Effect]:
    """What happens to rows that exist, also in a WITH; and the table that a SELECT INTO makes."""
    before = ""
    while cursor:
        if cursor.skip("DELETE", "FROM"):
            yield Effect(Kind.DELETE, _target(cursor))
        elif cursor.skip("MERGE", "INTO"):
            yield Effect(Kind.UPDATE, table := _target(cursor))
            if "DELETE" in _after_then(cursor.left):
                yield Effect(Kind.DELETE, table)
        elif cursor.comes("UPDATE") and before not in _NO_UPDATE_AFTER:
            cursor.skip("UPDATE")
            yield Effect(Kind.UPDATE, _target(cursor))
        elif cursor.comes("INTO") and before != "INSERT":
            cursor.skip("INTO")
            cursor.skip_any(_PERSISTENCE | {"TABLE"})
            yield Effect(Kind.CREATE_TABLE, cursor.name())
        else:
            before = cursor.pop().keyword


def _select(cursor: Cursor) -> Iterator[Effect]:
    """As rows; and a function that is not known to be harmless, which may do anything."""
    yield from (Effect(Kind.OPAQUE, name) for name in _called(cursor.left) if name.upper() not in _HARMLESS_FUNCTIONS)
    yield from _rows(cursor)


def _called(words: Sequence[Word]) -> Iterator[str]:
    """The functions that a SELECT begins with, or reads from."""
    for position, word in enumerate(words):
        if word.keyword in {"SELECT", "FROM"}:
            cursor = Cursor(words[position + 1 :])
            name = cursor.name()
            if cursor.comes("(") and name not in {"(", "values"}:
                yield name


def _target(cursor: Cursor) -> str:
    cursor.skip("ONLY")
    return cursor.name()


def _after_then(words: Iterable[Word]) -> set[str]:
    keywords = [word.keyword for word in words]
    return {keyword for before, keyword in pairwise(keywords) if before == "THEN"}


_BY_HEAD = {
    "CREATE": _create,
    "DROP": _drop,
    "ALTER": _alter,
    "TRUNCATE": _truncate,
    "LOCK": _lock,
    "VACUUM": _vacuum,
    "CLUSTER": _cluster,
    "REFRESH": _refresh,
    "SET": _set,
    "SELECT": _select,
    **dict.fromkeys(("COPY", "DELETE", "EXPLAIN", "INSERT", "MERGE", "UPDATE", "WITH"), _rows),
}

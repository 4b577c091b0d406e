"""Comparing a database with the models: the server reads both, in a transaction that is rolled back.

The models' tables are created for a moment in a scratch schema, so that PostgreSQL itself puts their defaults, checks
and indexes into its words. The live tables are neither changed nor locked.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import DBAPIError

from ...postgres.errors import DatabaseError, error_summary, sqlstate_of
from ...postgres.sqlstate import LOCK_NOT_AVAILABLE
from ..engine_tables import engine_tables
from ..locking.table_locks import describe_holders
from ..repairs import REPAIRS
from ..sql.quoting import escape_colons, quote
from . import catalogue_queries
from .catalogue import Column, Constraint, Index, Schema, Table, read_schema
from .compare import compare
from .difference import Difference

_TEMPORARY = "pg_temp"
# PostgreSQL 17 and later lock a table against changes for the moment in which they show its defaults.
_LIMIT = text(
    "SELECT set_config('lock_timeout', '500ms', true), set_config('statement_timeout', '10s', true),"
    " set_config('idle_in_transaction_session_timeout', '10s', true)"
)


class DriftUnknownError(DatabaseError):
    """The comparison could not be made; the message says what it needs."""


def differences(connection: Connection, metadata: MetaData) -> list[Difference]:
    """Return what differs between the tables of `metadata` and the schema in which the connection creates tables.

    Raises what `both_schemas` raises.
    """
    return compare(*both_schemas(connection, metadata))


def both_schemas(connection: Connection, metadata: MetaData, renaming: Iterable[str] = ()) -> tuple[Schema, Schema]:
    """Return the schema in which the connection creates tables, and what `metadata` would make of it, comparable.

    Tables are read after the statements `renaming`, which give them new names, and lock them until the end.
    The connection must not be in a transaction, and is in none afterwards. Raises DriftUnknownError, also for metadata
    that names a schema, and ValueError if the connection commits by itself.
    """
    if named := sorted({table.schema for table in metadata.tables.values() if table.schema}):
        raise DriftUnknownError(
            f"The models name schemas ({', '.join(named)}), and the comparison is of the one schema in which the"
            " connection makes tables."
        )
    with _rolled_back(connection):
        session = _prepare_transaction(connection)
        # Before there is a temporary schema: that would hide live tables of the same names.
        for statement in renaming:
            connection.execute(text(escape_colons(statement)))
        live = read_schema(connection, session["schema"], engine_tables())
        scratch = _create_scratch(connection, session)
        try:
            metadata.create_all(connection, checkfirst=False)
        except DBAPIError as exc:
            _raise_unknown(exc, "The models' tables cannot be created on this server")
        wanted = read_schema(connection, scratch, engine_tables(), is_live=False)
        models = _with_schema_name(session["schema"], scratch, wanted)
        models = replace(models, repairs=metadata.info.get(REPAIRS, {}))
        return _with_wanted_comments(_without_rewording(connection, live, models), models), models


@contextmanager
def _rolled_back(connection: Connection) -> Iterator[None]:
    try:
        transaction = connection.begin()
        try:
            yield
        finally:
            transaction.rollback()
    except DBAPIError as exc:
        if sqlstate_of(exc) == LOCK_NOT_AVAILABLE:
            with connection.begin():
                holders = describe_holders(connection)
            raise DriftUnknownError(f"A schema change is under way: {holders}. Compare again later.") from exc
        _raise_unknown(exc, "The schema could not be read")


def _prepare_transaction(connection: Connection) -> dict[str, Any]:
    """Give the transaction one snapshot of the catalogues, and limits. Returns its schema, role and rights."""
    connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    connection.execute(_LIMIT)
    session = dict(connection.execute(text(catalogue_queries.PLACE)).mappings().one())
    if session["isolation"] != "repeatable read":
        raise ValueError("the connection commits by itself: what is created for the comparison would stay")
    if session["is_read_only"]:
        why = "it is a standby" if session["is_standby"] else "its transactions are read-only"
        raise DriftUnknownError(f"The comparison creates tables for a moment, and this server lets nobody: {why}.")
    if session["schema"] is None:
        raise DriftUnknownError(
            f"None of the schemas in search_path ({session['search_path']}) exists, or the role {session['role']} may"
            " not use them (GRANT USAGE ON SCHEMA): there is nothing to compare."
        )
    return session


def _create_scratch(connection: Connection, session: dict[str, Any]) -> str:
    """Create a schema for unqualified names, for the rest of the transaction, and return its name."""
    if not (session["may_create"] or session["may_create_temporary"]):
        raise DriftUnknownError(
            f"The comparison creates the models' tables for a moment, and the role {session['role']} may not: it needs"
            f" the privilege TEMPORARY or CREATE. GRANT TEMPORARY ON DATABASE {quote(session['database'])}"
            f" TO {quote(session['role'])}"
        )
    scratch = f"drift_{uuid4().hex}" if session["may_create"] else _TEMPORARY
    if session["may_create"]:
        connection.execute(text(f"CREATE SCHEMA {scratch}"))
    path = f"{scratch}, {session['search_path']}"
    connection.execute(text("SELECT set_config('search_path', :path, true)"), {"path": path})
    if session["may_create"]:
        return scratch
    # The first temporary table makes the session's temporary schema, whose name only the server knows.
    connection.execute(text("CREATE TEMPORARY TABLE drift_first ()"))
    name = connection.scalar(text("SELECT nspname::text FROM pg_namespace WHERE oid = pg_my_temp_schema()"))
    connection.execute(text(f"DROP TABLE {_TEMPORARY}.drift_first"))
    return str(name)


def _without_rewording(connection: Connection, live: Schema, models: Schema) -> Schema:
    """Return `live` with the models' definitions for checks and indexes that only read differently.

    PostgreSQL's own words change when it parses them again: it writes `x IN ('a')` on a varchar in another way after a
    restore than before.
    """
    constraints, indexes = dict(live.constraints), dict(live.indexes)
    for key, before in live.constraints.items():
        after = models.constraints.get(key)
        if after and before.type == after.type == "c" and before.definition != after.definition:
            read = {_reparse(connection, found) for found in (before, after)}
            constraints[key] = replace(before, definition=after.definition) if _are_equal(read) else before
    for name, index in live.indexes.items():
        wanted = models.indexes.get(name)
        if wanted and index.table == wanted.table and index.definition != wanted.definition:
            read = {_reparse(connection, found) for found in (index, wanted)}
            indexes[name] = replace(index, definition=wanted.definition) if _are_equal(read) else index
    return replace(live, constraints=constraints, indexes=indexes)


def _with_schema_name(schema: str, scratch: str, models: Schema) -> Schema:
    """Return the models with the live schema's name instead of the scratch schema's."""

    def moved(definition: str) -> str:
        # The temporary schema of a session has two names.
        if scratch.startswith(_TEMPORARY):
            definition = definition.replace(f"{_TEMPORARY}.", "")
        return definition.replace(f"{scratch}.", "").replace(scratch, schema)

    return replace(
        models,
        attached={key: replace(found, definition=moved(found.definition)) for key, found in models.attached.items()},
        routines={key: replace(found, definition=moved(found.definition)) for key, found in models.routines.items()},
        views={key: replace(found, definition=moved(found.definition)) for key, found in models.views.items()},
    )


def _with_wanted_comments(live: Schema, models: Schema) -> Schema:
    """Return `live` without the comments on what the models do not comment."""
    tables = {}
    for name, table in live.tables.items():
        wanted = models.tables.get(name)
        columns = {
            column.name: replace(column, comment=_wanted(column, wanted.columns.get(column.name) if wanted else None))
            for column in table.columns.values()
        }
        tables[name] = replace(table, columns=columns, comment=_wanted(table, wanted))
    return replace(live, tables=tables)


def _wanted(live: Table | Column, models: Table | Column | None) -> str | None:
    return live.comment if models is not None and models.comment is not None else None


def _are_equal(read: set[str | None]) -> bool:
    return len(read) == 1 and None not in read


def _reparse(connection: Connection, found: Constraint | Index) -> str | None:
    """Return the definition as the server writes it after parsing it; None if the models' tables cannot have it."""
    if isinstance(found, Index):
        create, shown = f"CREATE INDEX drift_probe {found.definition}", catalogue_queries.PROBED_INDEX
    else:
        create = f"ALTER TABLE {quote(found.table)} ADD CONSTRAINT drift_probe {found.definition}"
        shown = catalogue_queries.PROBED_CONSTRAINT
    probe = connection.begin_nested()
    try:
        # Without parameters: a definition may hold what looks like one.
        connection.exec_driver_sql(create, execution_options={"no_parameters": True})
        return str(connection.exec_driver_sql(shown).scalar())
    except DBAPIError:
        return None
    finally:
        probe.rollback()


def _raise_unknown(exc: DBAPIError, what: str) -> None:
    if exc.connection_invalidated or sqlstate_of(exc) == LOCK_NOT_AVAILABLE:
        raise exc
    raise DriftUnknownError(f"{what}: {error_summary(exc)}.") from exc

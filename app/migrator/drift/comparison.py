"""Comparing a database with the models: both are read by the same server, in a transaction that is rolled back.

The models' tables are created for a moment in a schema of their own, so that PostgreSQL itself puts their defaults,
checks and indexes into its words. Nothing of the live tables is changed, and none is locked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import DBAPIError

from ...postgres.errors import DatabaseError, cause_of, sqlstate_of
from ...postgres.sqlstate import LOCK_NOT_AVAILABLE
from ..repairs import REPAIRS
from ..session.table_locks import describe_holders
from ..sql.identifiers import quote
from ..tables import engine_tables
from . import queries
from .catalogue import Column, Constraint, Index, Schema, Table, read_schema
from .compare import compare
from .difference import Difference

_TEMPORARY = "pg_temp"
# PostgreSQL 17 and later lock a table, for the moment in which they say its defaults, against its being changed.
_LIMITS = {"lock_timeout": "500ms", "statement_timeout": "10s", "idle_in_transaction_session_timeout": "10s"}


class DriftUnknownError(DatabaseError):
    """The comparison could not be made; the message says what it needs."""


def differences(connection: Connection, metadata: MetaData) -> list[Difference]:
    """Return what differs between the tables of `metadata` and the schema in which the connection creates tables.

    Raises as `both_schemas`.
    """
    return compare(*both_schemas(connection, metadata))


def both_schemas(connection: Connection, metadata: MetaData) -> tuple[Schema, Schema]:
    """Return the schema in which the connection creates tables, and what `metadata` would make of it, comparable.

    The connection must not be in a transaction, and is in none afterwards. Raises DriftUnknownError; ValueError where
    the metadata names a schema, or the connection commits by itself.
    """
    if named := sorted({table.schema for table in metadata.tables.values() if table.schema}):
        raise ValueError(f"the comparison is of one schema, but the metadata names {', '.join(named)}")
    with _rolled_back(connection):
        place = _look_around(connection)
        # Before there is a temporary schema: that would hide live tables of the same names.
        live = read_schema(connection, place["schema"], engine_tables())
        scratch = _create_scratch(connection, place)
        try:
            metadata.create_all(connection, checkfirst=False)
        except DBAPIError as exc:
            _explain(exc, "The models' tables cannot be created on this server")
        models = _as_in(place["schema"], scratch, read_schema(connection, scratch, engine_tables()))
        models = replace(models, repairs=metadata.info.get(REPAIRS, {}))
        return _with_wanted_comments(_as_parsed(connection, live, models), models), models


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
        _explain(exc, "The schema could not be read")


def _look_around(connection: Connection) -> dict[str, Any]:
    """Return where we are and what we may do; give the transaction one view of the catalogues, and limits."""
    connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    for name, value in _LIMITS.items():
        connection.execute(text(f"SET LOCAL {name} = '{value}'"))
    place = dict(connection.execute(text(queries.PLACE)).mappings().one())
    if place["isolation"] != "repeatable read":
        raise ValueError("the connection commits by itself: what is created for the comparison would stay")
    if place["is_read_only"]:
        why = "it is a standby" if place["is_standby"] else "its transactions are read-only"
        raise DriftUnknownError(f"The comparison creates tables for a moment, and this server lets nobody: {why}.")
    if place["schema"] is None:
        raise DriftUnknownError(
            f"None of the schemas in search_path ({place['search_path']}) exists, or the role {place['role']} may not"
            " use them (GRANT USAGE ON SCHEMA): there is nothing to compare."
        )
    return place


def _create_scratch(connection: Connection, place: dict[str, Any]) -> str:
    """Create a schema for unqualified names, for the rest of the transaction, and return its name."""
    if not (place["may_create"] or place["may_create_temporary"]):
        raise DriftUnknownError(
            f"The comparison creates the models' tables for a moment, and the role {place['role']} may not: it needs"
            f" the privilege TEMPORARY or CREATE. GRANT TEMPORARY ON DATABASE {quote(place['database'])}"
            f" TO {quote(place['role'])}"
        )
    scratch = f"drift_{uuid4().hex}" if place["may_create"] else _TEMPORARY
    if place["may_create"]:
        connection.execute(text(f"CREATE SCHEMA {scratch}"))
    path = f"{scratch}, {place['search_path']}"
    connection.execute(text("SELECT set_config('search_path', :path, true)"), {"path": path})
    if place["may_create"]:
        return scratch
    # The temporary schema of a session is made by its first table, under a name of its own.
    connection.execute(text("CREATE TEMPORARY TABLE drift_first ()"))
    name = connection.scalar(text("SELECT nspname::text FROM pg_namespace WHERE oid = pg_my_temp_schema()"))
    connection.execute(text(f"DROP TABLE {_TEMPORARY}.drift_first"))
    return str(name)


def _as_parsed(connection: Connection, live: Schema, models: Schema) -> Schema:
    """Return `live`, where a check or index that only reads differently reads as in the models.

    PostgreSQL's own words change when it reads them: `x IN ('a')` on a varchar is written in another way after a
    restore than before.
    """
    constraints, indexes = dict(live.constraints), dict(live.indexes)
    for key, before in live.constraints.items():
        after = models.constraints.get(key)
        if after and before.type == after.type == "c" and before.definition != after.definition:
            read = {_read_again(connection, found) for found in (before, after)}
            constraints[key] = replace(before, definition=after.definition) if _agree(read) else before
    for name, index in live.indexes.items():
        wanted = models.indexes.get(name)
        if wanted and index.table == wanted.table and index.definition != wanted.definition:
            read = {_read_again(connection, found) for found in (index, wanted)}
            indexes[name] = replace(index, definition=wanted.definition) if _agree(read) else index
    return replace(live, constraints=constraints, indexes=indexes)


def _as_in(schema: str, scratch: str, models: Schema) -> Schema:
    """Return the models with what names the schema of the moment as it reads in the live one."""

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
    """Return `live` without the comments that are the database's own: of what the models do not comment."""
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


def _agree(read: set[str | None]) -> bool:
    return len(read) == 1 and None not in read


def _read_again(connection: Connection, found: Constraint | Index) -> str | None:
    """Return the definition once the server has read it; None where the models' tables cannot have it."""
    if isinstance(found, Index):
        create, shown = f"CREATE INDEX drift_probe {found.definition}", queries.PROBED_INDEX
    else:
        create = f"ALTER TABLE {quote(found.table)} ADD CONSTRAINT drift_probe {found.definition}"
        shown = queries.PROBED_CONSTRAINT
    probe = connection.begin_nested()
    try:
        # As it stands: a definition may hold what looks like a parameter.
        connection.exec_driver_sql(create, execution_options={"no_parameters": True})
        return str(connection.exec_driver_sql(shown).scalar())
    except DBAPIError:
        return None
    finally:
        probe.rollback()


def _explain(exc: DBAPIError, what: str) -> None:
    if exc.connection_invalidated or sqlstate_of(exc) == LOCK_NOT_AVAILABLE:
        raise exc
    raise DriftUnknownError(f"{what}: {cause_of(exc)}.") from exc

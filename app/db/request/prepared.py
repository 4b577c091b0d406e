"""Prepared statements: compiled once, and run by asyncpg directly.

SQLAlchemy's work on a statement costs several times what the driver's work does. Its pool, its transactions and its
errors are still used; only what lies between them and the driver is left out.
"""

import time
from collections import namedtuple
from collections.abc import Iterable, Sequence
from contextlib import nullcontext
from functools import cache
from math import inf
from typing import Any

import asyncpg
from sqlalchemy import ColumnElement, Connection, Dialect, Insert, Select, Update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session
from sqlalchemy.util import greenlet_spawn

from app.db.request.session_info import USES_ASYNCPG
from app.db.request.single_connection import SingleConnectionSession
from app.db.statement_times import STATEMENT_TIMES
from app.postgres.errors import ASYNCPG_ERRORS
from app.postgres.termination import add_termination_cause

# The execution option of an engine whose statements are traced: an object whose `span(sql)` is a context for each.
STATEMENT_SPANS = "statement_spans"
# The type that Advanced Alchemy's repositories give their session.
AnySession = AsyncSession | async_scoped_session[AsyncSession]


_UNTRACED = nullcontext()


# One type for each set of columns, and not for each statement: statements come and go, and this cache is never emptied.
@cache
def _row_factory(names: tuple[str, ...]) -> Any:  # noqa: ANN401 - makes a named tuple of a row
    row: Any = namedtuple("Row", names)  # type: ignore[misc]
    return row._make


def row_factory(columns: Iterable[ColumnElement[Any]]) -> Any:  # noqa: ANN401 - makes a named tuple of a row
    """Return a function that makes a named tuple of a row with these columns."""
    return _row_factory(tuple(column.key or "" for column in columns))


class _CompiledStatement:
    """A statement compiled for asyncpg, with the conversions of its parameters and columns."""

    def __init__(self, prepared: "PreparedStatement", dialect: Dialect) -> None:
        self._make_row = prepared.make_row
        compiled: Any = prepared.statement.compile(dialect=dialect, column_keys=[*prepared.insert_defaults])
        self.sql = str(compiled)
        self.dbapi: Any = dialect.loaded_dbapi
        self._names = tuple(compiled.positiontup or ())
        defaults = {key: default.arg for key, default in prepared.insert_defaults.items() if default is not None}
        self._computed_defaults = [(key, default) for key, default in defaults.items() if callable(default)]
        self._constants = compiled.params | dict.fromkeys(prepared.insert_defaults) | defaults
        self._is_insert = bool(prepared.insert_defaults)
        binds = compiled.binds.items()
        to_driver = {key: bind.type.dialect_impl(dialect).bind_processor(dialect) for key, bind in binds}
        self._to_driver = {key: convert for key, convert in to_driver.items() if convert}
        columns = prepared.statement.exported_columns
        from_driver = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._from_driver = [(index, convert) for index, convert in enumerate(from_driver) if convert]

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        """Return the driver's arguments in their order. Raises TypeError for a column that the table does not have."""
        given = {**self._constants, **values}
        if self._is_insert and len(given) > len(self._constants):
            raise TypeError(f"no column takes {', '.join(sorted(values.keys() - self._constants.keys()))}")
        for name, default in self._computed_defaults:
            if name not in values:
                # SQLAlchemy passes its context here; no default of our models reads it.
                given[name] = default(None)
        for name, convert in self._to_driver.items():
            given[name] = convert(given[name])
        return [given[name] for name in self._names]

    def rows(self, records: Sequence[Any]) -> list[Any]:
        if not self._from_driver:
            return [self._make_row(record) for record in records]
        return [self._make_row(self._converted([*record])) for record in records]

    def _converted(self, values: list[Any]) -> list[Any]:
        for index, convert in self._from_driver:
            values[index] = convert(values[index])
        return values


class PreparedStatement:
    """A SELECT, INSERT or UPDATE whose `bindparam`s are given when it is run, and whose columns have distinct names.

    An INSERT takes values by column. A column that is left out gets the model's default, or else the database's.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]] | Insert | Update) -> None:
        self.statement = statement
        self.make_row = row_factory(statement.exported_columns)
        self.returns_rows = bool(statement.exported_columns)
        self.insert_defaults = _insert_defaults(statement) if isinstance(statement, Insert) else {}
        self._compiled: _CompiledStatement | None = None

    def compiled(self, dialect: Dialect) -> _CompiledStatement:
        if self._compiled is None:
            self._compiled = _CompiledStatement(self, dialect)
        return self._compiled


def _insert_defaults(statement: Insert) -> dict[str, Any]:
    """Return the columns that the database does not fill by itself, with the model's default if there is one."""
    columns = statement.table.columns
    return {column.key: column.default for column in columns if column.default is not None or not column.server_default}


async def fetch_rows(session: AnySession, prepared: PreparedStatement, **values: object) -> list[Any]:
    """Run the statement, and return its rows as named tuples.

    It runs in the session's transaction if there is one, after the session's pending changes. Otherwise it runs by
    itself, on the connection that the session holds from then on. Raises DBAPIError, and the driver's OSError.
    """
    return await _run(_async_session(session), prepared, values, begin=False)


async def execute_prepared(session: AnySession, prepared: PreparedStatement, **values: object) -> list[Any]:
    """Run a statement that changes or locks rows, and return its rows.

    It runs in the session's transaction, which begins here if there is none. Raises as `fetch_rows` does.
    """
    return await _run(_async_session(session), prepared, values, begin=True)


def _async_session(session: AnySession) -> AsyncSession:
    return session() if isinstance(session, async_scoped_session) else session


async def _run(session: AsyncSession, prepared: PreparedStatement, values: dict[str, Any], *, begin: bool) -> list[Any]:
    sync_session = session.sync_session
    # `new`, `dirty` and `deleted` would each be made into a set.
    if sync_session.in_transaction() and not sync_session._is_clean():  # noqa: SLF001
        await session.flush()
    if (
        not isinstance(sync_session, SingleConnectionSession)
        or not sync_session.info.get(USES_ASYNCPG)
        or (begin and sync_session.is_routed)
    ):
        return await _run_by_session(session, prepared, values)
    if begin and not sync_session.in_transaction():
        sync_session.begin()
    # A greenlet is needed only where the connection is still to come from the pool.
    is_first = not sync_session.holds_connection
    acquire = sync_session.acquire_connection
    connection, driver = await greenlet_spawn(acquire) if is_first else acquire()
    return await _run_by_driver(connection, driver, prepared.compiled(connection.dialect), values, is_first=is_first)


async def _run_by_session(session: AsyncSession, prepared: PreparedStatement, values: dict[str, Any]) -> list[Any]:
    result = await session.execute(prepared.statement, values)
    return [prepared.make_row(row) for row in result] if prepared.returns_rows else []


async def _run_by_driver(
    connection: Connection,
    driver: Any,  # noqa: ANN401 - asyncpg has no types
    compiled: _CompiledStatement,
    values: dict[str, Any],
    *,
    is_first: bool,
) -> list[Any]:
    began = time.monotonic()
    try:
        if connection.in_transaction() and not driver.is_in_transaction():
            await _begin(connection)
        spans = connection.get_execution_options().get(STATEMENT_SPANS)
        with spans.span(compiled.sql) if spans is not None else _UNTRACED:
            records = await _fetch_records(driver, compiled, values)
        return compiled.rows(records)
    except ASYNCPG_ERRORS as exc:
        add_termination_cause(exc, driver, time.monotonic() - began if is_first else inf)
        if is_lost := driver.is_closed() or isinstance(exc, asyncpg.InternalClientError):
            connection.invalidate(exc)
        raise _to_sqlalchemy_error(exc, compiled.dbapi, is_lost=is_lost) from exc
    except BaseException as exc:
        # After a timeout, a lost connection or a cancellation the connection's next answer may belong to this query.
        connection.invalidate(exc)
        raise


async def _fetch_records(driver: Any, compiled: _CompiledStatement, values: dict[str, Any]) -> list[Any]:  # noqa: ANN401
    arguments = compiled.arguments(values)
    began = time.perf_counter()
    try:
        records: list[Any] = await driver.fetch(compiled.sql, *arguments)
    except asyncpg.DataError:
        # If an argument does not fit, asyncpg has already sent the statement, but not what ends it. Until the
        # connection is used again the server would keep its locks, and a pooler would keep the server's session for us.
        if not driver.is_in_transaction():
            await driver.execute("SELECT")
        raise
    finally:
        STATEMENT_TIMES.add(time.perf_counter() - began)
    return records


async def _begin(connection: Connection) -> None:
    """Send BEGIN, which SQLAlchemy itself sends only with a statement of its own."""
    adapter: Any = connection.connection.dbapi_connection
    try:
        await adapter._start_transaction()  # noqa: SLF001 - what its own statements begin with
    except adapter.dbapi.Error as exc:
        raise exc.__cause__ or exc from None


def _to_sqlalchemy_error(exc: Exception, dbapi: Any, *, is_lost: bool) -> DBAPIError:  # noqa: ANN401 - has no types
    """Return the error that the session itself would have raised."""
    is_integrity_error = isinstance(exc, asyncpg.IntegrityConstraintViolationError)
    error = (dbapi.IntegrityError if is_integrity_error else dbapi.Error)(str(exc), exc)
    error.__cause__ = exc
    error_type = IntegrityError if is_integrity_error else DBAPIError
    return error_type(None, None, error, connection_invalidated=is_lost)

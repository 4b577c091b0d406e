"""Statements that are asked often: built and compiled once, and fetched by the driver.

What SQLAlchemy does for a statement costs several times what the driver does. Its pool, its transactions and its errors
stay: only what lies between is left out.
"""

import time
from collections import namedtuple
from collections.abc import Iterable, Sequence
from functools import cache
from math import inf
from typing import Any, cast

import asyncpg
from advanced_alchemy.config.routing import RoutingConfig
from advanced_alchemy.routing import ReplicaSelector
from advanced_alchemy.routing.session import RoutingSyncSession
from sqlalchemy import ColumnElement, Connection, Dialect, Engine, Insert, Select
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session
from sqlalchemy.util import greenlet_spawn

from app.core.session_info import BY_DRIVER
from app.postgres.errors import OF_ASYNCPG
from app.postgres.last_words import add_last_words

# As Advanced Alchemy's repositories have it.
AnySession = AsyncSession | async_scoped_session[AsyncSession]
_ROUTING = RoutingConfig(default_group="primary", read_group="replica")


class OneConnection(RoutingSyncSession):
    """A session whose statements outside a transaction have the connection that its transactions have, until it closes.

    So a request has one connection, whatever it asks by which way; and whoever holds one never waits for another.

    All goes to the primary, until `read_from`. Then Advanced Alchemy's routing decides, statement by statement: what
    only reads goes to the replica; what writes or locks, and all that follows in its transaction, to the primary.
    """

    _lent: Connection | None = None

    def __init__(self, default_engine: Engine | None = None, **kwargs: Any) -> None:  # noqa: ANN401 - as the session's
        # None is of an application that has not been started: what needs no database it answers all the same.
        super().__init__(_ROUTING, {}, cast("Engine", default_engine), **kwargs)

    def get_bind(self, *args: Any, **kwargs: Any) -> Engine | Connection:  # type: ignore[override]  # noqa: ANN401
        engine = super().get_bind(*args, **kwargs)
        return self._lent if self._lent is not None and self._lent.engine is engine else engine

    def read_from(self, selector: ReplicaSelector[Engine] | None) -> None:
        """From now on; None is the primary. It is for between two transactions."""
        self.give_back()
        self._selectors = {} if selector is None else {_ROUTING.read_group: selector}

    @property
    def is_routed(self) -> bool:
        """Whether it reads elsewhere than it writes."""
        return bool(self._selectors)

    def current(self) -> tuple[Connection, Any]:
        """That of the transaction under way, or the one without, and the driver's own.

        It is taken from the pool where there is none yet, or where the one that there was is lost.
        """
        if self.in_transaction():
            connection = self.connection()
        elif self._lent is None:
            connection = self._lent = super().get_bind().connect()
        else:
            connection = self._lent
        return connection, connection.connection.driver_connection

    @property
    def has_connection(self) -> bool:
        """Whether `current` has it at once."""
        return self._lent is not None and not self._lent.invalidated

    def close(self) -> None:
        super().close()
        self.give_back()

    def give_back(self) -> None:
        """The connection, between two transactions; nothing is sent, and so nothing is waited for."""
        if self._lent is not None:
            lent, self._lent = self._lent, None
            lent.close()


def give_back(session: AsyncSession) -> None:
    """The connection of a session without a transaction, which may ask further all the same."""
    own = session.sync_session
    if isinstance(own, OneConnection):
        own.give_back()


def holds_connection(session: AsyncSession) -> bool:
    """Whether closing the session gives a connection back."""
    own = session.sync_session
    return own.in_transaction() or (isinstance(own, OneConnection) and own.has_connection)


# A type for each set of columns, not each statement: those come and go, and what is kept by type would grow for ever.
@cache
def _row_of(names: tuple[str, ...]) -> Any:  # noqa: ANN401 - makes a named tuple of a row
    row: Any = namedtuple("Row", names)  # type: ignore[misc]
    return row._make


def row_of(columns: Iterable[ColumnElement[Any]]) -> Any:  # noqa: ANN401 - makes a named tuple of a row
    """What makes a row of these columns, with their names: of one type whichever statement gives them."""
    return _row_of(tuple(column.key or "" for column in columns))


class _Text:
    """The statement for asyncpg, with its parameters and columns as the dialect has them."""

    def __init__(self, prepared: "Prepared", dialect: Dialect) -> None:
        self._make = prepared.make
        compiled: Any = prepared.statement.compile(dialect=dialect, column_keys=[*prepared.given])
        self.sql = str(compiled)
        self.dbapi: Any = dialect.loaded_dbapi
        self._names = tuple(compiled.positiontup or ())
        defaults = {key: default.arg for key, default in prepared.given.items() if default is not None}
        self._defaults = [(key, default) for key, default in defaults.items() if callable(default)]
        self._literals = compiled.params | dict.fromkeys(prepared.given) | defaults
        self._inserts = bool(prepared.given)
        binds = compiled.binds.items()
        into = {key: bind.type.dialect_impl(dialect).bind_processor(dialect) for key, bind in binds}
        self._into = {key: processor for key, processor in into.items() if processor}
        columns = prepared.statement.exported_columns
        back = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]
        self._back = [(place, processor) for place, processor in enumerate(back) if processor]

    def arguments(self, values: dict[str, Any]) -> list[Any]:
        given = {**self._literals, **values}
        if self._inserts and len(given) > len(self._literals):
            raise TypeError(f"no column takes {', '.join(sorted(values.keys() - self._literals.keys()))}")
        for name, default in self._defaults:
            if name not in values:
                # SQLAlchemy gives it the context, at which no default of a model looks.
                given[name] = default(None)
        for name, processor in self._into.items():
            given[name] = processor(given[name])
        return [given[name] for name in self._names]

    def rows(self, records: Sequence[Any]) -> list[Any]:
        if not self._back:
            return [self._make(record) for record in records]
        return [self._make(self._processed([*record])) for record in records]

    def _processed(self, values: list[Any]) -> list[Any]:
        for place, processor in self._back:
            values[place] = processor(values[place])
        return values


class Prepared:
    """A statement whose columns have names of their own, and whose `bindparam`s are given when it is fetched.

    An INSERT takes columns; what is left out is what the model has for it, or else the database.
    """

    def __init__(self, statement: Select[*tuple[Any, ...]] | Insert) -> None:
        self.statement = statement
        self.make = row_of(statement.exported_columns)
        self.returns_rows = bool(statement.exported_columns)
        self.given = _given(statement) if isinstance(statement, Insert) else {}
        self._text: _Text | None = None

    def text(self, dialect: Dialect) -> _Text:
        if self._text is None:
            self._text = _Text(self, dialect)
        return self._text


def _given(statement: Insert) -> dict[str, Any]:
    """The columns that the database does not fill by itself, with what the model has for them where it has anything."""
    columns = statement.table.columns
    return {column.key: column.default for column in columns if column.default is not None or not column.server_default}


async def fetch(session: AnySession, prepared: Prepared, **values: object) -> list[Any]:
    """The rows, with the columns' names. Raises DBAPIError, and OSError as the driver does.

    In the session's transaction, where there is one, and after what it has pending; otherwise by itself, on the
    connection that the session has from then on.
    """
    return await _fetch(_own(session), prepared, values, begin=False)


async def carry_out(session: AnySession, prepared: Prepared, **values: object) -> list[Any]:
    """As `fetch`, in the session's transaction, which begins with it where there is none: for what changes or locks."""
    return await _fetch(_own(session), prepared, values, begin=True)


def _own(session: AnySession) -> AsyncSession:
    return session() if isinstance(session, async_scoped_session) else session


async def _fetch(session: AsyncSession, prepared: Prepared, values: dict[str, Any], *, begin: bool) -> list[Any]:
    own = session.sync_session
    if (begin or own.in_transaction()) and (own.new or own.dirty or own.deleted):
        await session.flush()
    if not isinstance(own, OneConnection) or not own.info.get(BY_DRIVER) or (begin and own.is_routed):
        return await _by_session(session, prepared, values)
    if begin and not own.in_transaction():
        own.begin()
    # Where a connection is there already, nothing is waited for.
    is_first = not own.has_connection
    connection, driver = await greenlet_spawn(own.current) if is_first else own.current()
    return await _by_driver(connection, driver, prepared.text(connection.dialect), values, is_first=is_first)


async def _by_session(session: AsyncSession, prepared: Prepared, values: dict[str, Any]) -> list[Any]:
    found = await session.execute(prepared.statement, values)
    return [prepared.make(row) for row in found] if prepared.returns_rows else []


async def _by_driver(
    connection: Connection,
    driver: Any,  # noqa: ANN401 - asyncpg has no types
    text: _Text,
    values: dict[str, Any],
    *,
    is_first: bool,
) -> list[Any]:
    began = time.monotonic()
    try:
        if connection.in_transaction() and not driver.is_in_transaction():
            await _begin(connection)
        return text.rows(await _ask(driver, text, values))
    except OF_ASYNCPG as exc:
        add_last_words(exc, driver, time.monotonic() - began if is_first else inf)
        if is_lost := driver.is_closed() or isinstance(exc, asyncpg.InternalClientError):
            connection.invalidate(exc)
        raise _as_of_session(exc, text.dbapi, is_lost=is_lost) from exc
    except BaseException as exc:
        # Out of time, cut off or cancelled: nobody knows what the connection would answer next.
        connection.invalidate(exc)
        raise


async def _ask(driver: Any, text: _Text, values: dict[str, Any]) -> list[Any]:  # noqa: ANN401 - asyncpg has no types
    try:
        records: list[Any] = await driver.fetch(text.sql, *text.arguments(values))
    except asyncpg.DataError:
        # Where an argument does not fit, asyncpg has sent the statement and leaves it at that: the server would keep
        # its locks, and a pooler the server's session for us, until the connection is used again.
        if not driver.is_in_transaction():
            await driver.execute("SELECT")
        raise
    return records


async def _begin(connection: Connection) -> None:
    """SQLAlchemy sends BEGIN with the first statement of its own, and would not know of another's."""
    adapter: Any = connection.connection.dbapi_connection
    try:
        await adapter._start_transaction()  # noqa: SLF001 - what its own statements begin with
    except adapter.dbapi.Error as exc:
        raise exc.__cause__ or exc from None


def _as_of_session(exc: Exception, dbapi: Any, *, is_lost: bool) -> DBAPIError:  # noqa: ANN401 - has no types
    broke = isinstance(exc, asyncpg.IntegrityConstraintViolationError)
    error = (dbapi.IntegrityError if broke else dbapi.Error)(str(exc), exc)
    error.__cause__ = exc
    kind = IntegrityError if broke else DBAPIError
    return kind(None, None, error, hide_parameters=True, connection_invalidated=is_lost)

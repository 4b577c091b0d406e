"""Looking at a database, storing rows and holding locks, from outside the application."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from tests.support.waiting import PATIENCE


def query(url: str, statement: str, **values: object) -> list[tuple[Any, ...]]:
    """Run a statement, commit, and return its rows."""
    with (_connected.get(url) or unpooled(url)).begin() as connection:
        result = connection.execute(text(statement), values)
        return [tuple(row) for row in result] if result.returns_rows else []


def insert(url: str, table: str, **values: object) -> UUID:
    """Store a row, and return its id."""
    row_id = uuid4()
    columns = {"id": row_id, **values}
    places = ", ".join(f":{column}" for column in columns)
    query(url, f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", **columns)
    return row_id


@lru_cache
def unpooled(url: str) -> Engine:
    """Return the URL's engine, which keeps no connection open.

    There is one for each URL, because an engine asks its server half a dozen questions at its first connection.
    """
    return create_engine(by_psycopg(url), poolclass=NullPool)


# The engines of databases that outlive a test. They are checked before use: a test may end every session.
_connected: dict[str, Engine] = {}


@contextmanager
def kept_connected(url: str) -> Iterator[None]:
    """Have `query` keep a connection to the database, which is connected to for many tests, until the end."""
    _connected[url] = create_engine(by_psycopg(url), pool_size=1, max_overflow=-1, pool_pre_ping=True)
    try:
        yield
    finally:
        _connected.pop(url).dispose()


def by_driver(url: str, driver: str) -> str:
    return make_url(url).set(drivername=driver).render_as_string(hide_password=False)


def by_psycopg(url: str) -> str:
    return by_driver(url, "postgresql+psycopg")


def tables(url: str) -> set[str]:
    """Return the tables, without partitions."""
    listed = (
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " AND NOT relispartition"
    )
    return {str(name) for (name,) in query(url, listed)}


def applied(url: str) -> list[str]:
    return [str(revision) for (revision,) in query(url, "SELECT version_num FROM alembic_version")]


@contextmanager
def holding(url: str, statement: str, **values: object) -> Iterator[Callable[..., None]]:
    """Run the statement and keep its locks until the end, when it is committed.

    Yields a function that returns once so many transactions wait for a lock, and it has then run another statement.
    """
    waiters = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with unpooled(url).connect() as connection, connection.begin():
        connection.execute(text(statement), values)

        def wait(count: int = 1, then: str = "SELECT") -> None:
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                # What pg_stat_activity shows stays as it is for the length of a transaction, unless cleared.
                connection.execute(text("SELECT pg_stat_clear_snapshot()"))
                if (connection.scalar(waiters) or 0) >= count:
                    connection.execute(text(then))
                    return
                connection.scalar(text("SELECT pg_sleep(0.01)"))
            raise AssertionError(f"fewer than {count} wait for a lock")

        yield wait

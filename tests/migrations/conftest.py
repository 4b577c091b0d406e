"""Looking at a database from outside the application."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.pool import NullPool

from app.db.url import normalize_database_url


@pytest.fixture(scope="session")
def dump_schema(postgres_bin: Path) -> Callable[[str], str]:
    """`pg_dump --schema-only` of a database."""

    def dump(url: str) -> str:
        command = [postgres_bin / "pg_dump", "--schema-only", "--restrict-key=fixed", normalize_database_url(url).libpq]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    return dump


def query(url: str, statement: str, **values: object) -> list[tuple[object, ...]]:
    """The rows of one statement, committed."""
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.begin() as connection:
        result = connection.execute(text(statement), values)
        return [tuple(row) for row in result] if result.returns_rows else []


def tables(url: str) -> set[str]:
    return {str(name) for (name,) in query(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def applied(url: str) -> list[str]:
    return [str(revision) for (revision,) in query(url, "SELECT version_num FROM alembic_version")]


@contextmanager
def holding(url: str, statement: str, **values: object) -> Iterator[Callable[..., None]]:
    """Runs the statement and keeps its locks until the end, when it is committed.

    Yields a function that returns once so many transactions wait for a lock.
    """
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    waiters = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with engine.connect() as connection, connection.begin():
        connection.execute(text(statement), values)

        def wait(count: int = 1) -> None:
            for _ in range(1000):
                # What pg_stat_activity shows stays as it is for the length of a transaction, unless cleared.
                connection.execute(text("SELECT pg_stat_clear_snapshot()"))
                if (connection.scalar(waiters) or 0) >= count:
                    return
                connection.scalar(text("SELECT pg_sleep(0.01)"))
            raise AssertionError(f"fewer than {count} wait for a lock")

        yield wait

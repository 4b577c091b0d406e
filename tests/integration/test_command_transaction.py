"""The transaction of a command outside of the server: what it stores, how long it waits, and what it tells."""

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable

import msgspec
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.command_transaction import require_schema, run_in_transaction
from app.migrator.signals import InterruptedBySignalError
from app.models import User
from app.postgres.errors import DatabaseUnreachableError, MigrationFailedError
from tests.conftest import settings_for
from tests.support.database import holding, query
from tests.support.waiting import PATIENCE, wait_until

pytestmark = pytest.mark.own_database

CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
Work = Callable[[AsyncSession], Awaitable[object]]


def stored(url: str) -> int:
    return len(query(url, "SELECT FROM users"))


def asking(statement: str) -> Work:
    async def ask(session: AsyncSession) -> object:
        session.add(User(subject="ahab"))
        await session.flush()
        return await session.scalar(text(statement))

    return ask


async def end_it(session: AsyncSession) -> None:
    await asking("SELECT 1")(session)
    assert threading.current_thread() is threading.main_thread()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.sleep(PATIENCE)


async def fail(session: AsyncSession) -> None:
    await asking("SELECT 1")(session)
    raise ZeroDivisionError


async def be_refused(session: AsyncSession) -> None:
    await asking("SELECT 1")(session)
    raise MigrationFailedError("for a reason of its own")


def test_work_is_stored_whole_and_leaves_no_connection(database_url: str) -> None:
    async def add(session: AsyncSession) -> User:
        assert session.in_transaction()
        user = User(subject="ahab")
        session.add(user)
        return user

    assert run_in_transaction(settings_for(database_url), add).subject == "ahab"
    assert stored(database_url) == 1
    wait_until(lambda: query(database_url, CONNECTIONS) == [(0,)])


@pytest.mark.parametrize(
    ("work", "error", "told"),
    [
        (fail, ZeroDivisionError, None),
        (be_refused, MigrationFailedError, r"^for a reason of its own$"),
        (end_it, InterruptedBySignalError, "SIGTERM"),
        (asking("SELECT 1 / 0"), MigrationFailedError, r"refused: .*division by zero"),
        (
            asking("SELECT 1 FROM nothing"),
            MigrationFailedError,
            r"behind this release: run `litestar database upgrade`",
        ),
        (asking("SELECT nothing FROM users"), MigrationFailedError, "behind this release"),
        (asking("SELECT pg_terminate_backend(pg_backend_pid())"), DatabaseUnreachableError, "was lost"),
    ],
)
def test_work_that_fails_stores_nothing_and_says_why(
    database_url: str, work: Work, error: type[Exception], told: str | None
) -> None:
    with pytest.raises(error, match=told) as raised:
        run_in_transaction(settings_for(database_url), work)
    assert "SELECT" not in str(raised.value)
    assert stored(database_url) == 0
    wait_until(lambda: query(database_url, CONNECTIONS) == [(0,)])


def test_table_that_somebody_holds_is_waited_for_a_while_alone(database_url: str) -> None:
    settings = msgspec.structs.replace(
        settings_for(database_url), db_migrate_lock_wait=0.1, db_migrate_lock_timeout=0.1
    )
    with (
        holding(database_url, "LOCK TABLE users"),
        pytest.raises(MigrationFailedError, match=r"could not be read within 0\.1 s"),
    ):
        run_in_transaction(settings, asking("SELECT 1"))


def test_database_that_is_away_is_waited_for_and_then_told_of() -> None:
    settings = msgspec.structs.replace(settings_for("postgresql://u@127.0.0.1:1/db"), db_connect_timeout=0.1)
    with pytest.raises(DatabaseUnreachableError, match="cannot be reached"):
        run_in_transaction(settings, asking("SELECT 1"))


def test_schema_is_at_head_or_serves_this_release(database_url: str) -> None:
    settings = settings_for(database_url)

    async def require(session: AsyncSession) -> None:
        await require_schema(session, settings)

    run_in_transaction(settings, require)
    query(database_url, "ALTER TABLE rate_limits RENAME TO another")
    with pytest.raises(MigrationFailedError, match="is behind this release"):
        run_in_transaction(settings, require)
    query(database_url, "ALTER TABLE another RENAME TO rate_limits")
    query(database_url, "INSERT INTO alembic_version VALUES ('newer')")
    query(database_url, "DELETE FROM alembic_version WHERE version_num <> 'newer'")
    with pytest.raises(MigrationFailedError, match="newer is a contract revision, or not recorded"):
        run_in_transaction(settings, require)
    query(database_url, "UPDATE alembic_version SET version_num = '1d9c6f0b7a31'")
    with pytest.raises(MigrationFailedError, match="is behind this release"):
        run_in_transaction(settings, require)

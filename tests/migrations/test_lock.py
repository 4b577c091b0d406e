"""The lock for schema changes: one holder, a wait that ends, and a death that frees it."""

import asyncio

import pytest
from sqlalchemy import text

from app.db.engine import create_unpooled_engine
from app.db.errors import MigrationFailedError
from app.db.migrations.lock import LOCK_KEY, migration_lock
from app.db.url import normalize_database_url
from tests.migrations.conftest import query
from tests.processes import environment, run


async def test_second_holder_waits_no_longer_than_told_and_learns_who_holds_it(database_url: str) -> None:
    engine = create_unpooled_engine(normalize_database_url(f"{database_url}&application_name=first+mate"), 5)
    async with migration_lock(engine, 1):
        with pytest.raises(MigrationFailedError, match=r"within 0\.2 s.*held by process \d+ .*first\+mate"):
            async with migration_lock(engine, 0.2):
                raise AssertionError("two hold it")
    async with migration_lock(engine, 1):
        pass


async def test_death_of_the_holder_frees_it(database_url: str) -> None:
    engine = create_unpooled_engine(normalize_database_url(database_url), 5)
    async with engine.connect() as holder:
        await holder.execution_options(isolation_level="AUTOCOMMIT")
        pid = await holder.scalar(text("SELECT pg_backend_pid()"))
        await holder.execute(text("SELECT pg_advisory_lock(:key)"), {"key": LOCK_KEY})

        async def take() -> str:
            async with migration_lock(engine, 10):
                return "taken"

        waiting = asyncio.create_task(take())
        await asyncio.to_thread(query, database_url, "SELECT pg_terminate_backend(:pid)", pid=pid)
        assert await waiting == "taken"
        await holder.invalidate()


def test_command_that_cannot_have_the_lock_says_so(database_url: str) -> None:
    engine = create_unpooled_engine(normalize_database_url(database_url), 5)

    async def migrate_meanwhile() -> object:
        async with migration_lock(engine, 1):
            env = environment(DATABASE_URL=database_url, DB_MIGRATE_LOCK_WAIT="0.1")
            return await asyncio.to_thread(run, "alembic", "upgrade", "head", env=env)

    result = asyncio.run(migrate_meanwhile())
    assert result.returncode == 3  # type: ignore[attr-defined]
    assert "The lock for schema changes was not free within 0.1 s" in result.stderr  # type: ignore[attr-defined]

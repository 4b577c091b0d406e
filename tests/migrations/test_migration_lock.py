"""The lock for schema changes: one holder, a wait that ends, and a death that frees it when its work is over."""

import asyncio
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.settings import Settings
from app.migrator.execution import executor
from app.migrator.locking.deadline import Deadline
from app.migrator.locking.migration_lock import migration_lock
from app.migrator.locking.table_locks import read_when_unlocked
from app.postgres.engine import create_unpooled_engine
from app.postgres.errors import MigrationFailedError
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import settings_for
from tests.migrations.conftest import HEAD, Release
from tests.support.database import applied, by_driver, holding, query
from tests.support.migrator import alembic_config, upgrade
from tests.support.processes import BIN, copied_checkout, environment, in_checkout, run
from tests.support.waiting import wait_until

BEFORE_THE_INDEX = "5b2e8a4c9d17"
INDEX = "8f3d1c7e2b64"


@asynccontextmanager
async def connection_to(url: str) -> AsyncIterator[AsyncConnection]:
    async with create_unpooled_engine(normalize_database_url(url), 5).connect() as connection:
        yield connection


async def test_second_holder_waits_no_longer_than_told_and_learns_who_holds_it(database_url: str) -> None:
    first_url = f"{database_url}&application_name=first+mate"
    async with (
        connection_to(first_url) as first,
        migration_lock(first, Deadline(1)),
        connection_to(database_url) as second,
    ):
        with pytest.raises(MigrationFailedError, match=r"within 0\.2 s.*held by process \d+ .*first\+mate"):
            async with migration_lock(second, Deadline(0.2)):
                raise AssertionError("two hold it")
    async with connection_to(database_url) as third, migration_lock(third, Deadline(1)):
        pass


async def test_holder_of_another_role_is_named_as_far_as_one_may_know(
    database_url: str, administer: Callable[[str], None]
) -> None:
    administer("DO $$ BEGIN CREATE ROLE weak_mate LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$")
    weak = make_url(database_url).set(username="weak_mate").render_as_string(hide_password=False)
    async with connection_to(database_url) as first, migration_lock(first, Deadline(1)), connection_to(weak) as second:
        with pytest.raises(MigrationFailedError, match=r"held by process \d+ \(of another database role\)"):
            async with migration_lock(second, Deadline(0.2)):
                raise AssertionError("two hold it")


async def test_death_of_the_holder_frees_it(database_url: str) -> None:
    async with connection_to(database_url) as holder:
        pid = (await holder.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one()
        async with migration_lock(holder, Deadline(1)), connection_to(database_url) as other:

            async def take() -> str:
                async with migration_lock(other, Deadline(10)):
                    return "taken"

            waiting = asyncio.create_task(take())
            await asyncio.to_thread(query, database_url, "SELECT pg_terminate_backend(:pid)", pid=pid)
            assert await waiting == "taken"
        await holder.invalidate()


async def test_command_that_cannot_have_the_lock_says_so(empty_database_url: str) -> None:
    async with connection_to(empty_database_url) as connection, migration_lock(connection, Deadline(1)):
        env = environment(DATABASE_URL=empty_database_url, DB_MIGRATE_LOCK_WAIT="0.1")
        result = await asyncio.to_thread(run, "alembic", "upgrade", "head", env=env)
    assert result.returncode == 3
    assert "The lock for schema changes was not free within 0.1 s" in result.stderr


def test_every_wait_of_an_upgrade_has_the_same_deadline(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan, the lock, and the plan under the lock share the time, instead of having all of it each."""
    begun: list[float] = []
    checked: list[Deadline] = []
    begin = Deadline.__init__

    def note_begin(deadline: Deadline, seconds: float) -> None:
        begun.append(seconds)
        begin(deadline, seconds)

    async def note_check(connection: AsyncConnection, deadline: Deadline, *arguments: Any) -> object:
        checked.append(deadline)
        return await read_when_unlocked(connection, deadline, *arguments)

    monkeypatch.setattr(Deadline, "__init__", note_begin)
    monkeypatch.setattr(executor, "read_when_unlocked", note_check)
    upgrade(settings_for(empty_database_url, db_migrate_lock_wait=7), BEFORE_THE_INDEX)
    assert begun == [7]
    assert len(checked) == 2


async def test_nothing_to_do_waits_for_no_lock(database_url: str) -> None:
    async with connection_to(database_url) as connection, migration_lock(connection, Deadline(1)):
        await asyncio.to_thread(upgrade, settings_for(database_url, db_migrate_lock_wait=0))


@pytest.mark.parametrize("table", ["schema_history", "alembic_version"])
@pytest.mark.parametrize("work", [upgrade, lambda settings: command.stamp(alembic_config(settings), "base")])
def test_notes_that_others_have_locked_are_waited_for_no_longer_than_a_table(
    database_url: str, release: Release, table: str, work: Callable[[Settings], object]
) -> None:
    """In its own bookkeeping as in a revision, and then it says what is in the way."""
    release.add("pass")
    before = applied(database_url)
    settings = settings_for(database_url, db_migrate_lock_timeout=0.1, db_migrate_lock_retries=0)
    said = pytest.raises(MigrationFailedError, match=r"lock timeout.*`litestar database doctor`")
    with holding(database_url, f"LOCK TABLE {table} IN SHARE MODE"), said:
        work(settings)
    assert applied(database_url) == before


def test_statement_of_a_killed_migration_keeps_the_next_one_out_until_it_is_over(
    database_url: str, tmp_path: Path
) -> None:
    checkout = copied_checkout(tmp_path / "checkout")
    (checkout / "migrations" / "versions" / "2026_12_01_0000_slow.py").write_text(
        f"""from alembic import op
revision = "slow000000ff"
down_revision = "{HEAD}"
phase = "expand"
def upgrade():
    with op.get_context().autocommit_block():
        op.execute("SELECT pg_advisory_lock(99)")
def downgrade():
    pass
"""
    )
    limits = {"DB_MIGRATE_LOCK_WAIT": "0.3", "DB_MIGRATE_LOCK_RETRIES": "0"}
    env = in_checkout(environment(DATABASE_URL=database_url, **limits), checkout)
    gate = subprocess.Popen(
        [BIN / "python", "-c", GATE, by_driver(database_url, "postgresql")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert gate.stdout is not None
    assert gate.stdin is not None
    assert gate.stdout.readline() == "closed\n"
    with subprocess.Popen([BIN / "alembic", "upgrade", "head"], env=env, cwd=checkout, stderr=subprocess.PIPE) as first:
        until_somebody_waits(database_url)
        first.send_signal(signal.SIGKILL)
        first.communicate()
    # Not by another process: the server finds out within 5 s that the first is gone.
    with pytest.raises(MigrationFailedError, match="The lock for schema changes was not free"):
        asyncio.run(take_the_lock(database_url))
    gate.communicate("open\n")
    second = run("alembic", "upgrade", "head", env={**env, "DB_MIGRATE_LOCK_WAIT": "20"}, cwd=checkout)
    assert second.returncode == 0, second.stderr
    assert applied(database_url) == ["slow000000ff"]


async def take_the_lock(url: str) -> None:
    async with connection_to(url) as connection, migration_lock(connection, Deadline(0.1)):
        pass


GATE = """
import sys, psycopg
with psycopg.connect(sys.argv[1], autocommit=True) as connection:
    connection.execute("SELECT pg_advisory_lock(99)")
    print("closed", flush=True)
    sys.stdin.readline()
"""


def until_somebody_waits(url: str) -> None:
    waits = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = 99 AND NOT granted"
    wait_until(lambda: query(url, waits), "somebody waits")


def test_invalid_index_of_a_failed_build_is_built_again(empty_database_url: str) -> None:
    settings = settings_for(empty_database_url)
    upgrade(settings, BEFORE_THE_INDEX)
    name = "ix_tasks_board_id_status_created_at_id"
    query(empty_database_url, f"CREATE INDEX {name} ON tasks (board_id, status, created_at, id)")
    query(empty_database_url, f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass")
    upgrade(settings, INDEX)
    valid = query(empty_database_url, f"SELECT indisvalid FROM pg_index WHERE indexrelid = '{name}'::regclass")
    assert valid == [(True,)]

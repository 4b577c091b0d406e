"""Every row of the DB_AUTO_MIGRATE table, alone and with several processes at once."""

import asyncio
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from app.db.migrator_config import migrator_config
from app.db.startup_policy import create_missing, init_db
from app.migrator.locking.migration_lock import LOCK_KEY
from app.migrator.revisions.loading import oldest_first
from app.models import metadata
from app.postgres.errors import DatabaseUnreachableError, MigrationFailedError
from app.postgres.settings_error import SettingsError
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import settings_for
from tests.support.database import applied, holding, query, tables, unpooled
from tests.support.migrator import downgrade, load_revisions, upgrade
from tests.support.processes import copied_checkout, environment, serving
from tests.support.revisions import history
from tests.support.startup_policy import start
from tests.support.stopping import polls_for_the_lock
from tests.support.waiting import PATIENCE, wait_until

OURS = set(metadata.tables)
FIRST = "1d9c6f0b7a31"


def head(url: str) -> list[str]:
    return list(load_revisions(settings_for(url)).get_heads())


async def test_auto_migration_upgrades_to_head(empty_database_url: str) -> None:
    assert await start(empty_database_url, auto_migrate=True) == []
    assert applied(empty_database_url) == head(empty_database_url)
    assert OURS <= tables(empty_database_url)


def test_auto_migration_from_an_old_revision_keeps_the_rows(empty_database_url: str, tmp_path: Path) -> None:
    upgrade(settings_for(empty_database_url), FIRST)
    query(empty_database_url, "INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'kept')")
    with serving(environment(DATABASE_URL=empty_database_url, DB_AUTO_MIGRATE="yes"), tmp_path / "log") as server:
        server.wait_until_ready()
    assert applied(empty_database_url) == head(empty_database_url)
    assert query(empty_database_url, "SELECT name FROM organizations") == [("kept",)]


def test_auto_migration_without_revisions_warns_and_creates_the_tables(empty_database_url: str, tmp_path: Path) -> None:
    checkout = without_revisions(copied_checkout(tmp_path))
    env = environment(DATABASE_URL=empty_database_url, DB_AUTO_MIGRATE="true")
    with serving(env, tmp_path / "log", cwd=checkout) as server:
        server.wait_until_ready()
        assert "there is no revision to apply" in server.log
    assert tables(empty_database_url) == OURS


async def test_empty_database_is_created_and_stamped(empty_database_url: str) -> None:
    assert await start(empty_database_url, auto_migrate=False) == []
    assert applied(empty_database_url) == head(empty_database_url)
    assert tables(empty_database_url) == OURS | {"alembic_version", "schema_history"}
    stamped = [("stamp", script.revision) for script in oldest_first(load_revisions(settings_for(empty_database_url)))]
    assert history(empty_database_url, "direction", "revision") == stamped


async def test_upgrade_after_create_all_has_nothing_to_do(empty_database_url: str) -> None:
    await start(empty_database_url, auto_migrate=False)
    assert await start(empty_database_url, auto_migrate=True) == []
    assert applied(empty_database_url) == head(empty_database_url)


async def test_database_at_head_is_left_as_it_is(database_url: str, dump_schema: Callable[[str], str]) -> None:
    before = dump_schema(database_url)
    assert await start(database_url, auto_migrate=False) == []
    assert dump_schema(database_url) == before


async def test_database_that_is_behind_leaves_pending_tables_alone(database_url: str) -> None:
    """At base every table is still to be created by a revision; a table that none creates is created."""
    downgraded = settings_for(database_url)
    await asyncio.to_thread(downgrade, downgraded, "base", accept_data_loss=True)
    warnings = await start(database_url, auto_migrate=False)
    assert tables(database_url) == {"alembic_version", "schema_history"}
    assert applied(database_url) == []
    assert len(warnings) == 1
    assert all(script.revision in warnings[0] for script in load_revisions(downgraded).walk_revisions())


async def test_database_that_is_behind_gets_the_tables_that_no_revision_creates(database_url: str) -> None:
    await asyncio.to_thread(downgrade, settings_for(database_url), FIRST, accept_data_loss=True)
    query(database_url, "DROP TABLE task_tags")
    warnings = await start(database_url, auto_migrate=False)
    assert "task_tags" in tables(database_url)
    assert applied(database_url) == [FIRST]
    assert len(warnings) == 1
    assert "behind" in warnings[0]
    assert FIRST not in warnings[0]


async def test_unmanaged_database_gets_what_is_missing_and_is_told_how_to_be_adopted(database_url: str) -> None:
    query(database_url, "DROP TABLE alembic_version")
    query(database_url, "DROP TABLE task_comments")
    warnings = await start(database_url, auto_migrate=False)
    assert tables(database_url) == OURS | {"schema_history"}
    assert len(warnings) == 1
    assert "stamp head" in warnings[0]


async def test_database_ahead_of_this_release_is_left_alone(database_url: str) -> None:
    query(database_url, "DROP TABLE task_comments")
    query(database_url, "UPDATE alembic_version SET version_num = 'from_the_future'")
    warnings = await start(database_url, auto_migrate=False)
    assert "task_comments" not in tables(database_url)
    assert len(warnings) == 1
    assert "from_the_future" in warnings[0]


@pytest.mark.parametrize("state", ["at head", "ahead", "unmanaged", "at base"])
async def test_start_with_nothing_to_create_takes_no_lock_and_would_do_nothing_under_it(
    database_url: str, state: str
) -> None:
    """Under the lock the state is read anew: another process may have been quicker."""
    if state == "ahead":
        query(database_url, "DROP TABLE task_comments")
        query(database_url, "UPDATE alembic_version SET version_num = 'from_the_future'")
    if state == "unmanaged":
        query(database_url, "DROP TABLE alembic_version")
    if state == "at base":
        await asyncio.to_thread(downgrade, settings_for(database_url), "base", accept_data_loss=True)
    before = tables(database_url), state == "unmanaged" or applied(database_url)
    settings = settings_for(database_url, db_auto_migrate=False, db_migrate_lock_wait=0.05)
    with holding(database_url, f"SELECT pg_advisory_xact_lock({LOCK_KEY})"):
        await init_db(settings, normalize_database_url(database_url))
    with unpooled(database_url).begin() as connection, capture_logs() as logs:
        create_missing(connection, load_revisions(settings), migrator_config(settings))
    assert (tables(database_url), state == "unmanaged" or applied(database_url)) == before
    assert [entry for entry in logs if entry["event"].startswith("created")] == []


async def test_tables_are_created_under_the_lock_alone(empty_database_url: str) -> None:
    settings = settings_for(empty_database_url, db_auto_migrate=False, db_migrate_lock_wait=0.05)
    held = holding(empty_database_url, f"SELECT pg_advisory_xact_lock({LOCK_KEY})")
    with held, pytest.raises(MigrationFailedError):
        await init_db(settings, normalize_database_url(empty_database_url))
    assert tables(empty_database_url) == set()


@pytest.mark.parametrize(
    "rename",
    [
        'op.rename_table("remarks", "task_comments")',
        'op.execute("DO $$ BEGIN ALTER TABLE remarks RENAME TO task_comments; END $$")',
    ],
    ids=["renaming", "code that cannot be read"],
)
def test_table_that_a_pending_revision_makes_is_left_to_it(database_url: str, tmp_path: Path, rename: str) -> None:
    query(database_url, "ALTER TABLE task_comments RENAME TO remarks")
    checkout = copied_checkout(tmp_path / "checkout")
    (checkout / "migrations" / "versions" / "2026_12_01_0000_rename.py").write_text(
        f"""from alembic import op
revision = "rename0000ff"
down_revision = {head(database_url)[0]!r}
phase = "expand"
def upgrade():
    {rename}
def downgrade():
    pass
"""
    )
    env = environment(DATABASE_URL=database_url, DB_AUTO_MIGRATE="false")
    with serving(env, tmp_path / "log", cwd=checkout) as server:
        wait_until(lambda: "rename0000ff" in server.log, "it warns of the pending revision")
        wait_until(lambda: answers(server.url) == 503, "it serves, and is not ready")
    assert "task_comments" not in tables(database_url)


async def test_version_table_with_two_rows_of_one_line_is_read_all_the_same(database_url: str) -> None:
    query(database_url, "INSERT INTO alembic_version VALUES (:first)", first=FIRST)
    assert await start(database_url, auto_migrate=False) == []


async def test_create_all_does_not_queue_behind_a_table_in_use(database_url: str) -> None:
    query(database_url, "DROP TABLE alembic_version, schema_history, tags CASCADE")
    settings = settings_for(database_url, db_migrate_lock_timeout=0.05)
    busy = holding(database_url, "LOCK TABLE organizations IN ROW EXCLUSIVE MODE")
    with busy, pytest.raises(MigrationFailedError, match=r"could not be created from the models: .* lock timeout"):
        await init_db(settings, normalize_database_url(database_url))
    await start(database_url, auto_migrate=False)
    assert "tags" in tables(database_url)


async def test_create_all_that_loses_its_connection_says_so(database_url: str) -> None:
    query(database_url, "DROP TABLE alembic_version, schema_history, tags CASCADE")
    settings = settings_for(database_url, db_migrate_lock_timeout=PATIENCE)
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with holding(database_url, "LOCK TABLE organizations IN ROW EXCLUSIVE MODE") as wait:
        starting = asyncio.create_task(init_db(settings, normalize_database_url(database_url)))
        await asyncio.to_thread(wait, 1, f"{end} AND datname = current_database()")
        with pytest.raises(DatabaseUnreachableError, match="was lost"):
            await starting


async def test_create_all_and_upgrade_make_the_same_schema(
    empty_database_url: str, database_url: str, dump_schema: Callable[[str], str]
) -> None:
    await start(empty_database_url, auto_migrate=False)
    created, migrated = dump_schema(empty_database_url), dump_schema(database_url)
    assert "CREATE TABLE public.tasks" in created
    assert created == migrated


@pytest.mark.parametrize("policy", ["auto without revisions", "not auto"])
def test_four_processes_at_once_on_an_empty_database_all_come_up(
    empty_database_url: str, tmp_path: Path, policy: str
) -> None:
    checkout = copied_checkout(tmp_path)
    if policy == "auto without revisions":
        without_revisions(checkout)
    env = environment(DATABASE_URL=empty_database_url, DB_AUTO_MIGRATE="false" if policy == "not auto" else "true")
    with ExitStack() as stack:
        with holding(empty_database_url, f"SELECT pg_advisory_xact_lock({LOCK_KEY})"):
            servers = [stack.enter_context(serving(env, tmp_path / f"log{n}", cwd=checkout)) for n in range(4)]
            wait_until(lambda: polls_for_the_lock(empty_database_url) == 4, "all stand before the lock")
        for server in servers:
            server.wait_until_ready()
        for server in servers:
            server.stop()
        logs = [server.log for server in servers]
    assert OURS <= tables(empty_database_url)
    assert not [line for log in logs for line in log.splitlines() if '"error"' in line or "Traceback" in line]


def answers(url: str) -> int | None:
    try:
        return httpx.get(f"{url}/readyz", timeout=PATIENCE).status_code
    except httpx.TransportError:
        return None


def without_revisions(checkout: Path) -> Path:
    shutil.rmtree(checkout / "migrations" / "versions")
    (checkout / "migrations" / "versions").mkdir()
    shutil.rmtree(checkout / "migrations" / "baselines")
    return checkout


async def test_application_without_its_revisions_says_where_it_runs(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An installation from the wheel alone has no revisions."""
    monkeypatch.setattr("app.db.migrator_config.ROOT", tmp_path)
    with pytest.raises(SettingsError, match="Run the application from a checkout or from the image"):
        await init_db(settings_for(empty_database_url), normalize_database_url(empty_database_url))

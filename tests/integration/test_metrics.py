"""What Prometheus reads of the schema and of requests."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from platform import python_version
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import bindparam, make_url, select, text
from sqlalchemy.exc import DBAPIError

from app import __version__
from app.core.settings import Settings
from app.db.migrator_config import migrator_config
from app.db.plugin import DatabasePlugin
from app.db.request.prepared import PreparedStatement, fetch_rows
from app.migrator.backfill.control import pause
from app.migrator.locking.migration_lock import LOCK_KEY
from app.migrator.partitions.months import add_months, month_start, partition_name
from app.migrator.partitions.state import MONTHS_AHEAD
from app.models import Tag
from app.postgres.pool import FairPool
from tests.conftest import database_named, settings_for
from tests.migrations.conftest import HEAD, REVISIONS
from tests.support.api import BOARDS, create_task
from tests.support.database import holding, query, unpooled
from tests.support.metrics import scraped
from tests.support.readiness import client_with_readiness_of
from tests.support.sse import reading
from tests.support.waiting import until


async def test_metrics_show_the_schema_and_the_last_migration(client: httpx.AsyncClient) -> None:
    found = await scraped(client)
    assert found["plimsoll_database_up"] == 1
    assert found[f"plimsoll_schema_revision_info current={HEAD} head={HEAD}"] == 1
    assert found["plimsoll_schema_pending_revisions"] == 0
    assert found["plimsoll_schema_serves_release"] == 1
    assert found["plimsoll_migration_last_outcome plimsoll_migration_last_outcome=done"] == 1
    assert found["plimsoll_migration_last_outcome plimsoll_migration_last_outcome=failed"] == 0
    assert found["plimsoll_migration_last_duration_seconds"] > 0


async def test_metrics_show_what_is_pending_and_what_failed(client: httpx.AsyncClient, database_url: str) -> None:
    query(database_url, "UPDATE alembic_version SET version_num = '5b2e8a4c9d17'")
    query(database_url, "UPDATE schema_history SET outcome = 'failed' WHERE revision = :head", head=HEAD)
    found = await scraped(client)
    assert found["plimsoll_schema_pending_revisions"] == len(REVISIONS) - 2
    assert found["plimsoll_schema_serves_release"] == 0
    assert found["plimsoll_migration_last_outcome plimsoll_migration_last_outcome=failed"] == 1


async def test_metrics_without_a_database_say_that_it_is_down(settings: Settings, database_url: str) -> None:
    async with client_with_readiness_of(settings, database_named(database_url, "gone")) as client:
        found = await scraped(client)
    # The rest counts what this process has done before.
    of_the_schema = ("plimsoll_database", "plimsoll_schema", "plimsoll_migration")
    assert {name: found[name] for name in found if name.startswith(of_the_schema)} == {"plimsoll_database_up": 0}


async def test_metrics_of_a_schema_without_history_say_nothing_of_it(
    client: httpx.AsyncClient, database_url: str
) -> None:
    query(database_url, "DROP TABLE schema_history")
    assert not [name for name in await scraped(client) if name.startswith("plimsoll_migration_last")]


async def test_metrics_show_how_far_backfills_are(client: httpx.AsyncClient, database_url: str) -> None:
    assert not [name for name in await scraped(client) if name.startswith("plimsoll_backfill")]
    await asyncio.to_thread(pause, migrator_config(settings_for(database_url)), ["tasks_organization"])
    query(database_url, "UPDATE schema_backfills SET rows_seen = 5, total = 20")
    found = await scraped(client)
    assert found["plimsoll_backfill_rows_seen backfill=tasks_organization"] == 5
    assert found["plimsoll_backfill_rows backfill=tasks_organization"] == 20
    state = "plimsoll_backfill_state backfill=tasks_organization plimsoll_backfill_state="
    assert (found[f"{state}paused"], found[f"{state}running"], found[f"{state}done"]) == (1, 0, 0)
    assert found["plimsoll_backfill_last_batch_timestamp_seconds backfill=tasks_organization"] > 0


async def test_role_that_may_not_read_the_backfills_serves_all_the_same(
    settings: Settings, database_url: str, administer: Callable[[str], None]
) -> None:
    await asyncio.to_thread(pause, migrator_config(settings_for(database_url)), ["tasks_organization"])
    role = f"app_{uuid4().hex}"
    administer(f"CREATE ROLE {role} LOGIN")
    query(database_url, f"GRANT SELECT ON alembic_version, schema_history TO {role}")
    url = make_url(database_url).set(username=role).render_as_string(hide_password=False)
    async with client_with_readiness_of(settings, url) as client:
        assert (await client.get("/readyz")).status_code == 200
        found = await scraped(client)
    assert found["plimsoll_database_up"] == 1
    assert not [name for name in found if name.startswith("plimsoll_backfill")]
    query(database_url, f"DROP OWNED BY {role}")
    administer(f"DROP ROLE {role}")


async def test_metrics_count_what_each_layer_answers(client: httpx.AsyncClient) -> None:
    """Sign-in, routing and parsing answer, too; the scrape itself is counted when it is answered."""
    before = await scraped(client)
    assert (await client.get(BOARDS)).status_code == 200
    assert (await client.get(BOARDS, headers={"Authorization": "Bearer wrong"})).status_code == 401
    assert (await client.put(BOARDS)).status_code == 405
    assert (await client.get("/api/v1/nothing")).status_code == 404
    assert (await client.post(BOARDS, content=b"x" * 2_000_000)).status_code == 413
    found = await scraped(client)
    added = {name: value - before.get(name, 0) for name, value in found.items() if value != before.get(name, 0)}
    assert {name: value for name, value in added.items() if name.startswith("plimsoll_requests_total")} == {
        "plimsoll_requests_total method=GET operation=list_boards status=200": 1,
        "plimsoll_requests_total method=GET operation=list_boards status=401": 1,
        "plimsoll_requests_total method=POST operation=create_board status=413": 1,
        "plimsoll_requests_total method=PUT operation=unknown status=405": 1,
        "plimsoll_requests_total method=GET operation=unknown status=404": 1,
        "plimsoll_requests_total method=GET operation=/metrics status=200": 1,
    }
    assert added["plimsoll_request_duration_seconds_count method=GET operation=list_boards"] == 2
    # The scrape is under way itself.
    assert found["plimsoll_requests_in_progress"] == 1


def running(url: str) -> None:
    """Record that a step has begun."""
    query(
        url,
        "INSERT INTO schema_history (revision, phase, direction, outcome, retries, applied_by, release, checksum)"
        " VALUES ('abc', 'contract', 'upgrade', 'running', 2, 'a test', '1', '')",
    )


async def test_metrics_show_the_migration_under_way_and_who_waits(client: httpx.AsyncClient, database_url: str) -> None:
    labels = "direction=upgrade phase=contract revision=abc"
    with holding(database_url, "SELECT FROM tags") as waiting, unpooled(database_url).connect() as migration:
        migration.execute(text(f"SELECT pg_advisory_lock({LOCK_KEY})"))
        migration.commit()
        running(database_url)
        found = await scraped(client)
        assert found[f"plimsoll_migration_running {labels}"] == 1
        assert found[f"plimsoll_migration_running_seconds {labels}"] > 0
        assert found[f"plimsoll_migration_running_retries {labels}"] == 2
        assert found["plimsoll_migration_lock_wait_seconds"] == 0
        assert found["plimsoll_migration_blocked_sessions"] == 0
        locking = asyncio.to_thread(migration.execute, text("LOCK TABLE tags"))
        migrating = asyncio.create_task(locking)
        await asyncio.to_thread(waiting, 1)
        reading_tags = asyncio.create_task(client.get("/api/v1/tags"))
        await asyncio.to_thread(waiting, 2)
        found = await scraped(client)
        assert found["plimsoll_migration_lock_wait_seconds"] > 0
        assert found["plimsoll_migration_blocked_sessions"] == 1
        waiting(then="ROLLBACK")
        await migrating
        migration.rollback()
        assert (await reading_tags).status_code == 200


async def test_killed_migration_is_not_under_way(client: httpx.AsyncClient, database_url: str) -> None:
    running(database_url)
    found = await scraped(client)
    assert not [name for name in found if name.startswith("plimsoll_migration_running")]
    assert found["plimsoll_migration_last_outcome plimsoll_migration_last_outcome=running"] == 1


async def test_metrics_show_how_far_ahead_partitions_are(client: httpx.AsyncClient, database_url: str) -> None:
    name = "plimsoll_partition_months_ahead table=activity_events"
    assert (await scraped(client))[name] == MONTHS_AHEAD
    next_month = add_months(month_start(datetime.now(UTC)), 1)
    partition = partition_name("activity_events", next_month, add_months(next_month, 1))
    query(database_url, f"DROP TABLE {partition}")
    found = await scraped(client)
    assert found[name] == 0
    assert found["plimsoll_partition_default_used table=activity_events"] == 0


async def test_metrics_show_the_rest_while_a_partition_is_locked(client: httpx.AsyncClient, database_url: str) -> None:
    with holding(database_url, "LOCK TABLE activity_events_default"):
        found = await scraped(client)
    assert found["plimsoll_migration_blocked_sessions"] == 0
    assert not [name for name in found if name.startswith("plimsoll_partition")]


async def test_metrics_show_the_pool_and_who_waits_for_it(client: httpx.AsyncClient, app: Litestar) -> None:
    engine = app.plugins.get(DatabasePlugin).engine
    pool = engine.sync_engine.pool
    assert isinstance(pool, FairPool)
    limit = int((await scraped(client))["plimsoll_pool_limit server=primary"])
    async with AsyncExitStack() as stack:
        for _ in range(limit):
            await stack.enter_async_context(engine.connect())
        waiting = asyncio.create_task(client.get(BOARDS))
        await until(lambda: pool.usage().waiting == 1, "it waits")
        found = await scraped(client)
        assert found["plimsoll_pool_in_use server=primary"] == limit
        assert found["plimsoll_pool_waiting server=primary"] == 1
    assert (await waiting).status_code == 200
    found = await scraped(client)
    assert (found["plimsoll_pool_in_use server=primary"], found["plimsoll_pool_waiting server=primary"]) == (0, 0)
    assert found["plimsoll_pool_waits_total server=primary"] == 1
    assert found["plimsoll_pool_wait_seconds_total server=primary"] > 0


async def test_statements_of_both_kinds_are_measured_also_those_that_fail(
    client: httpx.AsyncClient, app: Litestar
) -> None:
    async def measured() -> float:
        return (await scraped(client))["plimsoll_statement_duration_seconds_count"]

    prepared = PreparedStatement(select(Tag.id).where(Tag.id == bindparam("id")))
    async with app.plugins.get(DatabasePlugin).sessions() as session:
        before = await measured()
        await session.execute(text("SELECT 1"))
        assert await measured() == before + 1
        with pytest.raises(DBAPIError):
            await session.execute(text("SELECT 1 / 0"))
        assert await measured() == before + 2
        await session.rollback()
        assert await fetch_rows(session, prepared, id=uuid4()) == []
        assert await measured() == before + 3
        with pytest.raises(DBAPIError):
            await fetch_rows(session, prepared, id="no uuid")
        assert await measured() == before + 4


async def test_metrics_show_streams_and_how_late_their_events_are(
    client: httpx.AsyncClient, app: Litestar, tasks_url: str
) -> None:
    before = await scraped(client)
    assert before["plimsoll_streams_open"] == 0
    async with reading(app, f"{tasks_url}/stream") as stream:
        # A reader is sent what follows its first poll live, and what came before it from the table.
        await create_task(client, tasks_url)
        await stream.next()
        assert (await scraped(client))["plimsoll_streams_open"] == 1
        await create_task(client, tasks_url)
        await stream.next()
    found = await scraped(client)
    assert found["plimsoll_streams_open"] == 0
    assert found["plimsoll_event_delay_seconds_count"] > before["plimsoll_event_delay_seconds_count"]


async def test_metrics_show_what_serves(client: httpx.AsyncClient) -> None:
    (build,) = [name for name in await scraped(client) if name.startswith("plimsoll_build_info")]
    assert f"version={__version__}" in build
    assert f"python={python_version()}" in build

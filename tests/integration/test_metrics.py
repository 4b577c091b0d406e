"""What Prometheus reads of the schema and of requests."""

import asyncio
from collections.abc import Callable
from uuid import uuid4

import httpx
from sqlalchemy import make_url

from app.core.settings import Settings
from app.db.migrator_config import migrator_config
from app.migrator.backfill.control import pause
from tests.conftest import database_named, settings_for
from tests.migrations.conftest import HEAD, REVISIONS
from tests.support.api import BOARDS
from tests.support.database import query
from tests.support.metrics import scraped
from tests.support.readiness import client_with_readiness_of


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
    assert not [name for name in await scraped(client) if name.startswith("plimsoll_migration")]


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

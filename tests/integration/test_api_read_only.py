"""A database that can only be read, as after a failover or when a provider's disk is full: reads go on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import make_url, text

from app.asgi import create_app
from app.core.settings import Settings
from tests.conftest import client_of, settings_for, started
from tests.support.api import ORGANIZATION
from tests.support.database import by_driver, query, unpooled
from tests.support.migrator import upgrade
from tests.support.sse import reading
from tests.support.throwaway_postgres import copy_as_standby, new_cluster, running

ME = "/api/v1/users/me"


@pytest.fixture
async def token(client: httpx.AsyncClient) -> str:
    return (await client.post(f"{ME}/tokens", json={"name": "Laptop"})).json()["token"]


@pytest.fixture
async def webhook(client: httpx.AsyncClient, board: dict[str, Any]) -> str:
    """Return the path to which others send payloads."""
    made = await client.post(f"/api/v1/boards/{board['id']}/webhooks", json={"description": "Harbour"})
    return made.json()["endpoint_path"]


@pytest.fixture(params=["postgresql", "postgresql+psycopg"])
async def read_only(
    request: pytest.FixtureRequest, token: str, webhook: str, database_url: str, administer: Callable[[str], None]
) -> AsyncIterator[Litestar]:
    """An application whose sessions cannot write any more; what it has was made before."""
    name = make_url(database_url).database
    administer(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    url = by_driver(database_url, request.param)
    async with started(create_app(settings_for(url))) as application:
        yield application


async def test_reads_go_on_and_writes_are_503(
    read_only: Litestar, board: dict[str, Any], token: str, database_url: str
) -> None:
    tasks = f"/api/v1/boards/{board['id']}/tasks"
    async with client_of(read_only) as shared, client_of(read_only, token) as laptop:
        for client in (shared, laptop):
            for path in (ME, "/api/v1/boards", tasks, "/api/v1/activity"):
                assert (await client.get(path)).status_code == 200, path
            for headers in ({}, {"Idempotency-Key": "once"}):
                refused(await client.post(tasks, json={"title": "Load the barrels"}, headers=headers))
            refused(await client.patch(f"/api/v1/boards/{board['id']}", json={"name": "Hold"}))
            refused(await client.delete(f"/api/v1/boards/{board['id']}"))
    assert query(database_url, "SELECT count(*) FROM tasks") == [(0,)]
    assert query(database_url, "SELECT last_used_at FROM personal_tokens") == [(None,)]


async def test_person_in_no_organization_reads_what_needs_none(read_only: Litestar, database_url: str) -> None:
    write(database_url, "DELETE FROM organization_members")
    async with client_of(read_only) as client:
        for path in (ME, f"{ORGANIZATION}/list"):
            assert (await client.get(path)).status_code == 200, path
        refused(await client.get("/api/v1/boards"))


async def test_person_falls_back_to_another_organization(read_only: Litestar, database_url: str) -> None:
    write(database_url, "UPDATE users SET active_organization_id = NULL")
    async with client_of(read_only) as client:
        assert (await client.get(ORGANIZATION)).json()["name"] == "Personal"


async def test_use_of_a_token_that_cannot_be_recorded_for_another_reason_is_an_error(
    app: Litestar, token: str, database_url: str
) -> None:
    query(database_url, "ALTER TABLE personal_tokens ADD CONSTRAINT unused CHECK (last_used_at IS NULL)")
    async with client_of(app, token) as laptop:
        assert (await laptop.get(ME)).status_code == 409
    query(database_url, "ALTER TABLE personal_tokens DROP CONSTRAINT unused")


async def test_organization_that_cannot_be_made_for_another_reason_is_an_error(
    app: Litestar, token: str, database_url: str
) -> None:
    query(database_url, "DELETE FROM organization_members")
    query(database_url, "ALTER TABLE organizations ADD CONSTRAINT unmade CHECK (name <> 'Personal') NOT VALID")
    async with client_of(app, token) as laptop:
        assert (await laptop.get(ME)).status_code == 409


async def test_failed_sign_ins_and_webhooks_are_503(read_only: Litestar, webhook: str) -> None:
    async with client_of(read_only, "plp_" + "x" * 43) as unknown, client_of(read_only, "wrong") as wrong:
        refused(await unknown.get(ME))
        refused(await wrong.get(ME))
    async with client_of(read_only, None) as harbour:
        refused(await harbour.post(webhook, json={"tide": "high"}))


@pytest.mark.usefixtures("patient_readiness")
async def test_readiness_says_that_it_is_read_only(read_only: Litestar) -> None:
    async with client_of(read_only, None) as probe:
        answer = refused(await probe.get("/readyz"))
        assert (await probe.get("/healthz")).status_code == 200
    assert "default_transaction_read_only" in answer["detail"]


@pytest.mark.usefixtures("patient_readiness")
async def test_standby_after_a_failover_is_read_and_not_written_to() -> None:
    with new_cluster("host all all 127.0.0.1/32 trust\nlocal all all trust\n") as directory:
        with running(directory) as primary:
            settings = settings_for(f"postgresql://postgres@127.0.0.1:{primary.port}/postgres")
            await asyncio.to_thread(upgrade, settings)
            async with started(create_app(settings)) as application, client_of(application) as client:
                board = (await client.post("/api/v1/boards", json={"name": "B", "slug": "b", "description": ""})).json()
                token = (await client.post(f"{ME}/tokens", json={"name": "Laptop"})).json()["token"]
        with running(copy_as_standby(directory)) as standby:
            settings = settings_for(f"postgresql://postgres@127.0.0.1:{standby.port}/postgres")
            async with started(create_app(settings)) as application, client_of(application, token) as client:
                one = f"/api/v1/boards/{board['id']}"
                for path in (ME, "/api/v1/boards", f"{one}/tasks", f"{one}/snapshot", "/api/v1/metrics/dashboard"):
                    assert (await client.get(path)).status_code == 200, path
                refused(await client.post(f"{one}/tasks", json={"title": "Load the barrels"}))
                not_ready = refused(await client.get("/readyz"))
                assert f"127.0.0.1:{standby.port} cannot be written to: it is a standby" in not_ready["detail"]
                async with reading(application, "/api/v1/agents/stream", token=token):
                    pass


@pytest.mark.usefixtures("patient_readiness")
async def test_what_becomes_writable_again_is_written_to(
    app: Litestar, client: httpx.AsyncClient, settings: Settings, database_url: str, administer: Callable[[str], None]
) -> None:
    name = make_url(database_url).database
    end = f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'"
    board = {"name": "Deck", "slug": "deck", "description": ""}
    for value, status in (("on", 503), ("off", 201)):
        administer(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {value}')
        administer(end)
        assert (await client.post("/api/v1/boards", json=board)).status_code == status
        assert (await client.get("/readyz")).status_code == {503: 503, 201: 200}[status]


def write(url: str, statement: str) -> None:
    """Change what is stored all the same, as another server did before."""
    with unpooled(url).execution_options(postgresql_readonly=False).begin() as connection:
        connection.execute(text(statement))


def refused(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 503, response.text
    assert response.json()["code"] == "database_read_only"
    assert response.headers["retry-after"]
    return response.json()

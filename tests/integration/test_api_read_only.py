"""A database that can only be read, as after a failover or when a provider's disk is full: reads go on."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlalchemy import make_url

from app.asgi import create_app
from app.core.config import Settings
from tests.conftest import client_of, settings_for, started
from tests.migrations.conftest import query

ME = "/api/v1/users/me"


@pytest.fixture
async def token(client: httpx.AsyncClient) -> str:
    return (await client.post(f"{ME}/tokens", json={"name": "Laptop"})).json()["token"]


@pytest.fixture
async def webhook(client: httpx.AsyncClient, board: dict[str, Any]) -> str:
    """Where others send what came in."""
    made = await client.post(f"/api/v1/boards/{board['id']}/webhooks", json={"description": "Harbour"})
    return made.json()["endpoint_path"]


@pytest.fixture(params=["postgresql", "postgresql+psycopg"])
async def read_only(
    request: pytest.FixtureRequest,
    token: str,
    webhook: str,
    database_url: str,
    administer: Callable[[str], None],
) -> AsyncIterator[Litestar]:
    """An application whose sessions cannot write any more; what it has was made before."""
    name = make_url(database_url).database
    administer(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    url = make_url(database_url).set(drivername=request.param).render_as_string(hide_password=False)
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


async def test_failed_sign_ins_and_webhooks_are_503(read_only: Litestar, webhook: str) -> None:
    async with client_of(read_only, "plp_" + "x" * 43) as unknown, client_of(read_only, "wrong") as wrong:
        refused(await unknown.get(ME))
        refused(await wrong.get(ME))
    async with client_of(read_only, None) as harbour:
        refused(await harbour.post(webhook, json={"tide": "high"}))


async def test_readiness_says_that_it_is_read_only(read_only: Litestar) -> None:
    async with client_of(read_only, None) as probe:
        answer = refused(await probe.get("/readyz"))
        assert (await probe.get("/healthz")).status_code == 200
    assert "default_transaction_read_only" in answer["detail"]


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


def refused(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 503, response.text
    assert response.json()["code"] == "database_read_only"
    assert response.headers["retry-after"]
    return response.json()

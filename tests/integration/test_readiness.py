"""Health never touches the database; readiness does, and says what is wrong."""

import asyncio
from collections.abc import Callable

import httpx
import pytest
from sqlalchemy import event, make_url

from app.core.settings import Settings
from app.db.plugin import DatabasePlugin
from tests.migrations.conftest import REVISIONS
from tests.support.database import query
from tests.support.readiness import client_with_readiness_of
from tests.support.waiting import loop_clock


@pytest.mark.usefixtures("patient_readiness")
async def test_ready_when_the_schema_is_at_head(settings: Settings, database_url: str) -> None:
    async with client_with_readiness_of(settings, database_url) as client:
        response = await client.get("/readyz")
    assert response.status_code == 200


@pytest.mark.parametrize("path", ["/health", "/healthz"])
async def test_health_never_touches_the_database(client: httpx.AsyncClient, path: str) -> None:
    engine = client._transport.app.plugins.get(DatabasePlugin).engine.sync_engine  # type: ignore[attr-defined]
    touched: list[object] = []
    event.listen(engine, "do_connect", lambda *args: touched.append(args))
    event.listen(engine, "before_cursor_execute", lambda *args: touched.append(args))
    response = await client.get(path, headers={"Authorization": "Bearer wrong"})
    assert (response.status_code, response.json()) == (200, {"status": "ok", "ok": True})
    assert touched == []


@pytest.mark.usefixtures("patient_readiness")
async def test_schema_behind_is_503_with_the_reason(settings: Settings, database_url: str) -> None:
    async with client_with_readiness_of(settings, database_url) as client:
        query(database_url, "UPDATE alembic_version SET version_num = '1d9c6f0b7a31'")
        response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.headers["content-type"].startswith("application/problem+json")
    assert response.json()["code"] == "schema_behind"
    assert f"{len(REVISIONS) - 1} revision(s)" in response.json()["detail"]


@pytest.mark.usefixtures("patient_readiness")
async def test_version_that_is_no_revision_is_503_with_the_reason(settings: Settings, database_url: str) -> None:
    async with client_with_readiness_of(settings, database_url) as client:
        query(database_url, "DROP TABLE alembic_version")
        query(database_url, "CREATE TABLE alembic_version AS SELECT 5 AS version_num")
        response = await client.get("/readyz")
    assert response.status_code == 503
    assert "alembic_version holds 5" in response.json()["detail"]


@pytest.mark.usefixtures("patient_readiness")
async def test_missing_table_of_an_unmanaged_schema_is_503(settings: Settings, database_url: str) -> None:
    async with client_with_readiness_of(settings, database_url) as client:
        query(database_url, "DROP TABLE alembic_version")
        assert (await client.get("/readyz")).status_code == 200
        query(database_url, "DROP TABLE task_comments")
        response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["code"] == "schema_behind"


@pytest.fixture
def broken_url(database_url: str, silent_server: int) -> Callable[[str], str]:
    url = make_url(database_url)
    kinds = {
        "refused": "postgresql://u:hunter2@127.0.0.1:1/db",
        "unresolvable": "postgresql://u:hunter2@no-such-host.invalid/db",
        "silent": f"postgresql://u:hunter2@127.0.0.1:{silent_server}/db",
        "no such database": url.set(database="absent", password="hunter2").render_as_string(hide_password=False),
    }
    return kinds.__getitem__


@pytest.mark.parametrize("kind", ["refused", "unresolvable", "silent", "no such database"])
async def test_unreachable_database_is_503_within_two_seconds_and_a_bit(
    settings: Settings, broken_url: Callable[[str], str], kind: str
) -> None:
    async with client_with_readiness_of(settings, broken_url(kind)) as client, loop_clock() as clock:
        response = await client.get("/readyz")
        took = clock()
    assert response.status_code == 503
    assert response.headers["retry-after"] == "2"
    assert response.json()["code"] == "database_unreachable"
    assert "hunter2" not in response.text
    assert took < 3, "the limit is 2 s"


@pytest.mark.usefixtures("patient_readiness")
async def test_many_probes_at_once_share_one_connection(settings: Settings, database_url: str) -> None:
    async with client_with_readiness_of(settings, database_url) as client:
        readiness = client._transport.app.plugins.get(DatabasePlugin).readiness  # type: ignore[attr-defined]
        connections: list[object] = []
        event.listen(readiness._engine.sync_engine, "connect", lambda *args: connections.append(args))
        answers = await asyncio.gather(*(client.get("/readyz") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(connections) == 1

"""Health never touches the database; readiness does, and says what is wrong."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, event, make_url

from app.core.settings import Settings
from app.db import readiness as module
from app.db.plugin import DatabasePlugin
from app.db.readiness import DatabaseNotReadyError, Readiness
from app.migrator.locking.table_locks import TableLockedError
from app.migrator.revisions.schema_state import SchemaState
from app.postgres.url.database_url import normalize_database_url
from tests.migrations.conftest import REVISIONS
from tests.support.database import holding, query
from tests.support.readiness import client_with_readiness_of
from tests.support.waiting import PATIENCE, loop_clock


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


@pytest.mark.usefixtures("patient_readiness")
@pytest.mark.parametrize(
    ("part", "statements", "words"),
    [
        ("read_state", ("SET LOCAL ROLE pg_monitor", "SELECT FROM alembic_version"), "refused to say where it stands"),
        ("read_records", ("SELECT pg_terminate_backend(pg_backend_pid())",), "cannot be reached"),
    ],
)
async def test_read_that_the_database_refuses_or_ends_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, part: str, statements: tuple[str, ...], words: str
) -> None:
    def read(connection: Connection, *_: object) -> None:
        for statement in statements:
            connection.exec_driver_sql(statement)

    monkeypatch.setattr(module, part, read)
    with pytest.raises(DatabaseNotReadyError, match=words):
        await readiness_of(settings).check()


def readiness_of(settings: Settings, kind: type[Readiness] = Readiness) -> Any:
    assert settings.database_url is not None
    return kind(settings, normalize_database_url(settings.database_url.reveal()))


async def test_table_that_somebody_holds_is_waited_for_once_and_half_of_the_time(
    settings: Settings, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READY_WITHIN_SECONDS", 0.2)
    readiness, sent = readiness_of(settings), list[str]()
    event.listen(readiness._engine.sync_engine, "before_cursor_execute", lambda *args: sent.append(args[2]))
    with holding(database_url, "LOCK alembic_version"), pytest.raises(TableLockedError):
        # Without the limit of the whole, which a busy machine needs for less.
        await readiness._read_state()
    # Before it is read, and before it is asked who holds it.
    assert [text for text in sent if "lock_timeout" in text] == ["SET LOCAL lock_timeout = 100"] * 2


class Hanging(Readiness):
    """A read ends when it is cancelled, by an error if it `fails`."""

    fails = False

    async def _read_state(self) -> SchemaState:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not self.fails:
                raise
        raise OSError


@pytest.mark.parametrize("fails", [False, True])
async def test_read_that_takes_too_long_is_ended_and_logs_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    monkeypatch.setattr(module, "READY_WITHIN_SECONDS", 0.01)
    logged: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: logged.append(context))
    readiness = readiness_of(settings, Hanging)
    readiness.fails = fails
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(DatabaseNotReadyError, match="did not answer within"):
            await readiness.check()
        await asyncio.wait([readiness._running_read])
    assert readiness._running_read.cancelled() is not fails
    readiness._running_read = None
    gc.collect()
    await asyncio.sleep(0)
    assert logged == []


async def test_check_that_joined_a_read_which_took_too_long_is_told(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    readiness = readiness_of(settings, Hanging)
    monkeypatch.setattr(module, "READY_WITHIN_SECONDS", 0.01)
    first = asyncio.create_task(readiness.check())
    await asyncio.sleep(0)
    monkeypatch.setattr(module, "READY_WITHIN_SECONDS", PATIENCE)
    with pytest.raises(DatabaseNotReadyError, match="an earlier check"):
        await readiness.check()
    with pytest.raises(DatabaseNotReadyError):
        await first

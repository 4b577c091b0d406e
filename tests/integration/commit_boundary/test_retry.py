"""Which requests are run again after the server or the network has ended their transaction, and which are not."""

import asyncio
from contextlib import suppress
from typing import Any

import httpx
import pytest
from asyncpg.exceptions import ConnectionDoesNotExistError
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.core.settings import Settings
from app.postgres.engine import create_unpooled_engine
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import client_of, settings_for, started
from tests.support.commit_boundary import (
    GATE,
    TABLES,
    application_of,
    attempts,
    rows,
    until,
)
from tests.support.throwaway_postgres import new_cluster, running
from tests.support.tls_server import listening
from tests.support.waiting import PATIENCE

AT_THE_GATE = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = :gate AND NOT granted"
IN_A_TRANSACTION = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'"
    " AND query LIKE 'INSERT%' AND :gate > 0"
)


@pytest.mark.parametrize(
    ("method", "path", "its_session"),
    [
        ("POST", "/waiting", AT_THE_GATE),
        ("GET", "/looking", AT_THE_GATE),
        ("POST", "/carried-out", AT_THE_GATE),
        ("POST", "/pausing", IN_A_TRANSACTION),
    ],
)
async def test_request_whose_session_an_administrator_ends_is_not_run_again(
    client: httpx.AsyncClient, observer: AsyncConnection, method: str, path: str, its_session: str
) -> None:
    await end_and_count(client, observer, method, path, its_session)


async def test_request_is_not_run_again_either_where_the_server_is_reached_by_tcp() -> None:
    """Where a connection ends otherwise: what is sent to an end that has closed is answered by a reset."""
    with (
        new_cluster("host all all 127.0.0.1/32 trust\nlocal all all trust\n") as directory,
        running(directory) as server,
    ):
        server.execute(*filter(str.strip, TABLES.split(";\n")))
        url = f"postgresql://postgres@127.0.0.1:{server.port}/postgres"
        settings, engine = (
            settings_for(url, db_auto_migrate=False),
            create_unpooled_engine(normalize_database_url(url), 5),
        )
        application = application_of(settings)
        async with engine.connect() as plain, started(application), client_of(application, token=None) as client:
            observer = await plain.execution_options(isolation_level="AUTOCOMMIT")
            for path in ("/waiting", "/looking", "/looking", "/carried-out"):
                await end_and_count(client, observer, "GET" if path == "/looking" else "POST", path, AT_THE_GATE)
                await observer.execute(text("SELECT pg_advisory_unlock_all()"))


async def end_and_count(
    client: httpx.AsyncClient, observer: AsyncConnection, method: str, path: str, its_session: str
) -> None:
    """Has a request wait, ends its session, and counts how often it was run."""
    attempts.clear()
    await observer.execute(text("SELECT pg_advisory_lock(:gate)"), {"gate": GATE})
    request = asyncio.create_task(client.request(method, path))
    # Nobody sees a statement and ends it within a few milliseconds.
    seen = f"SELECT FROM pg_stat_activity WHERE clock_timestamp() - state_change > '50ms' AND pid IN ({its_session})"
    await until(observer, f"EXISTS ({seen})", gate=GATE)
    await observer.execute(text(f"SELECT pg_terminate_backend(pid) FROM ({its_session}) AS its"), {"gate": GATE})
    response = await request
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert response.json()["code"] == "database_unavailable"
    assert attempts == [path]
    assert await rows(observer) == 0


async def test_commit_whose_answer_is_lost_is_a_503_and_not_run_again(
    client: httpx.AsyncClient, observer: AsyncConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = AsyncSession.commit

    async def commit_and_lose_the_answer(self: AsyncSession) -> None:
        await commit(self)
        raise DBAPIError("COMMIT", None, ConnectionDoesNotExistError("closed"), connection_invalidated=True)

    with monkeypatch.context() as patch:
        patch.setattr(AsyncSession, "commit", commit_and_lose_the_answer)
        response = await client.post("/made")
    assert response.status_code == 503
    assert response.json()["code"] == "outcome_unknown"
    assert response.headers["retry-after"]
    assert await rows(observer, "made") == 1


async def test_request_whose_connection_is_cut_is_run_again(settings: Settings, observer: AsyncConnection) -> None:
    """Nobody ends the session: a network that breaks says nothing."""
    attempts.clear()
    cut = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert settings.database_url is not None
        url = normalize_database_url(settings.database_url.reveal())
        opened = (
            asyncio.open_unix_connection(f"{url.host}/.s.PGSQL.{url.port}")
            if url.hosts[0].is_socket
            else asyncio.open_connection(url.host, url.port)
        )
        theirs, to_them = await opened
        work: list[asyncio.Task[Any]] = [
            asyncio.create_task(copy(reader, to_them)),
            asyncio.create_task(copy(theirs, writer)),
        ]
        if not cut.is_set():
            work.append(asyncio.create_task(cut.wait()))
        await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
        for task in work:
            task.cancel()
        to_them.close()

    async with listening(serve, "127.0.0.1") as port:
        assert settings.database_url is not None
        url = make_url(settings.database_url.reveal()).set(host="127.0.0.1", port=port, query={})
        through = settings_for(url.render_as_string(hide_password=False))
        application = application_of(through)
        async with started(application), client_of(application, token=None) as client:
            await observer.execute(text("SELECT pg_advisory_lock(:gate)"), {"gate": GATE})
            request = asyncio.create_task(client.post("/waiting"))
            await until(observer, f"EXISTS ({AT_THE_GATE})", gate=GATE)
            cut.set()
            async with asyncio.timeout(PATIENCE):
                while len(attempts) < 2:
                    await asyncio.sleep(0.01)
            await observer.execute(text("SELECT pg_advisory_unlock(:gate)"), {"gate": GATE})
            assert (await request).status_code == 201
    assert attempts == ["/waiting"] * 2
    assert await rows(observer) == 1


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)

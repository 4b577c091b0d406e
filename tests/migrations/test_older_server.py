"""The oldest PostgreSQL at hand: Debian's 15, where it is installed."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.asgi import create_app
from app.db.migrations.runner import downgrade, upgrade
from app.db.startup import init_db
from app.db.url import normalize_database_url
from app.models import metadata
from tests.conftest import client_of, settings_for, started
from tests.integration.throwaway_postgres import new_cluster, running
from tests.migrations.conftest import query
from tests.migrations.drifting import TAMPERED, TAMPERED_ZOO, check, compared, make_zoo, zoo
from tests.migrations.test_doctor import examined, worse_than_notes

BIN = Path("/usr/lib/postgresql/15/bin")


@pytest.fixture(scope="module")
def postgres_bin() -> Path:
    """Debian's own pg_dump, too: one that is newer says more than this server knows."""
    if not BIN.exists():
        reason = "install the Debian package postgresql-15"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return BIN


@pytest.fixture(scope="module")
def server_url(postgres_bin: Path) -> Iterator[str]:
    cluster = new_cluster("local all all trust\n", postgres_bin)
    with cluster as directory, running(directory, binaries=postgres_bin) as server:
        yield f"postgresql://postgres@/postgres?host={directory}&port={server.port}"


@pytest.fixture
def url(server_url: str) -> Iterator[str]:
    query_outside_transaction(server_url, "CREATE DATABASE older")
    yield server_url.replace("/postgres?", "/older?")
    query_outside_transaction(server_url, "DROP DATABASE older WITH (FORCE)")


def query_outside_transaction(url: str, statement: str) -> None:
    subprocess.run([BIN / "psql", "-q", "-d", url, "-c", statement], check=True, timeout=60)


def test_revisions_go_up_down_and_up(url: str) -> None:
    settings = settings_for(url)
    upgrade(settings)
    downgrade(settings, "base", accept_data_loss=True)
    upgrade(settings)
    assert query(url, "SELECT count(*) FROM alembic_version") == [(1,)]


async def test_create_all_and_upgrade_make_the_same_schema(url: str, server_url: str, postgres_bin: Path) -> None:
    await init_db(settings_for(url), normalize_database_url(url))
    created = dump(url)
    query_outside_transaction(server_url, "CREATE DATABASE migrated")
    other = server_url.replace("/postgres?", "/migrated?")
    await init_db(settings_for(other, db_auto_migrate=True), normalize_database_url(other))
    migrated = dump(other)
    query_outside_transaction(server_url, "DROP DATABASE migrated WITH (FORCE)")
    assert "CREATE TABLE public.tasks" in created
    assert created == migrated


def test_doctor_asks_what_the_older_server_can_answer(url: str) -> None:
    upgrade(settings_for(url))
    assert worse_than_notes(examined(url)) == []


def dump(url: str) -> str:
    command = [BIN / "pg_dump", "--schema-only", "-d", url]
    lines = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()
    # The restrict key is random, and not every release of 15 lets it be chosen.
    return "\n".join(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))


async def test_application_serves(url: str) -> None:
    async with started(create_app(settings_for(url))) as application, client_of(application) as client:
        body = {"name": "First", "slug": "first", "description": ""}
        created = await client.post("/api/v1/boards", json=body)
        assert created.status_code == 201
        assert (await client.get(created.headers["location"])).json()["slug"] == "first"
        assert (await client.get("/readyz")).status_code == 200


@pytest.mark.parametrize("tampered", [TAMPERED, TAMPERED_ZOO])
def test_differences_are_found_and_mended(server_url: str, url: str, tampered: dict[str, tuple[str, ...]]) -> None:
    models = metadata if tampered is TAMPERED else zoo()
    if models is metadata:
        upgrade(settings_for(url))
    else:
        make_zoo(url)
    assert compared(url, models) == []
    copy = server_url.replace("/postgres?", "/copy?")
    for tampering, expected in tampered.items():
        query_outside_transaction(server_url, "CREATE DATABASE copy TEMPLATE older")
        check(copy, tampering, expected, BIN / "psql", models)
        query_outside_transaction(server_url, "DROP DATABASE copy WITH (FORCE)")

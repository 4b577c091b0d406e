"""Behind PgBouncer: the application works in both of its modes, and schema changes go past the transaction mode."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from app.asgi import create_app
from app.db.startup_policy import init_db
from app.migrator.doctor.finding import Finding
from app.postgres.errors import MigrationFailedError
from app.postgres.secret import Secret
from app.postgres.settings_error import SettingsError
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import CREATE_DATABASE, client_of, settings_for, started
from tests.migrations.conftest import HEAD, REVISIONS, Release
from tests.support.backfill import define, fill, make_numbers, touched
from tests.support.database import applied, query, tables
from tests.support.doctor import examined
from tests.support.migrator import upgrade
from tests.support.pooler import pooling, through
from tests.support.processes import debian_program, environment, run
from tests.support.throwaway_postgres import Server, new_cluster, running
from tests.support.waiting import PATIENCE

_AT_ONCE = 40


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """Of these tests' own: PgBouncer, like PostgreSQL, does not run as root, and has to reach the socket."""
    with new_cluster("local all all trust\n") as directory, running(directory) as server:
        yield server


def place(server: Server, name: str) -> str:
    return f"postgresql://postgres@/{name}?host={server.directory}&port={server.port}"


@contextmanager
def new_database(server: Server, template: str) -> Iterator[str]:
    """Its URL past the pooler."""
    name = f"pooled_{uuid4().hex}"
    server.execute(CREATE_DATABASE.format(name, template))
    yield place(server, name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def direct(server: Server) -> Iterator[str]:
    """A new, empty database, past the pooler."""
    with new_database(server, "template1") as url:
        yield url


@pytest.fixture(scope="module")
def template(server: Server) -> str:
    server.execute("CREATE DATABASE migrated")
    upgrade(settings_for(place(server, "migrated")))
    return "migrated"


@pytest.fixture
def at_head(server: Server, template: str) -> Iterator[str]:
    """A new database at head, past the pooler."""
    with new_database(server, template) as url:
        yield url


@pytest.fixture(scope="module")
def poolers(server: Server) -> Iterator[dict[str, int]]:
    """The port of a PgBouncer in each mode."""
    binary = debian_program("pgbouncer", "pgbouncer")
    with (
        pooling(binary, server.directory, server.directory, server.port, "transaction") as transaction,
        pooling(binary, server.directory, server.directory, server.port, "session") as session,
    ):
        yield {"transaction": transaction, "session": session}


@pytest.mark.usefixtures("patient_readiness")
@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
@pytest.mark.parametrize(("mode", "parameters"), [("transaction", "?pgbouncer=true"), ("session", "")])
async def test_application_works_behind_it(
    poolers: dict[str, int], at_head: str, mode: str, parameters: str, driver: str
) -> None:
    """More requests at once than the pooler has sessions, each of several statements."""
    url = through(poolers[mode], at_head, driver, parameters)
    # In session mode a connection of ours is a session of the pooler's, and /readyz wants one, too.
    size = 4 if mode == "session" else 20
    settings = settings_for(
        url, db_pool_size=size, db_max_overflow=0, db_pool_timeout=PATIENCE, max_concurrent_requests=_AT_ONCE
    )
    async with started(create_app(settings)) as application, client_of(application) as client:
        await client.get("/api/v1/users/me")
        await client.post("/api/v1/organizations", json={"name": "o"})
        board = (await client.post("/api/v1/boards", json={"name": "b", "slug": "b", "description": ""})).json()

        async def work(number: int) -> None:
            created = await client.post(f"/api/v1/boards/{board['id']}/tasks", json={"title": f"t{number}"})
            assert created.status_code in {200, 201}, created.text
            path = f"/api/v1/boards/{board['id']}/tasks/{created.json()['id']}"
            changed = await client.patch(path, json={"title": f"changed {number}"})
            assert changed.status_code == 200, changed.text
            listed = await client.get(f"/api/v1/boards/{board['id']}/tasks", params={"limit": 5})
            assert listed.status_code == 200, listed.text

        await asyncio.gather(*(work(number) for number in range(_AT_ONCE)))
        assert (await client.get("/readyz")).status_code == 200
    assert query(at_head, "SELECT count(*) FROM tasks WHERE title LIKE 'changed %'") == [(_AT_ONCE,)]
    # Whose session it is that they would be in, nobody could say.
    assert query(through(poolers[mode], at_head), "SELECT name FROM pg_prepared_statements") == []


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
@pytest.mark.parametrize("parameters", ["", "?pgbouncer=true"])
def test_migrating_through_the_transaction_mode_is_refused(
    poolers: dict[str, int], direct: str, driver: str, parameters: str
) -> None:
    url = through(poolers["transaction"], direct, driver, "" if driver.endswith("psycopg") else parameters)
    with pytest.raises(MigrationFailedError, match="Set MIGRATION_DATABASE_URL"):
        upgrade(settings_for(url))
    assert tables(direct) == set()
    # No session of the pooler's keeps the lock.
    upgrade(settings_for(direct, db_migrate_lock_wait=0), REVISIONS[0])
    assert applied(direct) == [REVISIONS[0]]


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
async def test_start_up_asks_for_the_parameter_where_it_finds_a_pooler(
    poolers: dict[str, int], direct: str, driver: str
) -> None:
    url = through(poolers["transaction"], direct, driver)
    with pytest.raises(SettingsError, match="pgbouncer=true"):
        await init_db(settings_for(url), normalize_database_url(url))


def test_migrating_through_the_session_mode_works(poolers: dict[str, int], direct: str) -> None:
    upgrade(settings_for(through(poolers["session"], direct)))
    assert applied(direct) == [HEAD]


async def test_start_up_migrates_past_the_pooler(poolers: dict[str, int], direct: str) -> None:
    url = through(poolers["transaction"], direct, parameters="?pgbouncer=true")
    settings = settings_for(url, migration_database_url=Secret(direct), db_auto_migrate=True)
    await init_db(settings, normalize_database_url(url))
    assert applied(direct) == [HEAD]


async def test_start_up_creates_the_tables_past_the_pooler(poolers: dict[str, int], direct: str) -> None:
    url = through(poolers["transaction"], direct, parameters="?pgbouncer=true")
    await init_db(settings_for(url, migration_database_url=Secret(direct)), normalize_database_url(url))
    assert applied(direct) == [HEAD]


@pytest.mark.parametrize("command", [("alembic", "upgrade", "head"), ("litestar", "db", "upgrade", "--no-prompt")])
def test_both_command_lines_migrate_past_the_pooler(
    poolers: dict[str, int], direct: str, command: tuple[str, ...]
) -> None:
    url = through(poolers["transaction"], direct)
    refused = run(*command, env=environment(DATABASE_URL=url))
    assert refused.returncode == 3
    assert "MIGRATION_DATABASE_URL" in refused.stderr
    result = run(*command, env=environment(DATABASE_URL=url, MIGRATION_DATABASE_URL=direct))
    assert result.returncode == 0, result.stderr
    assert applied(direct) == [HEAD]


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_doctor_tells_that_the_transaction_mode_serves_requests_only(
    poolers: dict[str, int], at_head: str, driver: str
) -> None:
    url = through(poolers["transaction"], at_head, driver)
    lock, statements = pooler_findings(url)
    assert "DATABASE_URL leads through a pooler" in lock.seen
    assert lock.next_command.startswith("export MIGRATION_DATABASE_URL=")
    assert "does not say pgbouncer=true" in statements.seen
    assert [finding.severity for finding in pooler_findings(f"{url}?pgbouncer=true")] == ["problem"]
    assert [f.severity for f in pooler_findings(f"{url}?pgbouncer=true", MIGRATION_DATABASE_URL=at_head)] == ["ok"]
    _, statements = pooler_findings(url, MIGRATION_DATABASE_URL=at_head)
    assert "does not say pgbouncer=true" in statements.seen


def test_doctor_has_nothing_to_say_of_the_session_mode(poolers: dict[str, int], direct: str) -> None:
    assert [finding.severity for finding in pooler_findings(through(poolers["session"], direct))] == ["ok"]


def pooler_findings(url: str, **environ: Any) -> list[Finding]:
    return [finding for finding in examined(url, **environ) if finding.check == "pooler"]


@pytest.mark.parametrize("driver", ["postgresql", "postgresql+psycopg"])
def test_backfills_through_the_transaction_mode_do_each_row_once(
    poolers: dict[str, int], at_head: str, release: Release, driver: str
) -> None:
    make_numbers(at_head)
    define(release, batch_size=100)
    parameters = "?pgbouncer=true" if driver == "postgresql" else ""
    url = through(poolers["transaction"], at_head, driver, parameters)
    threads = [threading.Thread(target=fill, args=(url,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert touched(at_head) == {1: 10_000}
    # What they set ends with their transactions.
    limits = "SELECT current_setting('lock_timeout'), current_setting('statement_timeout')"
    assert {tuple(query(through(poolers["transaction"], at_head), limits)) for _ in range(10)} == {(("0", "0"),)}

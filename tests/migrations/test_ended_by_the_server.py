"""What the server ends: a session for an administrator, a statement that takes longer than its role may."""

from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import indent
from uuid import uuid4

import pytest
from sqlalchemy import make_url

from app.migrator.backup.archive import open_archive
from app.postgres.errors import BackupError, DatabaseError, DatabaseUnreachableError, MigrationFailedError
from tests.conftest import settings_for
from tests.migrations.conftest import Release, autocommit, in_autocommit, older_binaries
from tests.support.database import by_driver, holding, query
from tests.support.migrator import backup, plan, read_drift, read_status, restore, upgrade
from tests.support.throwaway_postgres import Server, new_cluster, running

DRIVERS = ("postgresql", "postgresql+psycopg")
TERMINATE = 'op.execute("SELECT pg_terminate_backend(pg_backend_pid())")'
OUTSIDE = in_autocommit(TERMINATE)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("work", [TERMINATE, OUTSIDE])
def test_session_that_is_terminated_is_a_lost_database_and_said_so(
    database_url: str, release: Release, work: str, driver: str
) -> None:
    release.add(work)
    url = by_driver(database_url, driver)
    with pytest.raises(DatabaseUnreachableError, match="was lost: the server has ended the session"):
        upgrade(settings_for(url))
    ((outcome, error),) = query(database_url, "SELECT outcome, error FROM schema_history ORDER BY id DESC LIMIT 1")
    assert outcome == "failed"
    assert "terminating connection" in str(error)


@pytest.mark.parametrize("driver", DRIVERS)
def test_transaction_that_takes_longer_than_it_may_is_said_to_have_done_so(
    database_url: str, release: Release, driver: str
) -> None:
    release.add("op.execute(\"SET LOCAL transaction_timeout = '10ms'\")\nop.execute('SELECT pg_sleep(5)')")
    url = by_driver(database_url, driver)
    with pytest.raises(DatabaseUnreachableError, match="took longer than transaction_timeout"):
        upgrade(settings_for(url))


# Blocks the loop until the server has ended the session, which it hears of only then.
COMPUTES = """
with psycopg.connect({other!r}, autocommit=True) as other:
    while other.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [session]).fetchone() is not None:
        time.sleep(0.05)
"""
SESSION = 'session = op.get_bind().scalar(sa.text("SELECT pg_backend_pid()"))'
SELECT = 'op.execute("SELECT 1")'


@pytest.fixture(scope="module")
def places() -> Iterator[Server]:
    """A server that is reached by TCP and by its socket; its database `migrated` is at head."""
    with (
        new_cluster("host all all 127.0.0.1/32 trust\nlocal all all trust\n") as directory,
        running(directory) as server,
    ):
        server.execute("CREATE DATABASE migrated")
        upgrade(settings_for(f"postgresql://postgres@127.0.0.1:{server.port}/migrated"))
        yield server


@pytest.fixture
def name(places: Server) -> Iterator[str]:
    name = f"test_{uuid4().hex}"
    places.execute(f"CREATE DATABASE {name} TEMPLATE migrated")
    yield name
    places.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("by_socket", [False, True], ids=["TCP", "socket"])
@pytest.mark.parametrize(
    ("before", "after"),
    [("{}", SELECT), ("{}", "pass"), ("with op.get_context().autocommit_block():\n{}", f"    {SELECT}")],
    ids=["in a transaction", "before its end", "outside"],
)
def test_process_that_is_silent_for_too_long_hears_so_every_time(
    places: Server, name: str, release: Release, before: str, after: str, by_socket: bool, driver: str
) -> None:
    at = f"/{name}?host={places.directory}&port={places.port}" if by_socket else f"127.0.0.1:{places.port}/{name}"
    computes = COMPUTES.format(other=f"postgresql://postgres@127.0.0.1:{places.port}/postgres")
    work = indent(f"{SESSION}\n{computes}", "    ") if "autocommit" in before else f"{SESSION}\n{computes}"
    release.add(f"{before.format(work)}\n{after}", extra="import psycopg\nimport time")
    settings = settings_for(f"{driver}://postgres@{at}", db_migrate_statement_timeout=1.0)
    with pytest.raises(DatabaseUnreachableError, match=r"was lost: .* heard nothing for too long: terminating conn"):
        upgrade(settings)


@pytest.fixture(scope="module")
def german_server() -> Iterator[Server]:
    """Debian's PostgreSQL 15, with its translations."""
    binaries = older_binaries()
    with new_cluster("local all all trust\n", binaries) as directory, pytest.MonkeyPatch.context() as patch:
        # It counts for every locale but C, and the machine may have no German one.
        patch.setenv("LANGUAGE", "de")
        with running(directory, {"lc_messages": "C.UTF-8"}, binaries) as server:
            server.execute("CREATE DATABASE migrated")
            upgrade(settings_for(url_of(server, "migrated")))
            yield server


def url_of(server: Server, name: str) -> str:
    return f"postgresql://postgres@/{name}?host={server.directory}&port={server.port}"


@pytest.fixture(params=["English", "German"])
def url_and_words(request: pytest.FixtureRequest) -> Iterator[tuple[str, str, str]]:
    """A database, and what its server says of a statement that is cancelled, and of one that takes too long."""
    if request.param == "English":
        yield request.getfixturevalue("database_url"), "due to user request", "due to statement timeout"
        return
    server = request.getfixturevalue("german_server")
    server.execute("CREATE DATABASE ours TEMPLATE migrated")
    yield url_of(server, "ours"), "wegen Benutzeraufforderung", "wegen Zeitüberschreitung der Anfrage"
    server.execute("DROP DATABASE ours WITH (FORCE)")


def test_statement_that_an_administrator_cancels_did_not_take_too_long(
    url_and_words: tuple[str, str, str], release: Release
) -> None:
    url, cancelled, _ = url_and_words
    release.add('op.execute("SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(60)")')
    with pytest.raises(MigrationFailedError, match=cancelled) as failed:
        upgrade(settings_for(url))
    assert "DB_MIGRATE_STATEMENT_TIMEOUT" not in str(failed.value)


def test_statement_that_runs_into_its_limit_is_told_so(url_and_words: tuple[str, str, str], release: Release) -> None:
    url, _, too_long = url_and_words
    release.add('op.execute("SELECT pg_sleep(60)")')
    with pytest.raises(MigrationFailedError, match=f"{too_long}. It took longer than DB_MIGRATE_STATEMENT_TIMEOUT"):
        # Enough for all other statements on a busy machine.
        upgrade(settings_for(url, db_migrate_statement_timeout=0.5))


def test_what_a_restore_meets_is_told_in_the_words_of_the_server(german_server: Server, tmp_path: Path) -> None:
    url = url_of(german_server, "postgres")
    german_server.execute("CREATE TABLE picky (x int CHECK (current_setting('test.refuses', true) IS NULL))")
    german_server.execute("INSERT INTO picky VALUES (1)")
    with open_archive(backup(settings_for(url), tmp_path / "mine.tar").path) as archive:
        german_server.execute("ALTER DATABASE postgres SET test.refuses = 1")
        with pytest.raises(BackupError, match="psql failed: neue Zeile für Relation »picky« verletzt Check-Constraint"):
            restore(settings_for(url), archive, replace=True)


def test_statement_without_a_limit_did_not_run_into_it(database_url: str, release: Release) -> None:
    release.add("""
        op.execute("CREATE FUNCTION ended(x text) RETURNS text IMMUTABLE LANGUAGE sql AS $$"
                   "SELECT x FROM pg_sleep(0.6), pg_cancel_backend(pg_backend_pid()) $$")
    """)  # fmt: skip
    release.add(autocommit("CREATE INDEX CONCURRENTLY slow ON organizations (ended(name))"))
    query(database_url, "INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'one')")
    with pytest.raises(MigrationFailedError, match="user request") as failed:
        upgrade(settings_for(database_url, db_migrate_statement_timeout=0.5))
    assert "DB_MIGRATE_STATEMENT_TIMEOUT" not in str(failed.value)


@pytest.fixture
def hurried(database_url: str, administer: Callable[[str], None]) -> Iterator[str]:
    """The database's URL for a role whose statements may not wait long."""
    role = f"hurried_{uuid4().hex}"
    administer(f"CREATE ROLE {role} LOGIN SUPERUSER")
    administer(f"ALTER ROLE {role} SET statement_timeout = '500ms'")
    yield make_url(database_url).set(username=role).render_as_string(hide_password=False)
    administer(f"DROP ROLE {role}")


@pytest.mark.parametrize("look", [read_status, read_drift, plan])
def test_time_limit_of_the_role_is_named_and_not_taken_for_a_lost_connection(
    hurried: str, database_url: str, look: Callable[..., object]
) -> None:
    with (
        holding(database_url, "LOCK TABLE alembic_version"),
        pytest.raises(DatabaseError, match="statement timeout") as refused,
    ):
        look(settings_for(hurried))
    assert "lost" not in str(refused.value)

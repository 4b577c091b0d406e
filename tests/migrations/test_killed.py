"""A migration that is killed at any point: the next start finishes it by itself, and nothing is lost or left over."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from app.core.settings import Settings
from app.migrator.locking.migration_lock import LOCK_KEY
from tests.conftest import database_named
from tests.support.database import applied, holding, query, tables
from tests.support.migrator import load_revisions
from tests.support.processes import copied_checkout, environment, run
from tests.support.revisions import history_of_a_new_database
from tests.support.stopping import (
    CLOSED,
    COMMANDS,
    add_revision,
    finish,
    lock_holders,
    polls_for_the_lock,
    remove_barrier,
    running,
    sessions,
    stop_in_ddl,
    stop_in_update,
)
from tests.support.waiting import wait_until

INDEX, COLUMN = "1ndex", "c0lumn"
NEW_DATABASE = [revision for revision, _ in history_of_a_new_database()]
WRITING = "LOCK TABLE tags IN ROW EXCLUSIVE MODE"
READING = "LOCK TABLE tags IN ACCESS SHARE MODE"
# An open cursor keeps its snapshot.
OLD_TRANSACTION = "DECLARE kept CURSOR FOR SELECT FROM tags"


def _waits_for_a_lock(url: str, log: str) -> bool:
    # An index that is built concurrently waits for any transaction, such as that of a test that looks.
    return bool(sessions(url, "wait_event_type = 'Lock' AND wait_event <> 'virtualxid'"))


def _waits_for_a_transaction(url: str, log: str) -> bool:
    return bool(sessions(url, "wait_event_type = 'Lock' AND wait_event = 'virtualxid'"))


@dataclass(frozen=True)
class Boundary:
    """Where a process stands still: because of a lock that the test holds, and where needed of a barrier made before.

    `interrupted` is the revision that `schema_history` then says so of. `noticed`: the lock is held until the server
    has found out by itself that the process is gone; otherwise what the process last asked for is still carried out.
    """

    name: str
    hold: str
    interrupted: str | None = None
    prepare: Callable[[str], None] = lambda url: None
    empty: bool = False
    is_reached: Callable[[str, str], bool] = _waits_for_a_lock
    lock_timeout: str = "60"
    # With the whole time for the only attempt.
    lock_retries: str = "0"
    noticed: bool = False


def _update(table: str, when: str, *, at_commit: bool = False) -> Callable[[str], None]:
    return lambda url: stop_in_update(url, table, when, at_commit=at_commit)


def _ddl(tag: str, of: str) -> Callable[[str], None]:
    return lambda url: stop_in_ddl(url, tag, of=f"public.{of}")


_INDEX_VERSION = _update("alembic_version", f"NEW.version_num = '{INDEX}'")
_COLUMN_VERSION = _update("alembic_version", f"NEW.version_num = '{COLUMN}'")
_COLUMN_DONE = _update("schema_history", f"NEW.revision = '{COLUMN}' AND NEW.outcome = 'done'")
_COLUMN_COMMIT = _update("alembic_version", f"NEW.version_num = '{COLUMN}'", at_commit=True)
BOUNDARIES = (
    Boundary(
        "waiting for the migration lock",
        f"SELECT pg_advisory_xact_lock({LOCK_KEY})",
        is_reached=lambda url, log: polls_for_the_lock(url) == 1,
    ),
    Boundary("under the lock, before anything", "LOCK TABLE schema_history IN SHARE MODE"),
    Boundary("making schema_history", CLOSED, None, _ddl("CREATE TABLE", "schema_history"), empty=True),
    Boundary("in the first step of all", CLOSED, NEW_DATABASE[0], _ddl("CREATE TABLE", "tasks"), empty=True),
    Boundary("building the index, waiting for writers", WRITING, INDEX, is_reached=_waits_for_a_transaction),
    Boundary(
        "building the index, waiting for an old transaction",
        OLD_TRANSACTION,
        INDEX,
        is_reached=_waits_for_a_transaction,
        noticed=True,
    ),
    Boundary("after the index, before its version row", CLOSED, INDEX, _INDEX_VERSION),
    Boundary("waiting for the table", READING, COLUMN),
    Boundary(
        "waiting to try again",
        READING,
        COLUMN,
        is_reached=lambda url, log: "trying again" in log,
        lock_timeout="0.05",
        lock_retries="10",
    ),
    Boundary("in the DDL", CLOSED, COLUMN, _ddl("ALTER TABLE", "tags")),
    Boundary("after the DDL, before the version row", CLOSED, COLUMN, _COLUMN_VERSION),
    Boundary("after the version row, before COMMIT", CLOSED, COLUMN, _COLUMN_DONE),
    # The server has been told, and does it although nobody hears of it.
    Boundary("in COMMIT", CLOSED, None, _COLUMN_COMMIT),
)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout with two revisions after the project's: an index that is built concurrently, then DDL and rows."""
    checkout = copied_checkout(tmp_path_factory.mktemp("release") / "checkout")
    add_revision(checkout, INDEX, load_revisions(Settings()).get_heads()[0], _BUILD)
    add_revision(checkout, COLUMN, INDEX, _ALTER)
    return checkout


_BUILD = """
    with op.get_context().autocommit_block():
        op.create_index("ix_tags_name", "tags", ["name"], postgresql_concurrently=True)
"""
_ALTER = """
    op.execute("ALTER TABLE tags ADD COLUMN weight integer")
    op.execute("UPDATE tags SET weight = length(name)")
"""


@pytest.fixture(scope="module")
def clean_schema(
    release: Path,
    server_url: str,
    migrated_template: str,
    administer: Callable[[str], None],
    dump_schema: Callable[[str], str],
) -> Iterator[str]:
    """The schema where nothing was killed."""
    name = f"clean_{uuid4().hex}"
    administer(f'CREATE DATABASE "{name}" TEMPLATE "{migrated_template}"')
    url = database_named(server_url, name)
    assert run("alembic", "upgrade", "head", env=environment(DATABASE_URL=url), cwd=release).returncode == 0
    yield dump_schema(url)
    administer(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def url(request: pytest.FixtureRequest, boundary: Boundary) -> str:
    """The boundary's database; with rows, where it has tables."""
    found: str = request.getfixturevalue("empty_database_url" if boundary.empty else "database_url")
    if not boundary.empty:
        query(found, "INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'kept')")
        query(found, f"INSERT INTO tags (id, organization_id, name, slug) SELECT {_TAGS}")
    boundary.prepare(found)
    return found


_TAGS = "gen_random_uuid(), id, repeat('x', n), n FROM organizations, generate_series(1, 100) AS n"


def story(url: str) -> list[tuple[object, ...]]:
    if "schema_history" not in tables(url):
        return []
    return query(url, "SELECT revision, outcome FROM schema_history ORDER BY id")


def expected(boundary: Boundary) -> list[tuple[str, str]]:
    """The story of the revisions that were pending: each is done once."""
    done = [(revision, "done") for revision in [*(NEW_DATABASE if boundary.empty else []), INDEX, COLUMN]]
    if boundary.interrupted:
        done.insert(done.index((boundary.interrupted, "done")), (boundary.interrupted, "interrupted"))
    return done


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each boundary with one of the commands; with --long, with each of them."""
    if "boundary" not in metafunc.fixturenames:
        return
    turns = range(len(COMMANDS) if metafunc.config.getoption("long") else 1)
    cases = [(boundary, n + turn) for turn in turns for n, boundary in enumerate(BOUNDARIES)]
    names = [f"{' '.join(COMMANDS[n % len(COMMANDS)][:2])}, {boundary.name}" for boundary, n in cases]
    metafunc.parametrize(("boundary", "turn"), cases, ids=names)


def test_next_start_finishes_what_was_killed(
    boundary: Boundary,
    turn: int,
    url: str,
    release: Path,
    clean_schema: str,
    dump_schema: Callable[[str], str],
    tmp_path: Path,
) -> None:
    victim, successor = COMMANDS[turn % len(COMMANDS)], COMMANDS[(turn + 1) % len(COMMANDS)]
    before = story(url)
    env = environment(DATABASE_URL=url, DB_AUTO_MIGRATE="true")
    waits = {"DB_MIGRATE_LOCK_TIMEOUT": boundary.lock_timeout, "DB_MIGRATE_LOCK_RETRIES": boundary.lock_retries}
    with holding(url, boundary.hold), running(victim, {**env, **waits}, release, tmp_path / "victim") as process:
        wait_until(lambda: boundary.is_reached(url, (tmp_path / "victim").read_text()), f"it is {boundary.name}")
        assert process.poll() is None
        process.kill()
        process.wait()
        if boundary.noticed:
            wait_until(lambda: sessions(url) == [], "the server notices that the process is gone")
    finish(successor, env, release, tmp_path / "successor")
    remove_barrier(url)
    assert dump_schema(url) == clean_schema
    assert story(url)[len(before) :] == expected(boundary)
    assert applied(url) == [COLUMN]
    assert query(url, "SELECT count(*) FROM tags WHERE weight IS DISTINCT FROM length(name)") == [(0,)]
    assert query(url, "SELECT count(*) FROM tags") == [(0 if boundary.empty else 100,)]
    assert query(url, "SELECT count(*) FROM pg_index WHERE NOT indisvalid") == [(0,)]
    assert lock_holders(url) == []

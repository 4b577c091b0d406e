"""Many processes that start at once: one of them changes the schema, and all of them serve."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from app.migrator.locking.migration_lock import LOCK_KEY
from tests.conftest import TOKEN, settings_for
from tests.migrations.conftest import REVISIONS
from tests.support.database import holding, query
from tests.support.migrator import upgrade
from tests.support.processes import ROOT, environment, serving
from tests.support.revisions import history_of_a_new_database
from tests.support.stopping import COMMANDS, SERVE, polls_for_the_lock, running
from tests.support.waiting import PATIENCE, wait_until

SERVERS = 8
THREE_BEHIND = "8f3d1c7e2b64"
COMMAND_LINES = [command for command in COMMANDS if command != SERVE]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    rounds = 4 if metafunc.config.getoption("long") else 1
    metafunc.parametrize("number", range(rounds), ids="round {}".format)


@pytest.mark.parametrize("start", ["base", THREE_BEHIND], ids=["an empty database", "three revisions behind"])
def test_each_revision_is_applied_once_and_all_serve(
    empty_database_url: str,
    database_url: str,
    dump_schema: Callable[[str], str],
    tmp_path: Path,
    start: str,
    number: int,
) -> None:
    """Eight servers, an `alembic upgrade head` and a `litestar database upgrade`."""
    url = empty_database_url
    if start != "base":
        upgrade(settings_for(url), start)
        query(url, "INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'kept')")
    env = environment(DATABASE_URL=url, DB_AUTO_MIGRATE="true", DB_POOL_SIZE="1", DB_MIGRATE_LOCK_WAIT="300")
    with ExitStack() as stack:
        with holding(url, f"SELECT pg_advisory_xact_lock({LOCK_KEY})"):
            servers = [stack.enter_context(serving(env, tmp_path / f"server{n}")) for n in range(SERVERS)]
            commands = [
                stack.enter_context(running(command, env, ROOT, tmp_path / command[0])) for command in COMMAND_LINES
            ]
            everybody = len(servers) + len(commands)
            wait_until(lambda: polls_for_the_lock(url) == everybody, "all stand before the lock")
        for server in servers:
            server.wait_until_ready()
            listed = httpx.get(f"{server.url}/api/v1/boards", headers={"Authorization": f"Bearer {TOKEN}"})
            assert listed.status_code == 200
        assert [command.wait(timeout=PATIENCE) for command in commands] == [0, 0]
    assert dump_schema(url) == dump_schema(database_url)
    history = query(url, "SELECT revision, direction, outcome FROM schema_history ORDER BY id")
    by_revisions = [(revision, "upgrade") for revision in REVISIONS]
    done = history_of_a_new_database() if start == "base" else by_revisions
    assert history == [(*step, "done") for step in done]
    assert query(url, "SELECT count(*) FROM organizations WHERE name = 'kept'") == [(0 if start == "base" else 1,)]
    for log in tmp_path.iterdir():
        said = log.read_text()
        assert "Traceback" not in said
        assert '"level": "error"' not in said

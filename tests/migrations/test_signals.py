"""Ctrl-C and SIGTERM in the middle of a schema change."""

import signal
from pathlib import Path

import pytest

from tests.conftest import settings_for
from tests.support.database import holding, query
from tests.support.migrator import upgrade
from tests.support.processes import ROOT, environment
from tests.support.stopping import COMMANDS, SERVE, lock_holders, running
from tests.support.waiting import PATIENCE

BEFORE_THE_PRIORITY = "8f3d1c7e2b64"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda how: how.name)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_stopped_migration_ends_at_once_on_the_server_too_and_the_next_one_goes_on(
    empty_database_url: str, tmp_path: Path, command: tuple[str, ...], how: signal.Signals
) -> None:
    url, log = empty_database_url, tmp_path / "log"
    upgrade(settings_for(url), BEFORE_THE_PRIORITY)
    env = environment(DATABASE_URL=url, DB_AUTO_MIGRATE="true", DB_MIGRATE_LOCK_TIMEOUT="60")
    with (
        holding(url, "LOCK TABLE tasks IN ACCESS SHARE MODE") as waiting,
        running(command, env, ROOT, log) as process,
    ):
        waiting(1)
        process.send_signal(how)
        assert process.wait(timeout=PATIENCE) == 128 + how
        # The server would find out by itself only seconds later that nobody is there any more.
        assert lock_holders(url) == []
        assert query(url, "SELECT FROM pg_locks WHERE relation = 'tasks'::regclass AND NOT granted") == []
    said = log.read_text()
    assert "run it again to go on" in said
    assert "Traceback" not in said
    if command != SERVE:
        assert said.splitlines()[-1].startswith(f"Error: Stopped by {how.name}.")
    upgrade(settings_for(url), "+1")
    outcomes = query(url, "SELECT outcome FROM schema_history ORDER BY id")
    assert [outcome for (outcome,) in outcomes] == ["done"] * 3 + ["interrupted", "done"]

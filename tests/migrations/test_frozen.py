"""A migration whose process stands still, as a frozen container's does: others are not kept waiting for it."""

import signal
from pathlib import Path

import pytest

from app.db.migrations.runner import upgrade
from tests.conftest import settings_for
from tests.migrations.conftest import REVISIONS, applied, holding, query
from tests.migrations.stopping import CLOSED, COMMANDS, lock_holders, running, sessions, stop_in_ddl
from tests.processes import ROOT, environment
from tests.waiting import PATIENCE, wait_until

BEFORE_THE_PRIORITY = "8f3d1c7e2b64"
HELD = "SELECT FROM pg_locks WHERE relation = 'tasks'::regclass AND mode = 'AccessExclusiveLock' AND granted"


@pytest.mark.parametrize("command", COMMANDS[:2], ids=" ".join)
def test_process_that_is_frozen_in_a_transaction_loses_its_locks(
    empty_database_url: str, tmp_path: Path, command: tuple[str, ...]
) -> None:
    url, log = empty_database_url, tmp_path / "log"
    upgrade(settings_for(url), BEFORE_THE_PRIORITY)
    stop_in_ddl(url, "ALTER TABLE", of="public.tasks")
    env = environment(DATABASE_URL=url, DB_MIGRATE_STATEMENT_TIMEOUT="3")
    with running(command, env, ROOT, log) as process:
        with holding(url, CLOSED) as waiting:
            waiting(1)
            process.send_signal(signal.SIGSTOP)
        wait_until(lambda: sessions(url, "state = 'idle in transaction'"), "the statement ends and nobody goes on")
        assert query(url, HELD) == [()]
        wait_until(lambda: not query(url, HELD), "the table is free")
        upgrade(settings_for(url))
        head = applied(url)
        process.send_signal(signal.SIGCONT)
        assert process.wait(timeout=PATIENCE) == 4, log.read_text()
    assert applied(url) == head
    assert "was lost" in log.read_text()
    assert "Traceback" not in log.read_text()
    outcomes = [outcome for (outcome,) in query(url, "SELECT outcome FROM schema_history ORDER BY id")]
    assert outcomes == ["done"] * 3 + ["interrupted"] + ["done"] * (len(REVISIONS) - 3)


def test_process_that_is_frozen_between_two_tries_loses_the_migration_lock(
    empty_database_url: str, tmp_path: Path
) -> None:
    url, log = empty_database_url, tmp_path / "log"
    upgrade(settings_for(url), BEFORE_THE_PRIORITY)
    env = environment(DATABASE_URL=url, DB_MIGRATE_LOCK_TIMEOUT="0.05", DB_MIGRATE_STATEMENT_TIMEOUT="1")
    with running(COMMANDS[0], env, ROOT, log) as process:
        with holding(url, "LOCK TABLE tasks IN ACCESS SHARE MODE"):
            wait_until(lambda: "trying again" in log.read_text(), "the migration backs off")
            process.send_signal(signal.SIGSTOP)
        assert lock_holders(url) != []
        upgrade(settings_for(url))
        head = applied(url)
        process.send_signal(signal.SIGCONT)
        assert process.wait(timeout=PATIENCE) == 4, log.read_text()
    assert applied(url) == head
    assert "Traceback" not in log.read_text()

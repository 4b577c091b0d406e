"""A migration whose process stands still, as a frozen container's does: others are not kept waiting for it."""

import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from app.migrator.partitions.months import add_months, month_start, partition_name
from tests.conftest import settings_for
from tests.migrations.conftest import Release
from tests.support.backfill import define, make_numbers
from tests.support.checkouts import checkout_of
from tests.support.database import applied, holding, query
from tests.support.migrator import upgrade
from tests.support.processes import ROOT, environment
from tests.support.silent_proxy import IN_THE_MIDDLE, LOCKED, cut
from tests.support.stopping import CLOSED, COMMANDS, lock_holders, running, sessions, stop_in_ddl
from tests.support.waiting import PATIENCE, wait_until

MONTH = add_months(month_start(datetime.now(UTC)), 3)
BEFORE_THE_PRIORITY = "8f3d1c7e2b64"
SILENT = "was lost: the server has ended the session, of which it heard nothing for too long"
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
        upgrade(settings_for(url), "+1")
        head = applied(url)
        process.send_signal(signal.SIGCONT)
        assert process.wait(timeout=PATIENCE) == 4, log.read_text()
    assert applied(url) == head
    assert SILENT in log.read_text()
    assert "Traceback" not in log.read_text()
    outcomes = [outcome for (outcome,) in query(url, "SELECT outcome FROM schema_history ORDER BY id")]
    assert outcomes == ["done"] * 3 + ["interrupted", "done"]


@pytest.mark.parametrize(
    ("command", "begins", "code"),
    [
        (COMMANDS[0], "ALTER TABLE tags", 4),
        (("litestar", "database", "partitions", "--apply"), "IN ACCESS EXCLUSIVE MODE", 4),
        # Which goes on by itself.
        (("litestar", "database", "backfill", "--all"), "UPDATE numbers", 0),
    ],
    ids=["upgrade", "partitions", "backfill"],
)
def test_process_that_is_frozen_in_a_statement_loses_its_locks_and_says_why(
    database_url: str, release: Release, tmp_path: Path, command: tuple[str, ...], begins: str, code: int
) -> None:
    url, log = database_url, tmp_path / "log"
    define(release)
    make_numbers(url)
    query(url, f"DROP TABLE {partition_name('activity_events', MONTH, add_months(MONTH, 1))}")
    release.add('op.execute("ALTER TABLE tags ADD COLUMN weight integer")')
    with cut(url, begins, "H") as way:
        env = environment(DATABASE_URL=way.url, DB_MIGRATE_STATEMENT_TIMEOUT="1")
        with running(command, env, checkout_of(release), log) as process:
            wait_until(lambda: way.is_silent.is_set() or process.poll() is not None, "it is cut off")
            assert process.poll() is None, log.read_text()
            process.send_signal(signal.SIGSTOP)
            way.go_on()
            wait_until(lambda: query(url, IN_THE_MIDDLE) or not lock_holders(url), "it stands in the middle")
            wait_until(
                lambda: query(url, IN_THE_MIDDLE) == query(url, LOCKED) == lock_holders(url) == [], "all is free"
            )
            process.send_signal(signal.SIGCONT)
            assert process.wait(timeout=PATIENCE) == code, log.read_text()
    assert "nothing was heard of the process for too long" in log.read_text()
    assert "Traceback" not in log.read_text()


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
        upgrade(settings_for(url), "+1")
        head = applied(url)
        process.send_signal(signal.SIGCONT)
        assert process.wait(timeout=PATIENCE) == 4, log.read_text()
    assert applied(url) == head
    assert SILENT in log.read_text()
    assert "Traceback" not in log.read_text()

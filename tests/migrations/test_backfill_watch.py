"""A process that runs the backfills that are due by itself, and what pauses, resumes and retries them."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from app.db.migrator_config import migrator_config
from app.migrator.backfill import watcher
from app.migrator.backfill.control import NothingToControlError, pause, resume, retry
from app.migrator.backfill.definition import UnknownBackfillError
from app.migrator.backfill.records import BackfillPausedError
from app.migrator.backfill.runs import read_current_statuses
from app.migrator.backfill.status import BackfillState, BackfillStatus
from app.migrator.backfill.throttle import Throttle
from app.migrator.cli.group import MigratorGroup
from app.migrator.revisions.loading import load_revisions
from app.postgres.errors import MigrationFailedError
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import settings_for
from tests.migrations.conftest import Release
from tests.support.backfill import FULL_SPEED, ROWS, define, fill, make_numbers, touched
from tests.support.database import holding, query
from tests.support.migrator import read_backfills, run_backfills, upgrade
from tests.support.waiting import wait_until

POLL = 0.02
# A row in the middle, which a backfill of batches of a thousand rows meets after some of them.
IN_USE = "SELECT FROM numbers WHERE n = 5500 FOR UPDATE"
# What another process records.
FAIL = "UPDATE schema_backfills SET outcome = 'failed', error = 'theirs' WHERE name = 'fill'"


@pytest.fixture
def url(database_url: str) -> str:
    make_numbers(database_url)
    return database_url


def watch_while(url: str, work: Callable[[], None], **settings: object) -> None:
    """Watch in this thread while another one does the work; then a SIGTERM ends the watching."""
    ended = threading.Event()

    def act() -> None:
        # Before that the signal would end the tests.
        wait_until(lambda: callable(signal.getsignal(signal.SIGTERM)))
        try:
            work()
        finally:
            if not ended.is_set():
                os.kill(os.getpid(), signal.SIGTERM)

    with ThreadPoolExecutor(1) as pool:
        acted = pool.submit(act)
        try:
            watcher.watch(migrator_config(settings_for(url, **settings)), FULL_SPEED, lambda progress: None, POLL)
        finally:
            ended.set()
        acted.result()


def states(url: str) -> dict[str, BackfillState]:
    return {found.name: found.state for found in read_backfills(settings_for(url))}


def rows_seen(url: str) -> object:
    found = query(url, "SELECT to_regclass('schema_backfills') IS NOT NULL")
    return found == [(True,)] and query(url, "SELECT max(rows_seen) FROM schema_backfills")[0][0]


def is_done(url: str, name: str = "fill") -> Callable[[], bool]:
    return lambda: states(url)[name] is BackfillState.DONE


def test_due_backfills_are_run_and_later_ones_once_their_revision_is_applied(url: str, release: Release) -> None:
    define(release)
    revision = release.add('op.execute("CREATE TABLE more (n integer PRIMARY KEY, doubled integer)")')
    define(release, "later", after=revision, table="more", update="UPDATE more SET doubled = n * 2 WHERE {batch}")

    def work() -> None:
        wait_until(is_done(url))
        assert states(url)["later"] is BackfillState.WAITING
        upgrade(settings_for(url))
        query(url, "INSERT INTO more (n) SELECT generate_series(1, 10)")
        wait_until(is_done(url, "later"))

    watch_while(url, work)
    assert touched(url) == {1: ROWS}


def test_sigterm_ends_it_in_the_middle_and_the_next_one_goes_on_there(url: str, release: Release) -> None:
    define(release)
    with holding(url, IN_USE):
        watch_while(url, lambda: wait_until(lambda: rows_seen(url)))
    assert states(url) == {**states(url), "fill": BackfillState.UNFINISHED}
    watch_while(url, lambda: wait_until(is_done(url)))
    assert touched(url) == {1: ROWS}


def test_two_at_once_do_no_row_twice(url: str, release: Release) -> None:
    define(release, batch_size=100)
    config = migrator_config(settings_for(url))

    async def watch_beside(is_over: threading.Event) -> None:
        other = watcher.Watcher(config, normalize_database_url(url), load_revisions(config), FULL_SPEED, lambda _: None)
        task = asyncio.create_task(other.watch(POLL))
        while not is_over.is_set():
            await asyncio.sleep(POLL)
        task.cancel()
        # Cancelled a second time, by the end of the loop, it would leave its connection open.
        await asyncio.wait([task])

    is_over = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(lambda: asyncio.run(watch_beside(is_over)))
        watch_while(url, lambda: wait_until(is_done(url)))
        is_over.set()
        beside.result()
    assert touched(url) == {1: ROWS}


def test_failed_one_is_left_alone_until_it_is_retried(url: str, release: Release) -> None:
    query(url, "ALTER TABLE numbers ADD CONSTRAINT small CHECK (doubled <> 5000)")
    define(release)
    define(release, "other", update="UPDATE numbers SET touched = touched + 0 WHERE {batch}")

    def work() -> None:
        wait_until(lambda: states(url)["fill"] is BackfillState.FAILED)
        query(url, "ALTER TABLE numbers DROP CONSTRAINT small")
        wait_until(is_done(url, "other"))
        assert states(url)["fill"] is BackfillState.FAILED
        retry(migrator_config(settings_for(url)), ["fill"])
        wait_until(is_done(url))

    with capture_logs() as logs:
        watch_while(url, work)
    assert touched(url) == {1: ROWS}
    assert [entry["backfill"] for entry in logs if entry["event"] == "a backfill did not end"] == ["fill"]


def test_one_that_fails_meanwhile_in_another_process_is_left_alone(
    url: str, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the watcher has found it due."""
    define(release)
    pause(migrator_config(settings_for(url)), ["fill"])
    resume(migrator_config(settings_for(url)), ["fill"])
    real, found = read_current_statuses, threading.Event()

    async def overtaken(*arguments: Any) -> list[BackfillStatus]:
        statuses = await real(*arguments)
        if not found.is_set():
            await asyncio.to_thread(query, url, FAIL)
            found.set()
        return statuses

    def work() -> None:
        wait_until(found.is_set)
        wait_until(lambda: any("has failed in another process" in entry.get("reason", "") for entry in logs))
        assert (states(url)["fill"], rows_seen(url)) == (BackfillState.FAILED, 0)

    monkeypatch.setattr(watcher, "read_current_statuses", overtaken)
    with capture_logs() as logs:
        watch_while(url, work)


def test_one_that_fails_in_another_process_between_two_batches_is_left_alone(url: str, release: Release) -> None:
    define(release)

    def work() -> None:
        with holding(url, IN_USE):
            wait_until(lambda: rows_seen(url))
            query(url, FAIL)
            seen = rows_seen(url)
        wait_until(lambda: any("has failed in another process" in entry.get("reason", "") for entry in logs))
        assert (states(url)["fill"], rows_seen(url)) == (BackfillState.FAILED, seen)

    with capture_logs() as logs:
        watch_while(url, work)


def test_paused_one_stops_after_its_batch_and_runs_nowhere_until_it_is_resumed(url: str, release: Release) -> None:
    define(release)
    config = migrator_config(settings_for(url))

    def work() -> None:
        with holding(url, IN_USE):
            wait_until(lambda: rows_seen(url))
            pause(config, ["fill"])
        seen = rows_seen(url)
        assert states(url)["fill"] is BackfillState.PAUSED
        with pytest.raises(BackfillPausedError, match="litestar database backfill fill --resume"):
            fill(url)
        run_backfills(settings_for(url), None, FULL_SPEED, lambda progress: None)
        assert rows_seen(url) == seen
        resume(config, ["fill"])
        wait_until(is_done(url))

    watch_while(url, work)
    assert touched(url) == {1: ROWS}


def test_backfill_can_be_paused_before_it_was_ever_run_and_in_an_older_table(url: str, release: Release) -> None:
    define(release)
    define(release, "other", update="UPDATE numbers SET touched = touched + 0 WHERE {batch}")
    config = migrator_config(settings_for(url))
    run_backfills(settings_for(url), ["other"], FULL_SPEED, lambda progress: None)
    query(url, "ALTER TABLE schema_backfills DROP COLUMN paused_at")
    assert states(url) == {**states(url), "other": BackfillState.DONE, "fill": BackfillState.PENDING}
    pause(config, ["fill"])
    pause(config, ["fill"])
    assert states(url)["fill"] is BackfillState.PAUSED
    with pytest.raises(BackfillPausedError):
        fill(url)
    resume(config, ["fill"])
    fill(url)
    assert touched(url) == {1: ROWS}


def test_what_cannot_be_controlled_is_said(url: str, release: Release) -> None:
    define(release)
    config = migrator_config(settings_for(url))
    with pytest.raises(UnknownBackfillError, match=r"no backfill 'nothing'\. There are: .*fill"):
        pause(config, ["nothing"])
    with pytest.raises(UnknownBackfillError, match="no backfill 'nothing'"):
        retry(config, ["nothing"])
    for change, problem in ((resume, "is not paused"), (retry, "was never run: there is nothing to try again")):
        with pytest.raises(NothingToControlError, match=rf"^Backfill fill {problem}\.$"):
            change(config, ["fill"])
    with holding(url, IN_USE), ThreadPoolExecutor(1) as pool:
        running = pool.submit(fill, url, db_migrate_lock_retries=0)
        wait_until(lambda: rows_seen(url))
        with pytest.raises(NothingToControlError, match=r"^Backfill fill has not failed: it is running"):
            retry(config, ["fill"])
        with pytest.raises(MigrationFailedError):
            running.result()
    retry(config, ["fill"])
    fill(url)
    for change in (pause, retry):
        with pytest.raises(NothingToControlError, match="is done"):
            change(config, ["fill"])


@pytest.mark.parametrize(
    "arguments", [["--watch", "fill"], ["--watch", "--all"], ["--all", "fill"], ["--pause"], ["--retry", "--watch"]]
)
def test_options_that_exclude_each_other_are_refused(arguments: list[str]) -> None:
    refused = CliRunner().invoke(MigratorGroup(name="database"), ["backfill", *arguments])
    assert refused.exit_code == 2, refused.output


def test_database_that_is_away_is_waited_for(release: Release) -> None:
    nowhere = "postgresql://nobody@127.0.0.1:1/nothing"
    with capture_logs() as logs:
        watch_while(
            nowhere,
            lambda: wait_until(lambda: any("trying again" in entry["event"] for entry in logs)),
            db_connect_timeout=0.1,
        )


@pytest.mark.parametrize(
    ("throttle", "took", "lag", "rest"),
    [
        (Throttle(), 0.5, 0.0, 0.5),
        (Throttle(), 0.5, 4.0, 4.0),
        (Throttle(), 0.5, 3600.0, 30.0),
        (Throttle(rate=0), 0.5, 4.0, 0.0),
        (Throttle(rate=100), 0.5, 4.0, 9.5),
    ],
)
def test_batches_rest_while_standbys_are_behind_unless_a_rate_is_given(
    throttle: Throttle, took: float, lag: float, rest: float
) -> None:
    assert throttle.rest(1000, took, lag) == rest

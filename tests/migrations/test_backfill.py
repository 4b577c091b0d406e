"""Backfills: every row once, whatever happens meanwhile; and revisions that wait for them."""

import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from structlog.testing import capture_logs

from app.core.settings import Settings
from app.db.startup_policy import init_db
from app.migrator.backfill.definition import UnknownBackfillError
from app.migrator.backfill.progress import Progress
from app.migrator.backfill.records import RevertedMeanwhileError
from app.migrator.backfill.runs import BackfillWaitsError, SeveralBackfillsError
from app.migrator.backfill.status import BackfillState
from app.migrator.backfill.throttle import Throttle
from app.migrator.cli.backfill_progress import bar_length
from app.migrator.phase import Phase
from app.migrator.revisions.history import Outcome
from app.postgres.errors import MigrationFailedError
from app.postgres.url.database_url import normalize_database_url
from tests.conftest import settings_for
from tests.migrations.conftest import HEAD, Release
from tests.support.backfill import DOUBLE, FULL_SPEED, ROWS, define, fill, make_numbers, touched, write
from tests.support.checkouts import checkout_of
from tests.support.database import applied, holding, insert, query
from tests.support.migrator import downgrade, load_revisions, read_backfills, upgrade
from tests.support.migrator import run_backfills as run
from tests.support.processes import BIN, environment, in_checkout, shown_on_a_terminal
from tests.support.processes import run as run_command
from tests.support.waiting import PATIENCE


@pytest.fixture
def url(database_url: str) -> str:
    make_numbers(database_url)
    return database_url


def once(action: object) -> object:
    """Return a report that does the action at the first batch alone."""
    called: list[Progress] = []

    def report(progress: Progress) -> None:
        if not called:
            called.append(progress)
            assert callable(action)
            action()

    return report


def record(url: str, *columns: str) -> tuple[object, ...]:
    (row,) = query(url, f"SELECT {', '.join(columns)} FROM schema_backfills WHERE name = 'fill'")
    return row


def standing(url: str) -> BackfillState:
    (status,) = [each for each in read_backfills(settings_for(url)) if each.name == "fill"]
    return status.state


@contextmanager
def process(release: Release, url: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`litestar database backfill …`, started."""
    running = subprocess.Popen(
        [str(BIN / "litestar"), "database", "backfill", *arguments],
        env=in_checkout(environment(DATABASE_URL=url), release.root),
        cwd=release.root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            running.kill()
        running.communicate()


# Each row once.


@pytest.mark.parametrize("batch_size", [999, 1000, 20_000])
def test_every_row_is_changed_once(url: str, release: Release, batch_size: int) -> None:
    define(release, batch_size=batch_size)
    with capture_logs() as logs:
        seen = fill(url)
    assert touched(url) == {1: ROWS}
    last = seen[-1]
    assert (last.outcome, last.rows_seen, last.rows_changed, last.total) == (Outcome.DONE, ROWS, ROWS, ROWS)
    assert all(progress.rows_seen <= progress.total for progress in seen)
    assert record(url, "outcome", "rows_seen", "rows_changed", "total", "error") == ("done", ROWS, ROWS, ROWS, None)
    assert record(url, "finished_at > started_at", "length(checksum)", "applied_by LIKE '%@% as %'") == (True, 64, True)
    (event,) = [entry for entry in logs if entry["event"] == "ran a backfill"]
    assert (event["backfill"], event["outcome"], event["rows_changed"], event["retries"]) == ("fill", "done", ROWS, 0)
    assert event["duration_seconds"] > 0


def test_batch_has_a_limit_of_its_own_where_the_server_knows_one(url: str, release: Release) -> None:
    """Also through a pooler, where nobody watches over its session."""
    limit = "extract(epoch FROM CAST(current_setting('transaction_timeout') AS interval))"
    define(release, update=f"UPDATE numbers SET doubled = {limit} WHERE {{batch}}")
    fill(url, db_migrate_statement_timeout=7.0)
    assert query(url, "SELECT DISTINCT doubled FROM numbers") == [(28,)]


@pytest.mark.parametrize("where", [None, "doubled IS NULL"])
def test_run_again_changes_nothing(url: str, release: Release, where: str | None) -> None:
    define(release, where=where)
    fill(url)
    (again,) = fill(url)
    assert again.outcome is Outcome.DONE
    assert touched(url) == {1: ROWS}


def test_word_of_a_later_release_for_how_it_stands_is_unfinished_work(url: str, release: Release) -> None:
    define(release)
    fill(url)
    query(url, "UPDATE schema_backfills SET outcome = 'postponed'")
    assert standing(url) is BackfillState.UNFINISHED
    fill(url)
    assert standing(url) is BackfillState.DONE


def test_empty_table_is_done_at_once(url: str, release: Release) -> None:
    define(release)
    query(url, "TRUNCATE numbers")
    assert fill(url)[-1].outcome is Outcome.DONE
    assert record(url, "outcome", "rows_seen", "total") == ("done", 0, 0)


def test_rows_that_are_done_already_are_seen_and_not_changed(url: str, release: Release) -> None:
    define(release, where="doubled IS NULL")
    query(url, "UPDATE numbers SET doubled = 0 WHERE n % 2 = 0")
    assert (fill(url)[-1].rows_seen, fill(url)[-1].rows_changed) == (ROWS, ROWS // 2)
    assert touched(url) == {0: ROWS // 2, 1: ROWS // 2}


def test_rows_that_come_meanwhile_are_done_on_either_side_of_the_cursor(url: str, release: Release) -> None:
    define(release, where="doubled IS NULL")
    fill(url, report=once(lambda: query(url, f"INSERT INTO numbers VALUES (-1), ({ROWS + 1})")))
    assert touched(url) == {1: ROWS + 2}
    assert standing(url) is BackfillState.DONE


def test_rows_that_came_after_it_was_done_are_done_by_the_next_run(url: str, release: Release) -> None:
    define(release, where="doubled IS NULL")
    fill(url)
    query(url, "INSERT INTO numbers VALUES (-1)")
    fill(url)
    assert touched(url) == {1: ROWS + 1}
    assert record(url, "outcome", "finished_at IS NOT NULL") == ("done", True)


def test_statement_that_leaves_its_rows_undone_does_not_run_for_ever(url: str, release: Release) -> None:
    define(release, update="UPDATE numbers SET touched = touched + 1 WHERE {batch}", where="doubled IS NULL")
    with pytest.raises(MigrationFailedError, match="its statement does not change them, or an older release"):
        fill(url)
    assert record(url, "outcome") == ("failed",)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_key_of_several_columns_and_awkward_values(url: str, release: Release, driver: str) -> None:
    query(
        url,
        """CREATE TABLE "odd:Table" ("who:" text, "At" timestamptz, small numeric(9, 2), touched integer DEFAULT 0,
        PRIMARY KEY ("who:", "At", small) INCLUDE (touched))""",
    )
    query(
        url,
        """INSERT INTO "odd:Table" SELECT who, timestamptz '1999-12-31 23:59:59.123456+00' + day * interval '1 day', n
        FROM unnest(ARRAY['', 'ä', 'B', 'a', E'it\\'s \\:x', '100 %', '"', E'\\\\']) AS who,
        generate_series(1, 10) AS day, generate_series(0.01, 0.1, 0.01) AS n""",
    )
    define(
        release,
        table="odd:Table",
        update="""UPDATE "odd:Table" SET touched = touched + 1 WHERE {batch} AND '{":x": 1}'::jsonb ? ':x'""",
        where="\"who:\" <> '%:y'::text",
        batch_size=7,
    )
    # Its `where` holds for ever, so it goes over the table as often as it ever does.
    with pytest.raises(MigrationFailedError, match="3 times"):
        fill(url.replace("+asyncpg", f"+{driver}"))
    assert query(url, 'SELECT touched, count(*) FROM "odd:Table" GROUP BY touched') == [(3, 800)]


def test_rows_of_other_tables_can_be_used(url: str, release: Release) -> None:
    query(url, "CREATE TABLE factors (n integer, factor integer)")
    query(url, "INSERT INTO factors VALUES (0, 5), (1, 7)")
    define(
        release,
        update="UPDATE numbers SET doubled = factor FROM factors WHERE factors.n = numbers.n % 2 AND {batch}",
        where="doubled IS NULL",
    )
    fill(url)
    assert query(url, "SELECT doubled, count(*) FROM numbers GROUP BY doubled ORDER BY 1") == [(5, 5000), (7, 5000)]


# Two places, kills and interruptions.


def test_two_processes_at_once_do_each_row_once(url: str, release: Release) -> None:
    define(release, batch_size=100)
    checkout_of(release)
    with ExitStack() as stack:
        # Who is first creates the table of records: both wait here to do so.
        with holding(url, "SELECT pg_advisory_xact_lock(hashtext('schema_backfills'))") as waiting:
            one = stack.enter_context(process(release, url, "fill", "--json"))
            other = stack.enter_context(process(release, url, "--all", "--rate", "0"))
            waiting(2)
        outputs = [one.communicate(timeout=PATIENCE), other.communicate(timeout=PATIENCE)]
    assert (one.returncode, other.returncode) == (0, 0), outputs
    assert touched(url) == {1: ROWS}
    assert json.loads(outputs[0][0].splitlines()[-1])["rows_seen"] == ROWS


def test_two_runners_take_turns(url: str, release: Release) -> None:
    define(release, batch_size=1000)
    turns: list[str] = []
    barrier = threading.Barrier(2)

    def take(name: str) -> None:
        # Neither begins its second batch before the other has had its first.
        def turn() -> None:
            turns.append(name)
            barrier.wait(PATIENCE)

        fill(url, report=once(turn))

    threads = [threading.Thread(target=take, args=(name,)) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(turns) == ["one", "other"]
    assert touched(url) == {1: ROWS}
    assert record(url, "outcome", "rows_seen") == ("done", ROWS)


def test_killed_in_the_middle_of_a_batch_it_goes_on_without_redoing_or_skipping(url: str, release: Release) -> None:
    define(release, batch_size=100)
    checkout_of(release)
    with holding(url, "SELECT FROM numbers WHERE n = 950 FOR UPDATE") as waiting:
        with process(release, url, "fill") as killed:
            waiting(1)
            killed.kill()
            assert killed.wait(timeout=PATIENCE) == -signal.SIGKILL
        # The record is neither ahead of the rows nor behind them.
        (cursor,) = record(url, "(cursor ->> 'n')::integer")
        assert isinstance(cursor, int)
        assert 900 <= cursor < 950
        assert touched(url) == {0: ROWS - cursor, 1: cursor}
        assert standing(url) is BackfillState.UNFINISHED
    fill(url)
    assert touched(url) == {1: ROWS}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_it_rolls_back_the_batch_and_says_how_to_go_on(
    url: str, release: Release, number: signal.Signals, code: int
) -> None:
    define(release, batch_size=1000)
    checkout_of(release)
    row = "SELECT FROM numbers WHERE n = 1500 FOR UPDATE"
    with holding(url, row) as waiting, process(release, url, "fill", "--json") as interrupted:
        waiting(1)
        interrupted.send_signal(number)
        output, errors = interrupted.communicate(timeout=PATIENCE)
    assert interrupted.returncode == code, errors
    assert "run it again to go on" in errors
    assert "Traceback" not in errors
    assert json.loads(output.splitlines()[-1])["outcome"] == "interrupted"
    assert '"outcome": "interrupted"' in errors
    fill(url)
    assert touched(url) == {1: ROWS}


def test_lost_connection_is_made_again(url: str, release: Release) -> None:
    define(release)
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    mine = "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    seen = fill(url, report=once(lambda: query(url, f"{others} {mine}")))
    assert seen[-1].retries >= 1
    assert touched(url) == {1: ROWS}


# Beside the traffic.


def test_row_in_use_is_waited_for_briefly_and_tried_again(url: str, release: Release) -> None:
    define(release)
    with capture_logs() as logs:
        with holding(url, "SELECT FROM numbers WHERE n = 5500 FOR UPDATE"):
            thread = threading.Thread(target=fill, args=(url,), kwargs={"db_migrate_lock_timeout": 0.05})
            thread.start()
            while not any(entry["event"] == "a batch is tried again" for entry in logs):
                thread.join(0.01)
                assert thread.is_alive()
        thread.join()
    assert touched(url) == {1: ROWS}
    (event,) = [entry for entry in logs if entry["event"] == "ran a backfill"]
    assert event["retries"] >= 1
    assert record(url, "retries") == (event["retries"],)


def test_row_that_stays_in_use_ends_it_after_some_tries(url: str, release: Release) -> None:
    define(release)
    row = "SELECT FROM numbers WHERE n = 5500 FOR UPDATE"
    with holding(url, row), pytest.raises(MigrationFailedError, match=r"lock timeout.*doctor"):
        fill(url, db_migrate_lock_timeout=0.05, db_migrate_lock_retries=1)
    # What could be done was done: batches get smaller where something is in the way.
    assert record(url, "outcome", "(cursor ->> 'n')::integer BETWEEN 5000 AND 5499") == ("failed", True)


def test_batch_that_takes_too_long_is_halved(url: str, release: Release) -> None:
    query(url, "DELETE FROM numbers WHERE n > 20")
    # Endless for more than ten rows; for fewer it takes no time, however busy the machine is.
    seconds = "(SELECT CASE WHEN count(*) > 10 THEN 300 ELSE 0 END FROM numbers WHERE {batch})"
    slowly = f"UPDATE numbers SET touched = touched + 1 WHERE {{batch}} AND pg_sleep({seconds}) IS NOT NULL"
    define(release, update=slowly, batch_size=20)
    assert fill(url, db_migrate_statement_timeout=0.5)[-1].retries >= 1
    assert touched(url) == {1: 20}


def test_limits_and_locks_end_with_the_batch(url: str, release: Release) -> None:
    """So that a pooler's next client does not inherit them, and a migration need not wait."""
    define(release)
    found: list[object] = []
    fill(
        url,
        report=once(
            lambda: found.extend(
                query(
                    url,
                    "SELECT state, (SELECT count(*) FROM pg_locks AS l WHERE l.pid = a.pid) FROM pg_stat_activity AS a"
                    " WHERE datname = current_database() AND application_name = 'plimsoll'",
                )
            )
        ),
    )
    assert found == [("idle", 0)]


def test_batch_that_fails_is_named_and_the_ones_before_it_stay(url: str, release: Release) -> None:
    define(release)
    query(url, "ALTER TABLE numbers ADD CONSTRAINT small CHECK (doubled <> 5000)")
    with pytest.raises(MigrationFailedError, match=r"at the row n 2500: .*small.*correct it"):
        fill(url)
    assert record(url, "outcome", "cursor", "error LIKE '%small%'") == ("failed", {"n": "2499"}, True)
    assert standing(url) is BackfillState.FAILED
    query(url, "ALTER TABLE numbers DROP CONSTRAINT small")
    fill(url)
    assert touched(url) == {1: ROWS}
    assert record(url, "outcome", "error") == ("done", None)


def test_value_that_does_not_convert_is_told_by_its_row_and_not_shown(url: str, release: Release) -> None:
    query(url, "ALTER TABLE numbers ADD word text; UPDATE numbers SET word = n")
    define(
        release,
        update="UPDATE numbers SET doubled = CAST(word AS int) WHERE {batch}",
        where="doubled <> CAST(word AS int)",
    )
    query(url, "UPDATE numbers SET doubled = 0; UPDATE numbers SET word = 'secret' WHERE n = 77")
    for done in range(2):
        with pytest.raises(MigrationFailedError, match=r'at the row n 77: .* type integer: "…".*correct it') as failed:
            fill(url)
        assert "secret" not in str(failed.value)
        query(url, "UPDATE numbers SET word = 1 WHERE n = 77")
        fill(url)
        # Behind the cursor, after it was done.
        query(url, "UPDATE numbers SET word = 'secret' WHERE n = 77") if not done else None


def test_column_that_is_dropped_meanwhile_is_a_clear_error(url: str, release: Release) -> None:
    define(release)
    with pytest.raises(MigrationFailedError, match=r"doubled.*applied or reverted meanwhile"):
        fill(url, report=once(lambda: query(url, "ALTER TABLE numbers DROP COLUMN doubled")))


def test_file_that_was_changed_goes_on_where_the_former_was(url: str, release: Release) -> None:
    define(release, update="UPDATE numbers SET doubled = 1 / (n - 2500), touched = touched + 1 WHERE {batch}")
    with pytest.raises(MigrationFailedError, match="division by zero"):
        fill(url)
    define(release)
    with capture_logs() as logs:
        fill(url)
    assert any("another content of its file" in entry["event"] for entry in logs)
    assert touched(url) == {1: ROWS}


def test_pace_rests_as_it_is_told() -> None:
    assert Throttle().rest(rows=1000, took=0.2) == 0.2
    assert Throttle(rate=0).rest(rows=1000, took=0.2) == 0
    assert Throttle(rate=1000).rest(rows=500, took=0.2) == pytest.approx(0.3)
    assert Throttle(rate=1000).rest(rows=100, took=0.2) == 0
    assert Throttle(rate=50).largest_batch(1000) == 50
    assert Throttle(batch_size=10).largest_batch(1000) == 10
    assert Throttle().next_size(1000, took=3, largest=1000) == 500
    assert Throttle().next_size(500, took=0.1, largest=800) == 800


def test_rate_is_kept(url: str, release: Release) -> None:
    query(url, "DELETE FROM numbers WHERE n > 300")
    define(release, batch_size=100)
    began = time.monotonic()
    fill(url, pace=Throttle(rate=1000))
    # No rest is due after the last batch, which finds no row.
    assert time.monotonic() - began >= 0.3


def test_key_whose_text_the_database_shortens_is_kept_whole(url: str, release: Release) -> None:
    query(url, "CREATE TABLE fractions (id float8, at interval, touched integer DEFAULT 0, PRIMARY KEY (id, at))")
    query(url, "INSERT INTO fractions SELECT 1 + n * 1e-15, n * interval '-1 day 1 hour' FROM generate_series(1, 50) n")
    for setting in ("extra_float_digits = 0", "intervalstyle = sql_standard"):
        query(url, f'ALTER DATABASE "{make_url(url).database}" SET {setting}')
    define(
        release,
        table="fractions",
        update="UPDATE fractions SET touched = touched + 1 WHERE {batch}",
        where=None,
        batch_size=3,
    )
    fill(url)
    assert query(url, "SELECT touched, count(*) FROM fractions GROUP BY touched") == [(1, 50)]


def test_condition_that_ends_in_a_comment_swallows_nothing(url: str, release: Release) -> None:
    define(release, where="doubled IS NULL -- not yet", batch_size=1000)
    fill(url)
    assert touched(url) == {1: ROWS}


# Revisions that need them.


async def test_start_up_leaves_a_revision_whose_backfill_is_not_finished(url: str, release: Release) -> None:
    define(release, where="doubled IS NULL")
    release.add("pass", phase="contract", extra='requires_backfill = "fill"')
    with capture_logs() as logs:
        await init_db(settings_for(url, db_auto_migrate=True), normalize_database_url(url))
    assert applied(url) == [HEAD]
    assert ("warning", "a contract revision waits for its backfill") in [(e["log_level"], e["event"]) for e in logs]


def test_revision_is_not_applied_before_what_it_requires_is_finished(url: str, release: Release) -> None:
    define(release, where="doubled IS NULL")
    drop = 'op.execute("ALTER TABLE numbers ALTER doubled SET NOT NULL")'
    revision = release.add(drop, phase="contract", extra='requires_backfill = "fill"')
    with pytest.raises(MigrationFailedError, match=r"requires the backfill 'fill'.*litestar database backfill fill"):
        upgrade(settings_for(url))
    assert applied(url) == [HEAD]
    assert query(url, "SELECT FROM schema_history WHERE revision = :r", r=revision) == []
    fill(url)
    upgrade(settings_for(url))
    assert applied(url) == [revision]


def test_expand_then_backfill_then_contract(database_url: str, release: Release) -> None:
    """The guide's example, with rows of before it, and with the previous release at work all the time."""

    def add(title: str) -> None:
        place = {"organization_id": organization, "board_id": board}
        insert(database_url, "tasks", **place, title=title, priority="high")

    organization = insert(database_url, "organizations", name="o")
    board = insert(database_url, "boards", organization_id=organization, name="b", slug="b", description="")
    add("before")
    expand = release.add(
        """
        op.add_column("tasks", sa.Column("effort", sa.Integer()))
        op.alter_column("tasks", "effort", server_default="1")
        """
    )
    update = "UPDATE tasks SET effort = CASE priority WHEN 'high' THEN 3 ELSE 1 END WHERE {batch}"
    define(release, table="tasks", after=expand, update=update, where="effort IS NULL")
    release.add(
        """
        op.create_check_constraint(
            op.f("ck_tasks_effort_is_set"), "tasks", sa.column("effort").is_not(None), postgresql_not_valid=True
        )
        """,
        phase="contract",
        extra='requires_backfill = "fill"',
    )
    release.add('op.execute("ALTER TABLE tasks VALIDATE CONSTRAINT ck_tasks_effort_is_set")', phase="contract")
    settings = settings_for(database_url)
    upgrade(settings, phase=Phase.EXPAND)
    add("meanwhile")
    query(database_url, "UPDATE tasks SET title = title || '!'")
    fill(database_url)
    upgrade(settings)
    add("afterwards")
    found = query(database_url, "SELECT title, effort FROM tasks ORDER BY created_at")
    assert found == [("before!", 3), ("meanwhile!", 1), ("afterwards", 1)]


def test_rows_that_an_older_release_has_written_since_keep_the_revision_away(url: str, release: Release) -> None:
    define(release, where="doubled IS NULL")
    release.add("pass", phase="contract", extra='requires_backfill = ("fill",)')
    fill(url)
    query(url, "INSERT INTO numbers VALUES (-1)")
    with pytest.raises(MigrationFailedError, match="have come since"):
        upgrade(settings_for(url))
    fill(url)
    upgrade(settings_for(url))


def test_where_no_row_shows_it_the_record_decides(url: str, release: Release) -> None:
    define(release)
    release.add("pass", phase="contract", extra='requires_backfill = "fill"')
    with pytest.raises(MigrationFailedError, match="is not finished"):
        upgrade(settings_for(url))
    fill(url)
    query(url, "INSERT INTO numbers VALUES (-1)")
    upgrade(settings_for(url))


@pytest.mark.parametrize("where", [None, "due_at IS NULL"])
def test_empty_database_goes_to_head_in_one_go(empty_database_url: str, release: Release, where: str | None) -> None:
    update = "UPDATE tasks SET due_at = now() WHERE {batch}"
    define(release, table="tasks", update=update, where=where)
    release.add("pass", phase="contract", extra='requires_backfill = "fill"')
    upgrade(settings_for(empty_database_url))
    assert applied(empty_database_url) == [release.head]
    # What it filled may be gone by now.
    assert standing(empty_database_url) is BackfillState.NOT_NEEDED
    assert fill(empty_database_url) == []


@pytest.mark.parametrize(
    ("phase", "code", "says"),
    [("contract", 3, "requires the backfill 'fill'"), ("expand", 0, "Nothing is to be applied: no backup was taken")],
)
def test_no_backup_is_taken_for_what_will_not_be_applied(
    url: str, release: Release, tmp_path: Path, phase: str, code: int, says: str
) -> None:
    define(release)
    release.add("pass", phase="contract", extra='requires_backfill = "fill"')
    checkout_of(release)
    command = ("litestar", "database", "upgrade", "--no-prompt", "--phase", phase, "--backup-to")
    env = in_checkout(environment(DATABASE_URL=url), release.root)
    result = run_command(*command, str(tmp_path / "before.tar"), env=env, cwd=release.root)
    assert (result.returncode, says in result.stderr) == (code, True), result.stderr
    assert not (tmp_path / "before.tar").exists()


def test_requirement_that_cannot_be_looked_at_is_named(url: str, release: Release) -> None:
    define(release, where="tripled IS NULL")
    release.add("pass", phase="contract", extra='requires_backfill = "fill"')
    with pytest.raises(MigrationFailedError, match=r"cannot be looked at: .*tripled"):
        upgrade(settings_for(url))


def test_downgrade_of_its_revision_makes_it_undone(url: str, release: Release) -> None:
    after = release.add('op.execute("ALTER TABLE numbers ADD tripled int")', 'op.drop_column("numbers", "tripled")')
    define(release, after=after, update="UPDATE numbers SET tripled = n * 3 WHERE {batch}")
    assert standing(url) is BackfillState.WAITING
    upgrade(settings_for(url))
    assert standing(url) is BackfillState.PENDING
    fill(url)
    assert standing(url) is BackfillState.DONE
    downgrade(settings_for(url), "-1", accept_data_loss=True)
    assert standing(url) is BackfillState.WAITING
    upgrade(settings_for(url))
    assert standing(url) is BackfillState.PENDING
    fill(url)
    assert query(url, "SELECT FROM numbers WHERE tripled IS NULL") == []


def test_downgrade_meanwhile_ends_it(url: str, release: Release) -> None:
    after = release.add('op.execute("ALTER TABLE numbers ADD tripled int")', 'op.drop_column("numbers", "tripled")')
    define(release, after=after, update="UPDATE numbers SET tripled = n * 3 WHERE {batch}")
    upgrade(settings_for(url))

    def revert() -> None:
        thread = threading.Thread(target=downgrade, args=(settings_for(url), "-1"), kwargs={"accept_data_loss": True})
        thread.start()
        thread.join()

    with pytest.raises(RevertedMeanwhileError, match="was reverted"):
        fill(url, report=once(revert))
    assert applied(url) == [HEAD]


# Definitions.


def test_backfill_waits_for_its_revision(url: str, release: Release) -> None:
    after = release.add("pass")
    define(release, after=after)
    with pytest.raises(BackfillWaitsError, match=after) as raised:
        fill(url)
    assert raised.value.exit_code == 1
    with capture_logs() as logs:
        run(settings_for(url), None, FULL_SPEED, lambda _: None)
    assert any(entry["event"] == "a backfill waits for its revision" for entry in logs)
    assert touched(url) == {0: ROWS}


def test_all_run_in_the_order_of_their_revisions(url: str, whole_release: Release) -> None:
    define(whole_release, "a_later", after=HEAD, where="doubled IS NULL", update=DOUBLE)
    define(whole_release, "z_earlier", after="1d9c6f0b7a31", where="doubled IS NULL", update=DOUBLE)
    seen: list[Progress] = []
    run(settings_for(url), None, FULL_SPEED, seen.append)
    done = [(progress.name, progress.rows_changed) for progress in seen if progress.outcome is Outcome.DONE]
    assert done == [("z_earlier", ROWS), ("a_later", 0)]


def test_one_that_fails_keeps_none_of_the_others_from_running(url: str, release: Release) -> None:
    define(release, "a_broken", update="UPDATE numbers SET doubled = 1 / 0 WHERE {batch}")
    define(release, "b_waiting", after=release.add("pass"))
    define(release, "fill")
    define(release, "z_broken", update="UPDATE numbers SET nowhere = 1 WHERE {batch}")
    with pytest.raises(SeveralBackfillsError, match=r"^2 backfills did not end") as raised:
        run(settings_for(url), None, FULL_SPEED, lambda _: None)
    assert raised.value.exit_code == 3
    assert all(f"\n  - Backfill {name} failed" in str(raised.value) for name in ("a_broken", "z_broken"))
    assert touched(url) == {1: ROWS}
    # One alone is raised itself.
    with pytest.raises(BackfillWaitsError):
        run(settings_for(url), ["b_waiting", "fill"], FULL_SPEED, lambda _: None)
    with pytest.raises(SeveralBackfillsError, match="b_waiting runs after"):
        run(settings_for(url), ["a_broken", "b_waiting"], FULL_SPEED, lambda _: None)


def test_unknown_name_names_the_known_ones(url: str, whole_release: Release) -> None:
    define(whole_release)
    with pytest.raises(UnknownBackfillError, match=r"no backfill 'fil'\. There are: .*, fill\.") as raised:
        run(settings_for(url), ["fil"], FULL_SPEED, lambda _: None)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"after": "nowhere"}, "no revision nowhere"),
        ({"update": "UPDATE numbers SET doubled = 1"}, "has no {batch}"),
        ({"batch_size": 0}, "batch_size"),
        ({"table": " "}, "`table` is no text"),
        ({"where": 5}, "`where` is no text"),
        ({"tabel": "x"}, "unexpected keyword argument 'tabel'"),
    ],
)
def test_wrong_definition_is_an_error_when_the_revisions_are_read(
    release: Release, fields: dict[str, Any], problem: str
) -> None:
    define(release, **fields)
    with pytest.raises(MigrationFailedError, match="fill") as raised:
        load_revisions(Settings())
    assert problem in str(raised.value)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("Fill", "", "small letters"),
        ("fill", "import nothing_like_it", "fill.py cannot be used: ModuleNotFoundError"),
        ("fill", "fill = 1", "defines no backfill"),
    ],
)
def test_file_that_is_no_backfill_is_named(release: Release, name: str, text: str, problem: str) -> None:
    write(release, name, text)
    with pytest.raises(MigrationFailedError, match=problem):
        load_revisions(Settings())


@pytest.mark.parametrize(
    ("requires", "problem"),
    [
        ('"nothing"', "'nothing', which is not in"),
        ("5", "requires_backfill is no name"),
        ('("fill", "later")', "'later', which can only run after"),
    ],
)
def test_wrong_requirement_is_an_error_when_the_revisions_are_read(
    release: Release, requires: str, problem: str
) -> None:
    first, second = release.add("pass"), release.add("pass # Later.")
    define(release)
    define(release, "later", after=second)
    (path,) = [path for path in (release.root / "migrations" / "versions").glob("*.py") if first in path.read_text()][
        :1
    ]
    path.write_text(path.read_text() + f"requires_backfill = {requires}\n")
    with pytest.raises(MigrationFailedError, match=problem):
        load_revisions(Settings())


@pytest.mark.parametrize(("table", "problem"), [("nowhere", "no table 'nowhere'"), ("keyless", "has no primary key")])
def test_table_that_cannot_be_gone_over_is_named(url: str, release: Release, table: str, problem: str) -> None:
    query(url, "CREATE TABLE keyless (n integer)")
    define(release, table=table)
    with pytest.raises(MigrationFailedError, match=problem):
        fill(url)


# The command.


def test_command_shows_where_each_stands(url: str, whole_release: Release) -> None:
    define(whole_release, batch_size=5000)
    checkout_of(whole_release)
    env = environment(DATABASE_URL=url)
    alone = run_command("litestar", "database", "backfill", env=env, cwd=whole_release.root)
    assert alone.returncode == 0, alone.stderr
    assert alone.stdout.splitlines()[-1].split()[:3] == ["pending", "fill", HEAD]
    fill(url)
    listed = run_command("litestar", "database", "backfill", "--json", env=env, cwd=whole_release.root)
    *_, found = json.loads(listed.stdout)
    assert (found["name"], found["state"], found["rows_changed"]) == ("fill", "done", ROWS)
    wrong = run_command("litestar", "database", "backfill", "--all", "fill", env=env, cwd=whole_release.root)
    assert wrong.returncode == 2


def test_command_shows_a_bar_on_a_terminal(url: str, release: Release) -> None:
    define(release)
    checkout_of(release)
    env = environment(DATABASE_URL=url)
    text = shown_on_a_terminal("litestar", "database", "backfill", "fill", env=env, cwd=release.root)
    assert "10,000 of 10,000 rows" in text
    assert "100%" in text
    assert "rows/s" in text
    assert "0:00:00 left" in text


def test_bar_is_not_full_before_the_end(url: str, release: Release) -> None:
    """The estimate may be low: nobody knows then how much is left."""
    define(release)
    seen = fill(url)
    running, done = seen[-2], seen[-1]
    assert (running.outcome, running.rows_seen, running.total) == (Outcome.RUNNING, ROWS, ROWS)
    assert (running.seconds_left, done.seconds_left) == (None, 0.0)
    assert bar_length(running) > ROWS
    assert bar_length(done) == ROWS

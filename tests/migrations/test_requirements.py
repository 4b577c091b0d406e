"""What a revision or a backfill requires is checked before anything of it is done."""

import threading

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from app.migrator.backfill.status import BackfillState
from app.migrator.locking.migration_lock import HELD_BY_ME
from app.migrator.revisions.requirements import Requirement, RequirementError, require, requirements_of
from app.postgres.errors import MigrationFailedError
from tests.conftest import settings_for
from tests.migrations.conftest import HEAD, Release, autocommit
from tests.support.backfill import ROWS, define, fill, make_numbers, touched
from tests.support.database import applied, holding, query, unpooled
from tests.support.migrator import downgrade, lint, load_revisions, read_backfills, upgrade
from tests.support.revisions import ADD_COLUMN, DROP_COLUMN, columns_of, history

MESSAGE = "an organization is called secret: rename it"
QUERY = "SELECT NOT EXISTS (SELECT FROM organizations WHERE name = 'secret') -- yet"


def requires(query: str = QUERY, message: str = MESSAGE) -> str:
    return f"requires = {query!r}, {message!r}"


def add_secret(url: str) -> None:
    query(url, "INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'secret')")


def test_revision_is_refused_before_anything_is_done_until_what_it_requires_is_true(
    database_url: str, release: Release
) -> None:
    add_secret(database_url)
    build = autocommit("CREATE INDEX CONCURRENTLY made_before ON tags (name)")
    revision = release.add(build + ADD_COLUMN, DROP_COLUMN, extra=requires())
    settings = settings_for(database_url)
    with capture_logs() as logs, pytest.raises(MigrationFailedError) as refused:
        upgrade(settings)
    said = str(refused.value)
    assert refused.value.exit_code == 3
    assert f"Revision {revision} (" in said
    assert said.endswith(f"it is refused: {MESSAGE}")
    assert "SELECT" not in f"{said} {logs} {history(database_url, 'error')[-1]}"
    assert history(database_url, "outcome")[-1] == ("failed",)
    assert applied(database_url) == [HEAD]
    assert query(database_url, "SELECT to_regclass('made_before')") == [(None,)]
    query(database_url, "DELETE FROM organizations")
    upgrade(settings)
    assert "weight" in columns_of(database_url, "tags")
    # It is no matter of the way back.
    add_secret(database_url)
    downgrade(settings, "-1", accept_data_loss=True)
    assert applied(database_url) == [HEAD]


def test_check_is_made_under_the_lock_and_leaves_no_trace_in_the_transaction(
    database_url: str, release: Release
) -> None:
    mine = "SELECT current_setting('transaction_read_only') = 'off'"
    held = f"SELECT {HELD_BY_ME}", "the lock is not held"
    release.add(f'assert op.get_bind().exec_driver_sql("{mine}").scalar()\n{ADD_COLUMN}', extra=f"requires = {held!r}")
    upgrade(settings_for(database_url))
    assert applied(database_url) == [release.head]


def test_check_may_read_for_long_and_is_not_made_at_each_attempt_to_get_a_table(
    database_url: str, release: Release
) -> None:
    none_is_secret = "SELECT NOT EXISTS (SELECT FROM organizations WHERE name = 'secret') AND pg_sleep(0.3) IS NOT NULL"
    release.add(ADD_COLUMN, DROP_COLUMN, extra=requires(none_is_secret))
    settings = settings_for(database_url, db_migrate_lock_timeout=0.05, db_migrate_statement_timeout=0.2)
    with capture_logs() as logs:
        with holding(database_url, "LOCK tags IN ACCESS SHARE MODE"):
            thread = threading.Thread(target=upgrade, args=(settings,))
            thread.start()
            while not any(entry["event"] == "the table is in use: trying again" for entry in logs):
                thread.join(0.01)
                assert thread.is_alive()
            add_secret(database_url)
        thread.join()
    assert applied(database_url) == [release.head]


# A query, and what is said; None where it is met.
ANSWERS = {
    "true": ("SELECT true", None),
    "colon, percent": ("WITH one AS (SELECT ':a%' AS x) SELECT x LIKE '%' AND 1::bit = B'1' FROM one", None),
    "false": ("SELECT false", "it is refused: no"),
    "NULL": ("SELECT NULL::boolean", "it is refused: no"),
    "no row": ("SELECT true WHERE false", "it is refused: no"),
    "two rows": ("SELECT true FROM generate_series(1, 2)", "no single truth value"),
    "two columns": ("SELECT true, true", "no single truth value"),
    "a number": ("SELECT 1", "no single truth value"),
    "no such table": ("SELECT true FROM gone", 'its query failed: relation "gone" does not exist'),
    "a write": ("SELECT nextval('tries') > 0", "its query changes something"),
    "a write in WITH": ("WITH d AS (DELETE FROM tags RETURNING id) SELECT count(*) = 0 FROM d", "changes something"),
}


def test_every_answer_but_true_is_a_refusal_that_says_why(database_url: str) -> None:
    query(database_url, "CREATE SEQUENCE tries")
    with unpooled(database_url).connect() as connection:
        for name, (asked, said) in ANSWERS.items():
            try:
                require(connection, [Requirement("SELECT true", "x"), Requirement(asked, "no")], "it")
                found = None
            except RequirementError as exc:
                found = str(exc)
            assert (found is None) if said is None else (found and said in found), (name, found)
            # The transaction can be used, and written in.
            connection.execute(text("CREATE TEMPORARY TABLE written ()"))
            connection.rollback()


# What a file says, and what is wrong with it.
WRONG = {
    "no message": ('requires = "SELECT true"', "no pair of a query and a message"),
    "an empty message": ('requires = "SELECT true", " "', "no pair"),
    "three": ('requires = "SELECT true", "a", "b"', "no pair"),
    "a number": ("requires = 5", "no pair"),
    "two statements": ('requires = "SELECT true; SELECT true", "a"', "no single SELECT"),
    "no SELECT": ('requires = (("SELECT true", "a"), ("DELETE FROM tags", "b"))', "no single SELECT"),
    "nothing": ('requires = "", "a"', "no single SELECT"),
    "an open quote": ('requires = "SELECT \'", "a"', "cannot be read"),
}


@pytest.mark.parametrize(("line", "said"), WRONG.values(), ids=WRONG)
def test_file_that_says_it_wrongly_is_named_by_lint_and_all_others(release: Release, line: str, said: str) -> None:
    revision = release.add("pass", extra=line)
    for work in (lint, load_revisions):
        with pytest.raises(MigrationFailedError, match=rf"Revision {revision} \(.*_test.py\): .*{said}"):
            work(settings_for("postgresql://nobody@127.0.0.1:1/nothing"))


def test_requirements_of_a_revision_are_listed(release: Release) -> None:
    settings = settings_for("postgresql://nobody@127.0.0.1:1/nothing")
    plain = release.add("pass")
    one = release.add("pass", extra=requires())
    several = release.add("pass", extra='requires = [("SELECT true", "a\\n b"), ("SELECT 1 = 1;", "c")]')
    scripts = {script.revision: requirements_of(script) for script in load_revisions(settings).walk_revisions()}
    assert scripts[plain] == ()
    assert scripts[one] == ((QUERY.removesuffix(" -- yet"), MESSAGE),)
    assert scripts[several] == (("SELECT true", "a b"), ("SELECT 1 = 1", "c"))


def test_backfill_is_refused_before_its_first_batch_and_goes_on_without_asking_again(
    database_url: str, release: Release
) -> None:
    make_numbers(database_url)
    define(release, requires=("SELECT NOT EXISTS (SELECT FROM numbers WHERE touched > 0)", "somebody has begun"))
    query(database_url, "UPDATE numbers SET touched = 1 WHERE n = 1")
    with pytest.raises(MigrationFailedError, match=r"^Backfill fill is refused: somebody has begun$") as refused:
        fill(database_url)
    assert refused.value.exit_code == 3
    assert query(database_url, "SELECT count(*) FROM numbers WHERE touched > 0") == [(1,)]
    assert [one.state for one in read_backfills(settings_for(database_url)) if one.name == "fill"] == [
        BackfillState.PENDING
    ]
    query(database_url, "UPDATE numbers SET touched = 0")

    def stop(_: object) -> None:
        raise MigrationFailedError("stopped")

    with pytest.raises(MigrationFailedError, match="stopped"):
        fill(database_url, report=stop)
    fill(database_url)
    assert touched(database_url) == {1: ROWS}

"""`litestar database status`: the verdict, its exit code, and a row a revision."""

import json
import re
from collections.abc import Callable
from uuid import uuid4

import pytest
from click.testing import CliRunner
from sqlalchemy import make_url

from app.db import migrator_config
from app.migrator.cli.main import main
from app.migrator.locking.migration_lock import LOCK_KEY
from app.migrator.status import RevisionState, Status, Verdict
from tests.conftest import settings_for
from tests.migrations.conftest import HEAD, REVISIONS, Release, renamed
from tests.support.database import holding, query
from tests.support.migrator import downgrade, read_status, upgrade
from tests.support.processes import environment, run

FILL = """\
from app.migrator import Backfill

backfill = Backfill(
    table="boards", after="{after}", where="name = ''", update="UPDATE boards SET name = '?' WHERE {{batch}}"
)
"""


def states(status: Status) -> list[RevisionState]:
    return [row.state for row in status.revisions]


def test_database_at_head_is_up_to_date(database_url: str) -> None:
    status = read_status(settings_for(database_url))
    assert (status.verdict, status.exit_code) == (Verdict.UP_TO_DATE, 0)
    assert status.current == status.heads == (HEAD,)
    assert status.server.startswith("PostgreSQL ")
    assert states(status) == [RevisionState.APPLIED] * len(REVISIONS)
    first = status.revisions[0]
    assert (first.revision, first.phase, first.message) == ("1d9c6f0b7a31", "expand", "First tables.")
    assert first.applied_at is not None
    assert first.duration is None
    assert re.fullmatch(r"\S+@\S+ as postgres \(stamped\)", first.by or ""), "the baseline has made it"


def test_empty_database_has_every_revision_pending(empty_database_url: str) -> None:
    status = read_status(settings_for(empty_database_url))
    assert (status.verdict, status.exit_code) == (Verdict.PENDING, 10)
    assert states(status) == [RevisionState.PENDING] * len(REVISIONS)
    assert status.current == ()


def test_reverted_revision_is_pending_and_no_longer_says_when(database_url: str) -> None:
    downgrade(settings_for(database_url), "-1", accept_data_loss=True)
    status = read_status(settings_for(database_url))
    assert status.verdict is Verdict.PENDING
    assert (status.revisions[-1].state, status.revisions[-1].applied_at) == (RevisionState.PENDING, None)


def test_step_that_has_not_ended_is_told_whether_it_lives(database_url: str) -> None:
    """A killed downgrade from head stays running in the history until the next change of the schema."""
    query(
        database_url,
        "INSERT INTO schema_history (revision, phase, direction, outcome, applied_by, release, checksum)"
        " SELECT revision, phase, 'downgrade', 'running', applied_by, release, checksum FROM schema_history"
        " WHERE revision = :head",
        head=HEAD,
    )
    killed = read_status(settings_for(database_url))
    assert killed.verdict is Verdict.UP_TO_DATE
    assert f"the downgrade of {HEAD} was killed" in killed.detail
    with holding(database_url, f"SELECT pg_advisory_xact_lock({LOCK_KEY})"):
        assert f"the downgrade of {HEAD} is under way, by process " in read_status(settings_for(database_url)).detail


def test_newer_release_is_ahead_and_its_revision_has_no_file(
    database_url: str, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = release.add("pass")
    upgrade(settings_for(database_url))
    monkeypatch.undo()
    status = read_status(settings_for(database_url))
    assert (status.verdict, status.exit_code) == (Verdict.AHEAD, 11)
    assert (status.revisions[-1].revision, status.revisions[-1].state) == (revision, RevisionState.MISSING_FILE)
    assert status.revisions[-1].phase == "expand"
    assert "still serves" in status.detail


def test_revision_that_nobody_has_recorded_is_divergence(database_url: str) -> None:
    query(database_url, "UPDATE alembic_version SET version_num = 'whence'")
    status = read_status(settings_for(database_url))
    assert (status.verdict, status.exit_code) == (Verdict.DIVERGED, 12)
    assert (status.revisions[-1].revision, status.revisions[-1].state) == ("whence", RevisionState.MISSING_FILE)


# What somebody did to the database -> the verdict, its exit code, and words of the detail.
TAMPERED = {
    "DELETE FROM alembic_version": (Verdict.UNMANAGED, 13, "stamp head"),
    "DROP TABLE alembic_version": (Verdict.UNMANAGED, 13, "stamp head"),
    "INSERT INTO alembic_version VALUES ('1d9c6f0b7a31')": (Verdict.DIVERGED, 12, "has 1d9c6f0b7a31 beside"),
    "DROP INDEX ix_task_tags_tag_id": (Verdict.DRIFTED, 14, "1 difference(s)"),
    "ALTER TABLE tasks DISABLE TRIGGER count_added": (
        Verdict.DRIFTED,
        14,
        "1 difference(s) from the models (trigger tasks.count_added)",
    ),
}


@pytest.mark.parametrize(("statement", "expected"), TAMPERED.items(), ids=TAMPERED)
def test_what_somebody_changed_by_hand_has_its_verdict(
    database_url: str, statement: str, expected: tuple[Verdict, int, str]
) -> None:
    query(database_url, statement)
    status = read_status(settings_for(database_url))
    assert (status.verdict, status.exit_code) == expected[:2]
    assert expected[2] in status.detail


def test_revision_beside_one_of_ours_that_is_not_applied_is_divergence(database_url: str, release: Release) -> None:
    ours = release.add("pass")
    upgrade(settings_for(database_url))
    renamed(database_url, ours, "theirs")
    status = read_status(settings_for(database_url))
    assert (status.verdict, status.exit_code) == (Verdict.DIVERGED, 12)
    assert "theirs" in status.detail
    rows = [(row.revision, row.state) for row in status.revisions[-2:]]
    assert rows == [(ours, RevisionState.PENDING), ("theirs", RevisionState.MISSING_FILE)]


def test_files_that_were_squashed_are_neither_missing_nor_ahead(
    database_url: str, whole_release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    query(database_url, "UPDATE schema_history SET revision = 'old ' || revision, phase = 'contract'")
    query(database_url, "UPDATE alembic_version SET version_num = 'old ' || version_num")
    assert run("alembic", "stamp", "--purge", "head", env=environment(DATABASE_URL=database_url)).returncode == 0
    assert states(read_status(settings_for(database_url))) == [RevisionState.APPLIED] * len(REVISIONS)
    whole_release.add("pass")
    upgrade(settings_for(database_url))
    monkeypatch.undo()
    status = read_status(settings_for(database_url))
    assert (status.verdict, len(status.revisions)) == (Verdict.AHEAD, len(REVISIONS) + 1)
    assert "still serves" in status.detail


def test_words_of_a_later_release_in_the_history_are_borne(database_url: str) -> None:
    query(database_url, "UPDATE schema_history SET outcome = 'postponed', phase = 'sideways' WHERE id = 6")
    assert read_status(settings_for(database_url)).verdict is Verdict.UP_TO_DATE


def test_two_heads_are_divergence(database_url: str, release: Release) -> None:
    release.add("pass")
    (second,) = [path for path in (release.root / "migrations" / "versions").iterdir() if "2027" in path.name]
    text = re.sub(r'^revision = ".*"$', 'revision = "another"', second.read_text(), flags=re.MULTILINE)
    second.with_name("2027_01_01_0002_other.py").write_text(text)
    status = read_status(settings_for(database_url))
    assert status.verdict is Verdict.DIVERGED
    assert "2 heads" in status.detail
    assert "`litestar database merge heads --message" in status.detail


def test_file_that_was_changed_after_it_was_applied_is_drift(database_url: str, whole_release: Release) -> None:
    (first,) = (whole_release.root / "migrations" / "versions").glob("*_first_tables.py")
    first.write_text(first.read_text() + "\n# Changed.\n")
    status = read_status(settings_for(database_url))
    assert (status.verdict, status.exit_code) == (Verdict.DRIFTED, 14)
    assert status.revisions[0].state is RevisionState.CHECKSUM_CHANGED
    assert "1d9c6f0b7a31" in status.detail


def test_role_that_may_not_compare_is_told_the_rest(database_url: str, administer: Callable[[str], None]) -> None:
    role = f"reader_{uuid4().hex}"
    administer(f"CREATE ROLE {role} LOGIN")
    query(database_url, f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")
    database = make_url(database_url).database
    query(database_url, f'REVOKE TEMPORARY ON DATABASE "{database}" FROM PUBLIC')
    url = make_url(database_url).set(username=role).render_as_string(hide_password=False)
    status = read_status(settings_for(url))
    query(database_url, f"DROP OWNED BY {role}")
    administer(f"DROP ROLE {role}")
    assert status.verdict is Verdict.UP_TO_DATE
    assert "GRANT TEMPORARY" in status.detail


def test_stamped_revision_says_so(empty_database_url: str) -> None:
    assert run("alembic", "stamp", "head", env=environment(DATABASE_URL=empty_database_url)).returncode == 0
    assert read_status(settings_for(empty_database_url)).verdict is Verdict.DRIFTED
    status = read_status(settings_for(empty_database_url))
    assert {row.by and row.by.endswith("(stamped)") for row in status.revisions} == {True}


def test_command_prints_the_verdict_first_and_the_last_few_that_were_applied(database_url: str) -> None:
    env = environment(DATABASE_URL=database_url)
    result = run("litestar", "database", "status", "--check", env=env)
    assert result.returncode == 0, result.stderr
    first, _, _, current, after, *rest = [line.rstrip() for line in result.stdout.splitlines()]
    assert first == "up to date: the database is at head"
    assert current == f"current   {HEAD}  {read_status(settings_for(database_url)).revisions[-1].message}"
    assert after == "next      nothing"
    assert f"Applied, the last first (5 of {len(REVISIONS)}; --all shows them all):" in rest
    assert [line.split()[0] for line in rest[3:]] == REVISIONS[:-6:-1]
    assert "\x1b" not in result.stdout
    shown = run("litestar", "database", "status", "--all", env=env).stdout.splitlines()
    assert [line.split()[0] for line in shown[-len(REVISIONS) :]] == REVISIONS[::-1]


@pytest.fixture
def shown(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Runs one of the engine's commands on the release and the database, and returns the lines that it prints."""
    for name, value in environment(DATABASE_URL=database_url).items():
        monkeypatch.setenv(name, value)

    def run_command(*arguments: str) -> list[str]:
        result = CliRunner().invoke(main, ["-c", str(migrator_config.ROOT / "alembic.ini"), *arguments])
        assert result.exit_code == 0, result.output
        return [line.rstrip() for line in result.stdout.splitlines()]

    return run_command


def test_command_prints_every_pending_revision_and_what_needs_care(
    whole_release: Release, shown: Callable[..., list[str]]
) -> None:
    (first,) = (whole_release.root / "migrations" / "versions").glob("*_first_tables.py")
    first.write_text(first.read_text() + "\n# Changed.\n")
    pending = [whole_release.add("pass", message=f"Change {number}") for number in range(7)]
    lines = shown("status")
    assert lines[0].startswith("pending: 7 revision(s), 0 contract: ")
    assert lines[4] == f"next      {pending[0]}  Change 0."
    start = lines.index("Pending, the next first (7):") + 2
    assert [line.split()[0] for line in lines[start : start + 7]] == pending
    assert lines[lines.index("Changed after they were applied (1):") + 2].startswith("1d9c6f0b7a31  expand")


def test_command_prints_how_far_a_backfill_is(
    database_url: str, release: Release, shown: Callable[..., list[str]]
) -> None:
    (release.root / "migrations" / "backfills" / "fill.py").write_text(FILL.format(after=HEAD))
    shown("backfill", "fill")
    query(database_url, "UPDATE schema_backfills SET outcome = 'running', rows_seen = 300, total = 1200")
    lines = shown("status")
    assert "1 backfill(s) to run" in lines[0]
    assert lines[lines.index("Backfills to run:") + 2].split()[:5] == ["unfinished", "fill", "300", "of", "1,200"]


def test_terminal_without_unicode_gets_a_verdict_all_the_same(database_url: str) -> None:
    query(database_url, "UPDATE schema_history SET applied_by = 'an ⇒ operator'")
    env = environment(DATABASE_URL=database_url, PYTHONIOENCODING="latin-1", LC_ALL="C")
    result = run("litestar", "database", "status", env=env)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("up to date: ")
    assert "an ? operator" in result.stdout


def test_command_ends_with_the_verdict_only_where_that_is_asked_for(empty_database_url: str) -> None:
    env = environment(DATABASE_URL=empty_database_url)
    assert run("litestar", "database", "status", env=env).returncode == 0
    result = run("litestar", "database", "status", "--check", "--json", env=env)
    assert result.returncode == 10
    found = json.loads(result.stdout)
    assert found["verdict"] == "pending"
    assert len(found["revisions"]) == len(REVISIONS)


def test_password_is_not_shown(database_url: str) -> None:
    url = database_url.replace("postgres@", "postgres:hunter2@")
    result = run("litestar", "database", "status", env=environment(DATABASE_URL=url))
    assert result.returncode == 0, result.stderr
    assert "hunter2" not in result.stdout + result.stderr

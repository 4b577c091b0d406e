"""What an upgrade refuses, every way of asking what it would do refuses, too: with the same code and the same words."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import make_url

from app.migrator import upgrade
from app.migrator.cli.main import main
from app.migrator.execution.commands import plan
from app.postgres.errors import DatabaseError
from tests.migrations.conftest import autocommit, renamed, sql
from tests.support.database import query
from tests.support.plain_project import PlainProject

State = Callable[[PlainProject, str], None]
CONTRACT = 'phase = "contract"'
BACKFILL = """\
from app.migrator import Backfill

backfill = Backfill(table="t", after="first", where="n IS NULL", update="UPDATE t SET n = 1 WHERE {batch}")
"""


def at_head(project: PlainProject, url: str) -> None:
    upgrade(project.config)


def one_pending(project: PlainProject, url: str) -> None:
    at_head(project, url)
    project.add("third", sql("CREATE TABLE more (id int)"))


def ahead(project: PlainProject, url: str) -> None:
    project.add("theirs", "pass")
    at_head(project, url)
    project.remove_last()


def ahead_by_a_contract(project: PlainProject, url: str) -> None:
    project.add("theirs", "pass", extra=CONTRACT)
    at_head(project, url)
    project.remove_last()


def ahead_by_half_a_contract(project: PlainProject, url: str) -> None:
    project.add("theirs", autocommit("CREATE UNIQUE INDEX CONCURRENTLY once ON t (n)"), extra=CONTRACT)
    upgrade(project.config, "second")
    query(url, "INSERT INTO t SELECT id, 1 FROM generate_series(1, 2) AS id")
    with pytest.raises(DatabaseError, match="once"):
        upgrade(project.config)
    project.remove_last()


def ahead_without_a_history(project: PlainProject, url: str) -> None:
    ahead(project, url)
    query(url, "DELETE FROM schema_history WHERE revision = 'theirs'")


def grown_apart(project: PlainProject, url: str) -> None:
    at_head(project, url)
    renamed(url, "second", "theirs")


def made_by_nobody(project: PlainProject, url: str) -> None:
    query(url, "CREATE TABLE t (id int)")


def emptied(project: PlainProject, url: str) -> None:
    at_head(project, url)
    query(url, "DELETE FROM alembic_version")


def blank(project: PlainProject, url: str) -> None:
    at_head(project, url)
    query(url, "UPDATE alembic_version SET version_num = ' '")


def two_on_one_line(project: PlainProject, url: str) -> None:
    one_pending(project, url)
    query(url, "INSERT INTO alembic_version VALUES ('first')")


def read_only(project: PlainProject, url: str) -> None:
    one_pending(project, url)
    query(url, f'ALTER DATABASE "{make_url(url).database}" SET default_transaction_read_only = on')


def waiting_for_a_backfill(project: PlainProject, url: str) -> None:
    (project.root / "migrations" / "backfills").mkdir()
    (project.root / "migrations" / "backfills" / "fill.py").write_text(BACKFILL)
    at_head(project, url)
    query(url, "INSERT INTO t VALUES (1)")
    project.add("third", "pass", extra='requires_backfill = "fill"')


def requiring(project: PlainProject, url: str) -> None:
    at_head(project, url)
    project.add("third", "pass", extra="requires = 'SELECT false', 'it is never the time'")


def two_heads(project: PlainProject, url: str) -> None:
    at_head(project, url)
    project.add("left", "pass")
    project.head = "second"
    project.add("right", "pass")


# The state of the database, and the destination -> how an upgrade ends.
ENDS = [
    (at_head, "head", 0),
    (at_head, "first", 0),
    (at_head, "+1", 3),
    (one_pending, "head", 0),
    (one_pending, "+2", 3),
    (one_pending, "nobody", 3),
    (ahead, "head", 0),
    (ahead, "second", 0),
    (ahead, "first", 3),
    (ahead, "+1", 3),
    (ahead_by_a_contract, "head", 3),
    (ahead_by_half_a_contract, "head", 3),
    (ahead_without_a_history, "head", 3),
    (grown_apart, "head", 3),
    (grown_apart, "first", 3),
    (made_by_nobody, "head", 3),
    (emptied, "head", 3),
    (blank, "head", 3),
    (two_on_one_line, "head", 3),
    (read_only, "head", 3),
    (waiting_for_a_backfill, "head", 3),
    (requiring, "head", 3),
    (two_heads, "head", 3),
    (two_heads, "left", 0),
]


@pytest.mark.parametrize(("state", "destination", "code"), ENDS)
def test_dry_run_ends_as_the_upgrade_would(
    project: PlainProject, empty_database_url: str, state: State, destination: str, code: int
) -> None:
    project.add("first", sql("CREATE TABLE t (id int PRIMARY KEY, n int)"))
    project.add("second", "pass")
    state(project, empty_database_url)
    dry = call(project, destination, "--dry-run")
    rehearsed = call(project, destination, "--dry-run", "--execute-and-roll-back", "--accept-locks")
    planned = planned_code(project, destination)
    done = call(project, destination, "--no-prompt")
    codes = [dry.exit_code, rehearsed.exit_code, done.exit_code]
    assert codes == [code] * 3, (dry.output, rehearsed.output, done.output)
    # What the first revision requires is looked at under the lock, after the prompt.
    assert planned == (0 if state is requiring else code)
    if "would stop" not in dry.stderr:
        assert last_error(dry) == last_error(rehearsed) == last_error(done)


def call(project: PlainProject, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-c", str(project.ini), "upgrade", *arguments])


def planned_code(project: PlainProject, destination: str) -> int:
    try:
        plan(project.config, destination)
    except DatabaseError as exc:
        return exc.exit_code
    return 0


def last_error(result: Result) -> str:
    return "".join(line for line in result.stderr.splitlines() if line.startswith("Error: "))

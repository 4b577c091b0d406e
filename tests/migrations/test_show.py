"""`show REV --sql`: the plain SQL of one revision, without a database."""

import pytest
from click.testing import CliRunner, Result

from app.migrator.cli.main import main
from tests.support.plain_project import PlainProject
from tests.support.processes import environment, run

PRIORITY = """-- c61b9e83f5d2: Task priority: old rows get one.
UPDATE tasks SET priority = 'medium' WHERE priority IS NULL;

ALTER TABLE tasks VALIDATE CONSTRAINT ck_tasks_priority_is_set;
"""


def show(project: PlainProject, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-c", str(project.ini), "show", *arguments])


def test_sql_of_a_revision_is_printed_alone_and_without_a_database() -> None:
    printed = run(
        "litestar", "database", "show", "c61b9", "--sql", env=environment(DATABASE_URL="postgresql://127.0.0.1:1/none")
    )
    assert (printed.returncode, printed.stdout) == (0, PRIORITY), printed.stderr


def test_sql_of_a_downgrade_is_printed(project: PlainProject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL")
    project.add("first", 'op.execute("CREATE TABLE t (id integer)")', 'op.drop_table("t")')
    printed = show(project, "head", "--sql", "--downgrade")
    assert (printed.exit_code, printed.stdout) == (0, "-- first: its downgrade\nDROP TABLE t;\n")
    assert show(project, "head", "--downgrade").exit_code == 2


def test_percent_sign_is_printed_once(project: PlainProject) -> None:
    statement = "SELECT format('%s', 1) LIKE '50%'"
    project.add("first", f"op.execute({statement!r})")
    assert show(project, "first", "--sql").stdout == f"-- first: \n{statement};\n"


def test_revision_that_looks_at_the_database_says_that_it_has_no_plain_sql(project: PlainProject) -> None:
    project.add("first", "found = op.get_bind().execute(sa.text('SELECT 1')).scalar_one()")
    refused = show(project, "first", "--sql")
    assert refused.exit_code == 3
    assert refused.stdout == ""
    assert "Revision first" in refused.stderr
    assert "0000.py, line 9) has no plain SQL: it looks at the database" in refused.stderr


def test_revision_is_shown_as_alembic_shows_it(project: PlainProject) -> None:
    project.add("first", "pass")
    assert "Rev: first (head)" in show(project, "first").stdout
    assert show(project, "nobody").exit_code == 3

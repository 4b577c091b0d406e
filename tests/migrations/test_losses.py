"""What an upgrade would remove, said in the prompt, in `status` and in the log, with how many rows it holds."""

import json

import pytest
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from app.migrator import upgrade
from app.migrator.cli import options
from app.migrator.cli import upgrade as upgrade_command
from app.migrator.cli.main import main
from app.migrator.execution.commands import plan
from tests.migrations.conftest import sql
from tests.support.database import applied, holding, query
from tests.support.plain_project import PlainProject

TABLES = (
    "CREATE TABLE books (id bigint, title text, pages integer, code varchar(20))",
    "CREATE TABLE loans (id bigint)",
    "CREATE SCHEMA attic",
    "CREATE TABLE attic.chairs (id bigint)",
    "INSERT INTO books VALUES (1, 'Persuasion', NULL, 'p'), (2, 'Emma', 400, 'e'), (3, NULL, NULL, NULL)",
    "INSERT INTO loans VALUES (1)",
    "INSERT INTO attic.chairs VALUES (1), (2)",
)
CONTRACT = 'phase = "contract"'
# What a revision does -> what it loses.
LOSSES = {
    "DROP TABLE books": ["table books: 3 rows"],
    "DROP TABLE attic.chairs, loans": ["table attic.chairs: 2 rows", "table loans: 1 rows"],
    "ALTER TABLE books DROP COLUMN title": ["column books.title: 2 values"],
    "TRUNCATE loans": ["rows of loans: at most 1 rows"],
    "DELETE FROM books WHERE id = 1": ["rows of books: at most 3 rows"],
    "DO $$ BEGIN DELETE FROM books; END $$": ["what cannot be known from its SQL"],
    "DROP SCHEMA attic CASCADE": ["what is dropped with attic"],
    "ALTER TABLE books ALTER COLUMN code TYPE varchar(5)": ["what the new type of books.code cannot hold"],
    "ALTER TABLE books ALTER COLUMN title TYPE integer USING 1": ["what the new type of books.title cannot hold"],
    "ALTER TABLE books ALTER COLUMN code TYPE text": [],
    "ALTER TABLE books ALTER COLUMN pages TYPE bigint, ALTER COLUMN code SET DATA TYPE character varying(30)": [],
    "CREATE TABLE shelves (id bigint); INSERT INTO shelves VALUES (1); DROP TABLE shelves": [],
    "ALTER TABLE books ADD COLUMN shelf text; ALTER TABLE books DROP COLUMN shelf": [],
    "DROP TABLE IF EXISTS nobody": [],
    "CREATE VIEW titles AS SELECT title FROM books; DROP VIEW titles": [],
    "UPDATE books SET pages = 1; INSERT INTO loans VALUES (2)": [],
    # What a revision before it has renamed.
    "ALTER TABLE loans RENAME TO lent; DROP TABLE lent": ["table loans: 1 rows"],
    "ALTER TABLE books RENAME COLUMN title TO name; ALTER TABLE books DROP COLUMN name": [
        "column books.title: 2 values"
    ],
    "ALTER TABLE books RENAME title TO name; ALTER TABLE books RENAME TO works; ALTER TABLE works DROP COLUMN name": [
        "column books.title: 2 values"
    ],
}


@pytest.fixture
def library(project: PlainProject) -> PlainProject:
    """The project with its first revision applied, and rows in its tables."""
    project.add("first", sql(*TABLES))
    upgrade(project.config)
    return project


def call(project: PlainProject, *arguments: str, answer: str | None = None) -> Result:
    return CliRunner().invoke(main, ["-c", str(project.ini), *arguments], input=answer)


def test_each_change_says_what_it_loses(library: PlainProject, empty_database_url: str) -> None:
    for number, (statements, expected) in enumerate(LOSSES.items()):
        revision = library.add(f"r{number}", sql(*statements.split("; ")))
        found = [str(loss) for loss in plan(library.config).losses]
        assert found == [f"{what} (revision {revision})" for what in expected], statements
        library.remove_last()
    assert applied(empty_database_url) == ["first"]


def test_prompt_status_and_log_say_the_same(
    library: PlainProject, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.add("second", sql("ALTER TABLE books DROP COLUMN title"), extra=CONTRACT)
    library.add("third", sql("DO $$ BEGIN END $$"))
    lost, unknown = (
        "column books.title: 2 values (revision second)",
        "what cannot be known from its SQL (revision third)",
    )

    shown = call(library, "status").stdout
    assert f"What applying them loses:\n{lost}\nperhaps {unknown}\n" in shown
    assert json.loads(call(library, "status", "--json").stdout)["losses"][0] == {
        "revision": "second",
        "kind": "column",
        "what": "column books.title",
        "rows": 2,
        "is_estimate": False,
    }

    for module in (options, upgrade_command):
        monkeypatch.setattr(module, "require_terminal", lambda instead: None)
    refused = call(library, "upgrade", answer="n\n")
    assert refused.exit_code == 1
    assert f"This loses {lost}\nThis may lose {unknown}\n" in refused.stderr
    assert applied(empty_database_url) == ["first"]

    with capture_logs() as logs:
        assert call(library, "upgrade", "--no-prompt").exit_code == 0
    told = [(entry["log_level"], entry["removes"]) for entry in logs if entry["event"] == "the upgrade removes data"]
    assert told == [("warning", lost), ("warning", unknown)]


def test_new_database_loses_nothing(project: PlainProject) -> None:
    project.add("first", sql("CREATE TABLE books (id bigint)"))
    project.add("second", sql("DO $$ BEGIN END $$", "DROP TABLE books"))
    assert plan(project.config).losses == ()
    with capture_logs() as logs:
        upgrade(project.config)
    assert not [entry for entry in logs if "removes" in entry]


def test_table_that_somebody_holds_is_estimated_and_not_waited_for(
    library: PlainProject, empty_database_url: str
) -> None:
    query(empty_database_url, "ANALYZE books")
    library.add("second", sql("DROP TABLE books", "DROP TABLE loans"))
    with holding(empty_database_url, "LOCK books, loans"):
        found = plan(library.config).losses
    assert [str(loss) for loss in found] == [
        "table books: about 3 rows (revision second)",
        "table loans (revision second)",
    ]

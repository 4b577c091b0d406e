"""`upgrade --dry-run`: what would run in this database, what it locks, reads and loses, and that nothing is changed."""

import json
import re
from contextlib import ExitStack
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import make_url

from app.migrator import upgrade
from app.migrator.cli.main import main
from app.migrator.locking.migration_lock import LOCK_KEY
from tests.migrations.conftest import autocommit, sql
from tests.support.database import holding, query
from tests.support.plain_project import PlainProject
from tests.support.processes import environment, run, shown_on_a_terminal
from tests.support.revisions import history_of_a_new_database

TABLES = (
    "CREATE TABLE writers (id bigint PRIMARY KEY)",
    "CREATE TABLE books (id bigint PRIMARY KEY, title text, writer_id bigint REFERENCES writers (id))",
    "CREATE TABLE loans (id bigint, at date NOT NULL) PARTITION BY RANGE (at)",
    "CREATE TABLE loans_2025 PARTITION OF loans FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')",
    "CREATE TABLE loans_2026 PARTITION OF loans FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')",
    "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'",
    "CREATE TRIGGER touched BEFORE UPDATE ON writers FOR EACH ROW EXECUTE FUNCTION touch()",
    "INSERT INTO writers SELECT generate_series(1, 40)",
    "INSERT INTO books SELECT number, 'Emma', 1 FROM generate_series(1, 2000) AS number",
    "INSERT INTO loans SELECT 1, '2026-05-01' FROM generate_series(1, 30)",
)
CONTRACT = 'phase = "contract"'
BACKFILL = '''"""Every book has a title."""

from app.migrator import Backfill

backfill = Backfill(
    table="books", after="first", where="title IS NULL", update="UPDATE books SET title = '' WHERE {batch}"
)
'''
READ_AND_WRITE = "reads and writes"


@pytest.fixture
def library(project: PlainProject, empty_database_url: str) -> PlainProject:
    project.add("first", sql(*TABLES))
    upgrade(project.config)
    query(empty_database_url, "ANALYZE books, writers, loans")
    return project


def call(project: PlainProject, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-c", str(project.ini), "upgrade", "--dry-run", *arguments])


def dry_run(project: PlainProject, *arguments: str, code: int = 0) -> dict[str, Any]:
    result = call(project, "--json", *arguments)
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def add_each_kind(project: PlainProject) -> None:
    project.add("second", sql("ALTER TABLE books ADD COLUMN pages integer", "CREATE TABLE shelves (id bigint)"))
    project.add("third", autocommit("CREATE INDEX CONCURRENTLY ix_books_title ON books (title)"))
    project.add("fourth", sql("UPDATE writers SET id = id + 100", "ALTER TABLE shelves ADD COLUMN place text"))
    project.add("fifth", sql("ALTER TABLE loans ALTER COLUMN id SET NOT NULL", "DROP TABLE books"), extra=CONTRACT)
    project.add("sixth", "rows = op.get_bind().execute(sa.text('SELECT 1')).scalar_one() + 1")


def table(name: str, lock: str, stops: str | None, rows: int | None, **more: object) -> dict[str, object]:
    """An entry of a revision's `tables`, without the number of bytes."""
    entry: dict[str, object] = {
        "table": name,
        "lock": lock,
        "stops": stops,
        "rows": rows,
        "partitions": 0,
        "work": [],
        "exists": True,
    }
    return entry | more


def test_each_pending_revision_says_what_it_does_here(library: PlainProject) -> None:
    add_each_kind(library)
    found = dry_run(library)
    stands = [found[name] for name in ("current", "phase", "under_way", "refused")]
    assert stands == [["first"], "contract", None, None]
    second, third, fourth, fifth, sixth = found["revisions"]
    sizes = [one.pop("bytes") for revision in found["revisions"] for one in revision["tables"]]

    assert second["sql"][0] == "ALTER TABLE books ADD COLUMN pages integer"
    assert second["tables"] == [table("books", "ACCESS EXCLUSIVE", READ_AND_WRITE, 2000)]
    assert (third["runs_outside"], second["runs_outside"]) == (True, False)
    assert third["tables"] == [table("books", "SHARE UPDATE EXCLUSIVE", None, 2000, work=["read"])]
    assert fourth["unknown"] == ["the triggers of writers"]
    assert fourth["tables"] == [
        table("writers", "ROW EXCLUSIVE", None, 40, work=["updated"]),
        table("books", "ROW SHARE", None, 2000),
        table("shelves", "ACCESS EXCLUSIVE", READ_AND_WRITE, None, exists=False),
    ]
    assert (fifth["phase"], fifth["message"]) == ("contract", "")
    assert fifth["tables"] == [
        table("loans", "ACCESS EXCLUSIVE", READ_AND_WRITE, 30, partitions=2, work=["read"]),
        table("books", "ACCESS EXCLUSIVE", READ_AND_WRITE, 2000),
        table("writers", "ACCESS EXCLUSIVE", READ_AND_WRITE, 40),
    ]
    assert [(loss["what"], loss["rows"]) for loss in fifth["losses"]] == [("table books", 2000)]
    assert (sixth["sql"], sixth["tables"]) == (None, [])
    assert sixth["unknown"] == ["its SQL: it looks at the database, or fails without one"]
    assert all(size is None or size >= 8192 for size in sizes)
    assert sizes.count(None) == 1, "the table that is not there yet"


# What the revisions run, one after the other -> what each of them locks, by the names that tables have now.
CHAIN = {
    "ALTER TABLE books ADD CONSTRAINT fk FOREIGN KEY (id) REFERENCES writers (id) NOT VALID": {
        "books": "SHARE ROW EXCLUSIVE",
        "writers": "SHARE ROW EXCLUSIVE",
    },
    "ALTER TABLE books VALIDATE CONSTRAINT fk": {"books": "SHARE UPDATE EXCLUSIVE", "writers": "ROW SHARE"},
    "CREATE INDEX ix ON books (title)": {"books": "SHARE"},
    "ALTER INDEX ix RENAME TO ix_title": {},
    "DROP INDEX ix_title": {"books": "ACCESS EXCLUSIVE"},
    "ALTER TABLE writers RENAME TO authors": {"writers": "ACCESS EXCLUSIVE"},
    "ALTER TABLE authors ADD COLUMN name text": {"writers": "ACCESS EXCLUSIVE"},
    "ALTER TABLE books DROP CONSTRAINT fk": {"books": "ACCESS EXCLUSIVE", "writers": "ACCESS EXCLUSIVE"},
    "ALTER TABLE books DROP CONSTRAINT books_writer_id_fkey": {
        "books": "ACCESS EXCLUSIVE",
        "writers": "ACCESS EXCLUSIVE",
    },
    "ALTER TABLE books ALTER writer_id TYPE integer": {"books": "ACCESS EXCLUSIVE"},
    "CREATE TABLE lent (id bigint CONSTRAINT by REFERENCES authors, at date NOT NULL)": {
        "writers": "SHARE ROW EXCLUSIVE"
    },
    "INSERT INTO lent VALUES (1)": {"lent": "ROW EXCLUSIVE", "writers": "ROW SHARE"},
    "ALTER TABLE loans ATTACH PARTITION lent FOR VALUES FROM ('2027-01-01') TO ('2028-01-01')": {
        "loans": "SHARE UPDATE EXCLUSIVE",
        "lent": "ACCESS EXCLUSIVE",
    },
    "CREATE INDEX ix_loans ON loans (id)": {"loans": "SHARE", "lent": "SHARE"},
    "DROP TABLE lent": {"loans": "ACCESS EXCLUSIVE", "lent": "ACCESS EXCLUSIVE", "writers": "ACCESS EXCLUSIVE"},
    "ALTER TABLE lent ADD COLUMN x integer": {},
}


def test_what_earlier_pending_revisions_make_and_rename_is_followed(library: PlainProject) -> None:
    for number, statement in enumerate(CHAIN):
        library.add(f"r{number}", sql(statement))
    found = dry_run(library)["revisions"]
    named = {each["sql"][0]: {one["table"]: one["lock"] for one in each["tables"]} for each in found}
    assert named == CHAIN
    assert [(one["partitions"], one["exists"]) for one in found[13]["tables"]] == [(2, True), (0, False)]


def test_nothing_is_run_or_changed_or_locked(library: PlainProject, empty_database_url: str) -> None:
    """Beside sessions that hold what no writer and no other migration gets; the tables of the records, too."""
    add_each_kind(library)
    before = dry_run(library)
    everything = "LOCK books, writers, loans, alembic_version, schema_history IN EXCLUSIVE MODE"
    with holding(empty_database_url, everything):
        assert dry_run(library) == before
    tables = ("pg_class", "pg_attribute", "pg_constraint", "alembic_version", "schema_history", "books")
    versions = " UNION ALL ".join(
        f"SELECT md5(string_agg(xmin::text || ctid::text, ',' ORDER BY ctid)) FROM {table}" for table in tables
    )
    written = query(empty_database_url, versions)
    dry_run(library)
    assert query(empty_database_url, versions) == written


def test_beside_a_migration_that_holds_the_tables_it_waits_for_nobody(
    library: PlainProject, empty_database_url: str
) -> None:
    add_each_kind(library)
    with ExitStack() as held:
        held.enter_context(holding(empty_database_url, "LOCK books, writers, loans"))
        held.enter_context(holding(empty_database_url, f"SELECT pg_advisory_lock({LOCK_KEY})"))
        found = dry_run(library)
    assert found["under_way"].startswith("process ")
    (loss,) = found["revisions"][3]["losses"]
    assert (loss["rows"], loss["is_estimate"]) == (2000, True)


def test_unfinished_backfill_is_told_and_is_the_exit_code_of_the_upgrade(
    library: PlainProject, empty_database_url: str
) -> None:
    backfills = library.root / "migrations" / "backfills"
    backfills.mkdir()
    (backfills / "titles.py").write_text(BACKFILL)
    library.add("second", "pass")
    library.add("third", sql("ALTER TABLE books ALTER title SET NOT NULL"), extra='requires_backfill = "titles"')
    required = {"name": "titles", "state": "pending", "rows_seen": None, "total": None}
    found = dry_run(library)
    assert (found["revisions"][1]["backfills"], found["refused"]) == ([required], None)
    query(empty_database_url, "UPDATE books SET title = NULL WHERE id = 1")
    found = dry_run(library, code=3)
    assert found["refused_at"] == "third"
    assert "it requires the backfill 'titles'" in found["refused"]
    shown = call(library)
    assert (shown.exit_code, "requires the backfill titles: pending" in shown.stdout) == (3, True)
    assert "The upgrade would stop before third:" in shown.stderr
    with holding(empty_database_url, "LOCK books"):
        assert dry_run(library)["refused"] is None
    # As far as a phase, no further.
    assert [each["revision"] for each in dry_run(library, "second")["revisions"]] == ["second"]


def test_database_that_cannot_be_written_to_is_told(library: PlainProject, empty_database_url: str) -> None:
    library.add("second", sql("ALTER TABLE books ADD COLUMN pages integer"))
    library.add("third", sql("DROP TABLE books"), extra=CONTRACT)
    name = make_url(empty_database_url).database
    query(empty_database_url, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    found = dry_run(library, "--phase", "expand", code=3)
    assert [each["revision"] for each in found["revisions"]] == ["second"]
    assert "read-only by default" in found["refused"]


def test_requirement_of_the_next_revision_is_looked_at(library: PlainProject) -> None:
    requires = "requires = \"SELECT NOT EXISTS (SELECT FROM books WHERE title = 'Emma')\", 'an Emma is there'"
    library.add("second", "pass", extra=requires)
    library.add("third", "pass", extra=requires)
    found = dry_run(library, code=3)
    assert found["refused_at"] == "second"
    assert "an Emma is there" in found["refused"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("nobody",), 3, "Can't locate revision"),
        (("--sql",), 2, "--dry-run changes nothing"),
        (("--backup",), 2, "--dry-run changes nothing"),
    ],
)
def test_wrong_use_is_refused(project: PlainProject, arguments: tuple[str, ...], code: int, message: str) -> None:
    project.add("first", "pass")
    result = call(project, *arguments)
    assert (result.exit_code, message in result.output) == (code, True), result.output


def test_json_goes_with_a_dry_run_alone(project: PlainProject) -> None:
    assert CliRunner().invoke(main, ["-c", str(project.ini), "upgrade", "--json"]).exit_code == 2


def test_what_would_run_in_an_empty_database_is_shown(empty_database_url: str) -> None:
    env = environment(DATABASE_URL=empty_database_url)
    result = run("litestar", "database", "upgrade", "--dry-run", "--json", env=env)
    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    steps = [revision for revision, direction in history_of_a_new_database() if direction == "upgrade"]
    assert [each["revision"] for each in found["revisions"]] == steps
    assert not any(one["exists"] for each in found["revisions"] for one in each["tables"])
    made = [each["partition"] for each in found["partitions"] if each["table"] == "activity_events"]
    assert (len(made), "activity_events_default" in made) == (4, False)
    assert query(empty_database_url, "SELECT FROM pg_class WHERE relname = 'alembic_version'") == []


def test_words_are_whole_at_80_columns(database_url: str) -> None:
    """On the project's own database, two revisions before its head."""
    env = environment(DATABASE_URL=database_url)
    assert run("litestar", "database", "downgrade", "-2", "--no-prompt", "--accept-data-loss", env=env).returncode == 0
    shown = shown_on_a_terminal("litestar", "database", "upgrade", "--dry-run", env=env, columns=80)
    lines = re.sub(r"\x1b\[\d+m|\r", "", shown).splitlines()
    assert max(len(line) for line in lines if "/postgres" not in line) <= 80
    words = " ".join(lines)
    index = "ck_board_webhook_payloads_organization_id_is_set"
    for whole in ("board_webhook_payloads and 5 partition(s)", "ACCESS EXCLUSIVE  reads and writes", f"{index};"):
        assert whole in words

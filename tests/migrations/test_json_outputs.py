"""What the engine's commands print with `--json`, against the published schemas."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from app.migrator import upgrade
from app.migrator.cli.main import main
from tests.support.database import query
from tests.support.json_schemas import SHAPES, validate
from tests.support.plain_project import PlainProject
from tests.support.processes import ROOT, environment

BACKFILL = """\
from app.migrator import Backfill

backfill = Backfill(table="t", after="first", where="n IS NULL", update="UPDATE t SET n = 1 WHERE {batch}")
"""
MODELS = (
    'sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True), sa.Column("n", sa.Integer, index=True))'
)
# What is typed for a small project -> the exit code.
IN_A_SMALL_PROJECT = {
    "status --json": 0,
    "status --check --json": 10,
    "history --indicate-current --json": 0,
    "heads --json": 0,
    "branches --json": 0,
    "show-current-revision --json": 0,
    "show first --json": 0,
    "lint --json": 1,
    "lint --all --format json": 1,
    "drift --json": 14,
    "backfill --json": 0,
    "backfill fill --json": 0,
    "partitions --json": 0,
    "doctor --json": 0,
    "schema --json": 0,
    "schema kept.sql --json": 0,
    "schema kept.sql --check --json": 0,
    "backup kept.tar --json": 0,
    "restore kept.tar --replace --no-prompt --json": 0,
    "upgrade --dry-run --json": 0,
    "upgrade --dry-run --execute-and-roll-back --accept-locks --json": 0,
    "upgrade --no-prompt": 0,
    "check --json": 1,
    "squash second --json": 0,
}
# What is typed in this project's database.
HERE = {"partitions --json": 0, "partitions --apply --json": 0, "backfill --json": 0, "drift --json": 14}


def documents(ini: Path, typed: str, expected: int) -> list[Any]:
    """Run the command, hold what it prints against its schema, and return each line."""
    name, *arguments = typed.split()
    result = CliRunner().invoke(main, ["-c", str(ini), name, *arguments])
    assert result.exit_code == expected, (typed, result.output)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    for document in found:
        validate(name, document)
    return found


def test_documents_of_a_small_project_are_as_published(
    project: PlainProject, empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    project.define(MODELS)
    (project.root / "migrations" / "backfills").mkdir()
    (project.root / "migrations" / "backfills" / "fill.py").write_text(BACKFILL)
    project.add("first", 'op.execute("CREATE TABLE t (id serial PRIMARY KEY, n integer)")')
    upgrade(project.config)
    query(empty_database_url, "INSERT INTO t SELECT FROM generate_series(1, 3)")
    project.add(
        "second", "op.execute(\"ALTER TABLE t ADD COLUMN more text CHECK (more <> '')\")", extra='phase = "contract"'
    )
    found = {typed: documents(project.ini, typed, code) for typed, code in IN_A_SMALL_PROJECT.items()}
    # `diff` needs a repository of its own.
    assert {typed.split()[0] for typed in found} == set(SHAPES) - {"diff"}
    # On a busy machine more lines than the last one.
    *_, progress = found.pop("backfill fill --json")
    assert [len(lines) for lines in found.values()] == [1] * (len(found) - 3) + [0, 1, 1]
    (status,) = found["status --json"]
    assert status["backfill_states"][0]["name"] == "fill"
    assert (progress["outcome"], progress["rows_changed"]) == ("done", 3)
    assert found["lint --json"][0] != []


def test_reading_the_revisions_is_not_logged(project: PlainProject, caplog: pytest.LogCaptureFixture) -> None:
    project.add("first", 'op.execute("CREATE TABLE t (id integer)")')
    with caplog.at_level(logging.INFO):
        documents(project.ini, "status --json", 0)
        documents(project.ini, "lint --json", 1)
    assert [record.getMessage() for record in caplog.records if "SQL" in record.getMessage()] == []


def test_documents_of_this_project_are_as_published(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(DATABASE_URL=database_url).items():
        monkeypatch.setenv(name, value)
    query(database_url, "DROP INDEX ix_task_tags_tag_id")
    query(database_url, "ALTER TABLE tasks ALTER COLUMN title TYPE varchar(900)")
    query(database_url, "CREATE VIEW titles AS SELECT title FROM tasks")
    (partition,) = query(
        database_url, "SELECT min(relname) FROM pg_class WHERE relispartition AND relname ~ '_[0-9]+$'"
    )[0]
    query(database_url, f"DROP TABLE {partition}")
    found = {typed: documents(ROOT / "alembic.ini", typed, code)[0] for typed, code in HERE.items()}
    assert [one["step"] for one in found["partitions --json"]["left"]] == ["make"]
    assert [one["step"] for one in found["partitions --apply --json"]["done"]] == ["make"]

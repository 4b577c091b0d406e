"""What the commands print on a narrow terminal, compared with a wide one."""

import sys

import pytest

from app.migrator.cli.main import main
from tests.support.database import query
from tests.support.processes import ROOT, environment
from tests.support.terminal import Terminal, lines_on

TAMPERED = (
    "DROP INDEX ix_task_tags_tag_id",
    "ALTER TABLE tasks DISABLE TRIGGER count_added",
    "ALTER TABLE tasks ALTER COLUMN title SET DEFAULT 'a     title'",
    "UPDATE schema_history SET applied_by = 'plimsoll@plimsoll-migrate-7c9f8d6b5-xk2lp as owner', duration = '0.25 s'"
    " WHERE id % 2 = 0",
)


@pytest.fixture
def database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for statement in TAMPERED:
        query(database_url, statement)
    for name, value in {**environment(DATABASE_URL=database_url), "TERM": "xterm"}.items():
        monkeypatch.setenv(name, value)


def shown(command: str, columns: int) -> list[str]:
    with pytest.MonkeyPatch.context() as patch:
        terminal = Terminal()
        patch.setattr(sys, "stdout", terminal)
        patch.setenv("COLUMNS", str(columns))
        with pytest.raises(SystemExit):
            main(["-c", str(ROOT / "alembic.ini"), *command.split()])
    return lines_on(terminal)


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("command", ["status --all", "backfill", "partitions", "drift"])
def test_no_word_is_broken_at_80_columns(command: str) -> None:
    wide, narrow = shown(command, 500), shown(command, 80)
    words, whole = ({word.rstrip(",:") for line in lines for word in line.split()} for lines in (narrow, wide))
    assert whole <= words
    if command != "drift":
        assert max(map(len, narrow)) <= 80


@pytest.mark.usefixtures("database")
def test_comments_of_drift_are_wrapped_and_its_sql_is_left_whole() -> None:
    wide, narrow = shown("drift", 500), shown("drift", 80)
    comments = [line for line in narrow if line.startswith("--")]
    # But for the name of the database, which may be one long word.
    assert max(len(line) for line in comments[1:]) <= 80
    assert any("'a     title'" in line for line in comments)
    assert [line for line in narrow if not line.startswith("--")] == [
        line for line in wide if not line.startswith("--")
    ]

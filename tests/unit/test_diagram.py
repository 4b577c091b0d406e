"""The schema's diagram in migrations/docs/schema.md."""

import re
import shutil
from pathlib import Path

from app.models import metadata
from tests.support.processes import ROOT, environment, run

PAGE = ROOT / "migrations" / "docs" / "schema.md"
COMMAND = ("paracelsus", "inject", "migrations/docs/schema.md")

_ENTITY = re.compile(r"  \w+ \{")
_COLUMN = re.compile(r"    [A-Za-z][\w()-]* \w+( (PK|FK|UK|PK,FK))?( \"[a-z,]+\")?")
_RELATIONSHIP = re.compile(r"  (\w+) \|\|--o[{|] (\w+) : (\w+)")


def diagram() -> list[str]:
    found = re.search(r"```mermaid\n(.*?)\n```", PAGE.read_text(), re.DOTALL)
    assert found
    return [line for line in found[1].splitlines() if line]


def test_diagram_is_of_the_present_models() -> None:
    done = run(*COMMAND, "--check", env=environment())
    assert done.returncode == 0, f"the models have changed: uv run {' '.join(COMMAND)}\n{done.stdout}{done.stderr}"


def test_command_that_updates_it_mends_a_stale_one(tmp_path: Path) -> None:
    for name in ("app", "migrations"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    stale = tmp_path / PAGE.relative_to(ROOT)
    stale.write_text(PAGE.read_text().replace("TEXT title", "TEXT headline"))
    assert run(*COMMAND, "--check", env=environment(), cwd=tmp_path).returncode == 1
    assert run(*COMMAND, env=environment(), cwd=tmp_path).returncode == 0
    assert stale.read_text() == PAGE.read_text()


def test_diagram_has_every_table_column_and_foreign_key_and_is_mermaid() -> None:
    first, *lines = diagram()
    assert first == "erDiagram"
    drawn = [line for line in lines if line != "  }"]
    assert [line for line in drawn if not any(p.fullmatch(line) for p in (_ENTITY, _COLUMN, _RELATIONSHIP))] == []
    assert {line.split()[0] for line in drawn if _ENTITY.fullmatch(line)} == set(metadata.tables)
    columns = sum(len(table.columns) for table in metadata.tables.values())
    assert sum(1 for line in drawn if _COLUMN.fullmatch(line)) == columns
    keys = {
        (key.column.table.name, table.name, key.parent.name)
        for table in metadata.tables.values()
        for key in table.foreign_keys
    }
    assert {match.groups() for line in drawn if (match := _RELATIONSHIP.fullmatch(line))} == keys

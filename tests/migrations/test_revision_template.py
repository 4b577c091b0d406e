"""What `alembic revision` writes: the rule, and the phase unless there are no steps."""

import importlib.util
import subprocess
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.operations import ops
from alembic.operations.ops import MigrateOperation

from app.core.settings import Settings
from app.migrator.autogenerate.plan import Step, plan
from app.migrator.autogenerate.rendering import Sql
from app.migrator.drift.difference import Order
from app.migrator.lint.known_schema import KnownSchema
from app.postgres.errors import MigrationFailedError
from tests.conftest import settings_for
from tests.migrations.conftest import Release
from tests.support.database import query
from tests.support.migrator import alembic_config, read_status, upgrade
from tests.support.processes import BIN, ROOT


def _column(kind: sa.types.TypeEngine, **options: Any) -> ops.AddColumnOp:
    return ops.AddColumnOp("tags", sa.Column("a", kind, comment="more", **options))


# Operations, and the phase of the revision that has one of them.
OPERATIONS = {
    "a check": (ops.CreateCheckConstraintOp("c", "tags", "color <> ''"), "contract"),
    "a required column": (_column(sa.Text(), nullable=False), "contract"),
    "a required column with a default": (_column(sa.Text(), nullable=False, server_default=""), "expand"),
    "a trigger": (Sql("CREATE TRIGGER t BEFORE UPDATE ON tags FOR EACH ROW EXECUTE FUNCTION f()"), "contract"),
}


def generated(release: Release, settings: Settings, **options: Any) -> Path:
    versions = release.root / "migrations" / "versions"
    before = set(versions.glob("*.py"))
    command.revision(alembic_config(settings), message="A wave", **options)
    (new,) = set(versions.glob("*.py")) - before
    return new


def phase_of(file: Path) -> str:
    spec = importlib.util.spec_from_file_location("generated", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.phase


def test_table_of_ours_that_no_model_has_is_dropped_by_a_contract_revision(database_url: str, release: Release) -> None:
    release.add("op.create_table('old', sa.Column('id', sa.BigInteger(), primary_key=True))")
    upgrade(settings_for(database_url))
    file = generated(release, settings_for(database_url), autogenerate=True)
    assert 'op.drop_table("old")' in file.read_text()
    assert phase_of(file) == "contract"


@pytest.mark.parametrize(("operation", "phase"), OPERATIONS.values(), ids=OPERATIONS)
def test_steps_are_judged_by_the_rules_of_lint(operation: MigrateOperation, phase: str) -> None:
    (revision,) = plan([[Step(order=Order.INDEXES, up=(operation,))]], KnownSchema())
    assert revision.phase == phase


def test_empty_revision_has_no_phase_and_is_not_applied_before_it_says_so(database_url: str, release: Release) -> None:
    settings = settings_for(database_url)
    file = generated(release, settings)
    assert phase_of(file) is None
    assert "no command that looks at the schema or changes it works, and no server\n# starts" in file.read_text()
    for refused in (upgrade, read_status):
        with pytest.raises(MigrationFailedError, match=r'declares no phase\. Write `phase = "expand"` if'):
            refused(settings)
    file.write_text(file.read_text().replace("phase = None", 'phase = "expand"'))
    upgrade(settings)
    assert query(database_url, "SELECT version_num FROM alembic_version") == [(release.head,)]


def test_file_states_the_rule(database_url: str, release: Release) -> None:
    text = generated(release, settings_for(database_url)).read_text()
    assert text.startswith('"""A wave.\n\nRevision: ')
    assert "# The rule: while you deploy, the previous release runs on this schema, too." in text
    assert '"expand"    it still works afterwards' in text
    assert '"contract"  it does not' in text
    assert "\n\n\n\n" not in text


@pytest.mark.parametrize("check", ["check", "format --check"])
def test_file_with_steps_passes_the_checks_of_the_project(database_url: str, release: Release, check: str) -> None:
    query(database_url, "ALTER TABLE tasks DROP COLUMN due_at")
    file = generated(release, settings_for(database_url), autogenerate=True)
    ruff = [str(BIN / "ruff"), *check.split(), "--stdin-filename", f"migrations/versions/{file.name}", "-"]
    done = subprocess.run(ruff, input=file.read_text(), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout

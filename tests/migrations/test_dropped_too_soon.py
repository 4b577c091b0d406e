"""A drop needs evidence: the models were without it where the branch has left its base."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from app.migrator.autogenerate.mirrored_column import MirroredColumn
from app.migrator.branch.base_models import BaseModels, kind_of_error, read_base_models
from app.migrator.branch.changes import read_changes
from app.migrator.lint.finding import Report
from app.migrator.lint.linter import lint
from app.migrator.revisions.loading import load_revisions
from tests.migrations.conftest import sql
from tests.support.git import commit_all, git
from tests.support.plain_project import PlainProject

BOTH = """
    sa.Table("users", metadata, sa.Column("id", sa.BigInteger), sa.Column("name", sa.Text))
    sa.Table("orders", metadata, sa.Column("id", sa.BigInteger), schema="shop")
"""
USERS = """
    sa.Table("users", metadata, sa.Column("id", sa.BigInteger))
"""
CONTRACT = 'phase = "contract"'
IGNORED = f'{CONTRACT}\nlint_ignore = {{"dropped-too-soon": "Nobody has ever written or read it."}}'


@pytest.fixture
def project(offline_project: PlainProject) -> PlainProject:
    """A project on the branch `work`, whose models and revision are those of `main`."""
    offline_project.define(BOTH)
    offline_project.add(
        "first", sql("CREATE TABLE users (id bigint, name text)", "CREATE TABLE shop.orders (id bigint)")
    )
    commit_all(offline_project.root)
    git(offline_project.root, "switch", "-q", "-c", "work")
    return offline_project


def rules(report: Report) -> list[str]:
    return [finding.rule for finding in report.findings]


def base_models(project: PlainProject) -> BaseModels:
    config = project.config
    return read_base_models(config, read_changes(load_revisions(config), "main"))


def test_drop_of_what_only_this_branch_takes_out_of_the_models_is_found(project: PlainProject) -> None:
    project.define(USERS)
    project.add("second", sql("ALTER TABLE users DROP name"), extra=CONTRACT)
    project.add("third", sql("DROP TABLE shop.orders"), extra=CONTRACT)
    report = lint(project.config, base="main")
    assert rules(report) == ["dropped-too-soon", "dropped-too-soon"]
    assert report.findings[0].message.startswith("drop column users.name: the models of main still have it")
    assert report.note is None
    assert rules(lint(project.config, every=True)) == []


def test_drop_of_a_column_that_another_one_mirrors_is_fine(project: PlainProject) -> None:
    project.define(BOTH.replace('"name"', '"label"'))
    mirror = MirroredColumn("users", "name", "label")
    project.add("second", sql("ALTER TABLE users ADD label text", *mirror.create()))
    (project.root / "migrations" / "backfills").mkdir()
    (project.root / "migrations" / "backfills" / "labels.py").write_text(
        "from app.migrator.backfill import Backfill\n"
        f"backfill = Backfill(table='users', after='second', update={mirror.backfill_update!r})"
    )
    requires = f"{CONTRACT}\nrequires_backfill = 'labels'"
    project.add("third", sql(*mirror.drop(), "ALTER TABLE users DROP name"), extra=requires)
    assert rules(lint(project.config, base="main")) == []


def test_rename_among_the_revisions_of_the_branch_is_found(project: PlainProject) -> None:
    project.define(BOTH)
    project.add("second", sql("ALTER TABLE users ADD label text"))
    project.add("between", "pass")
    project.add("third", sql("ALTER TABLE users DROP name"), extra=CONTRACT)
    assert "rename-loses-data" in rules(lint(project.config, base="main"))


def test_drop_of_what_the_base_is_already_without_is_fine(project: PlainProject) -> None:
    git(project.root, "switch", "-q", "main")
    project.define(USERS)
    commit_all(project.root, "A release that does without")
    git(project.root, "switch", "-q", "-c", "later")
    project.add("second", sql("ALTER TABLE users DROP name"), extra=CONTRACT)
    project.add("third", sql("DROP TABLE shop.orders"), extra=CONTRACT)
    assert lint(project.config, base="main") == lint(project.config, ["second", "third"])


def test_drop_of_what_the_models_still_have_is_found_once(project: PlainProject) -> None:
    project.add("second", sql("ALTER TABLE users DROP name"), extra=CONTRACT)
    assert rules(lint(project.config, base="main")) == ["dropped-but-used"]


def test_reason_counts_with_a_base_and_is_no_superfluous_one_without(project: PlainProject) -> None:
    project.define(USERS)
    project.add("second", sql("ALTER TABLE users DROP name"), extra=IGNORED)
    assert rules(lint(project.config, base="main")) == []
    assert rules(lint(project.config, every=True)) == []
    project.add("third", "pass", extra=IGNORED)
    assert rules(lint(project.config, base="main")) == ["lint-ignore"]


def test_models_of_the_base_are_those_of_its_files_wherever_they_are_imported_from(
    project: PlainProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither this process's modules nor the working folder's count."""
    git(project.root, "switch", "-q", "main")
    package = project.root / "src" / "theirs_of_a_test"
    package.mkdir(parents=True)
    models = f"import sqlalchemy as sa\nmetadata = sa.MetaData()\n{textwrap.dedent(BOTH)}"
    (package / "__init__.py").write_text("")
    (package / "models.py").write_text(models)
    project.define("from theirs_of_a_test.models import metadata")
    commit_all(project.root)
    git(project.root, "switch", "-q", "-c", "later")
    (package / "models.py").write_text(models.replace(', sa.Column("name", sa.Text)', ""))
    monkeypatch.syspath_prepend(project.root / "src")
    before = set(sys.modules)
    assert sorted(base_models(project).columns or ()) == [("shop.orders", "id"), ("users", "id"), ("users", "name")]
    for name in set(sys.modules) - before:
        if name.startswith("theirs_of_a_test"):
            monkeypatch.delitem(sys.modules, name)


def test_base_whose_models_cannot_be_loaded_is_told_and_lints_the_rest(project: PlainProject) -> None:
    git(project.root, "switch", "-q", "main")
    project.define('raise RuntimeError("postgresql://user:secret@host")')
    commit_all(project.root)
    git(project.root, "switch", "-q", "-c", "later")
    project.define(USERS)
    project.add("second", sql("ALTER TABLE users DROP name", "CREATE INDEX i ON users (id)"), extra=CONTRACT)
    report = lint(project.config, base="main")
    assert rules(report) == ["require-concurrent-index-creation"]
    assert "models of main" in (report.note or "")
    assert "cannot be read: RuntimeError" in (report.note or "")
    assert "secret" not in (report.note or "")


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Traceback …\nModuleNotFoundError: No module named 'gone'\n", "ModuleNotFoundError: No module named 'gone'"),
        ("Traceback …\nmodule.TheirError: password=secret", "module.TheirError"),
        ("", "exit code 1"),
    ],
)
def test_error_of_the_base_is_told_without_its_text_unless_it_is_about_an_import(written: str, shown: str) -> None:
    assert kind_of_error(subprocess.CompletedProcess([], 1, stderr=written.encode())) == shown


def test_nothing_is_left_of_the_files_of_the_base(
    project: PlainProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    (project.root / "large").write_bytes(b"x" * 2**21)
    commit_all(project.root)
    assert base_models(project).columns is not None
    assert list(folder.iterdir()) == []

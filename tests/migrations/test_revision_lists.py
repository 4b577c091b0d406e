"""`history`, `heads`, `branches`, `show-current-revision`, `show` and `check`: Alembic's text, and JSON."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest
from alembic import command
from click.testing import CliRunner, Result

from app.migrator import upgrade
from app.migrator.cli.main import main
from app.migrator.revisions.alembic_config import alembic_config
from tests.migrations.conftest import HEAD, REVISIONS
from tests.support.database import query
from tests.support.plain_project import PlainProject
from tests.support.processes import environment, run


def call(project: PlainProject, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["-c", str(project.ini), *arguments])


def listed(project: PlainProject, *arguments: str) -> list[dict[str, Any]]:
    result = call(project, *arguments, "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert isinstance(found, list)
    return found


def names(found: list[dict[str, Any]]) -> list[str]:
    return [one["revision"] for one in found]


@pytest.fixture
def branched(project: PlainProject) -> PlainProject:
    """A project with a fork after `first` that `joined` brings together, and `last`, which is not applied."""
    project.add("first", 'op.execute("CREATE TABLE t (id integer)")', extra='"""It begins."""')
    project.add("left", "pass", extra='phase = "contract"')
    project.head = "first"
    project.add("right", "pass", extra='branch_labels = ("starboard",)')
    vars(project)["head"] = ("left", "right")
    project.add("joined", "pass")
    upgrade(project.config)
    project.add("last", "pass")
    return project


def test_history_lists_every_revision_the_newest_first(branched: PlainProject) -> None:
    last, joined, *middle, first = listed(branched, "history")
    assert {one["revision"] for one in middle} == {"left", "right"}
    assert (last["revision"], last["revises"], last["next"], last["is_head"]) == ("last", ["joined"], [], True)
    assert (joined["revises"], joined["is_merge_point"], joined["is_branch_point"]) == (["left", "right"], True, False)
    assert joined["is_current"] is None
    assert (first["revises"], first["next"], first["is_branch_point"]) == ([], ["left", "right"], True)
    assert (first["phase"], first["file"]) == ("expand", str(branched.versions / "0000.py"))
    by_name = {one["revision"]: one for one in middle}
    assert (by_name["left"]["phase"], by_name["right"]["branch_labels"]) == ("contract", ["starboard"])


def test_history_says_where_the_database_is_if_it_is_asked(branched: PlainProject) -> None:
    found = {one["revision"]: one["is_current"] for one in listed(branched, "history", "--indicate-current")}
    assert found == {"last": False, "joined": True, "left": False, "right": False, "first": False}
    assert names(listed(branched, "history", "--rev-range", "current:")) == ["last", "joined"]
    assert set(names(listed(branched, "history", "--rev-range", ":right"))) == {"right", "first"}
    refused = call(branched, "history", "--rev-range", "first", "--json")
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert call(branched, "history", "--rev-range", "nobody:", "--json").exit_code == 3


def test_heads_branches_and_shown_revisions_are_lists(branched: PlainProject) -> None:
    assert names(listed(branched, "heads")) == ["last"]
    assert names(listed(branched, "branches")) == ["first"]
    assert names(listed(branched, "show", "join")) == ["joined"]
    assert names(listed(branched, "show", "current")) == names(listed(branched, "show-current-revision")) == ["joined"]
    assert call(branched, "show", "last", "--sql", "--json").exit_code == 2


def test_revision_that_depends_on_another_is_a_head_unless_that_counts(project: PlainProject) -> None:
    project.add("first", "pass")
    project.head = None
    project.add("apart", "pass", extra='depends_on = "first"')
    both = listed(project, "heads")
    assert {one["revision"]: one["depends_on"] for one in both} == {"apart": ["first"], "first": []}
    assert names(listed(project, "heads", "--resolve-dependencies")) == ["apart"]


def test_current_revision_without_a_file_is_an_error(branched: PlainProject, empty_database_url: str) -> None:
    query(empty_database_url, "UPDATE alembic_version SET version_num = 'whence'")
    for arguments in (["--json"], []):
        refused = call(branched, "show-current-revision", *arguments)
        assert (refused.exit_code, refused.stdout) == (3, ""), refused.output
        assert "whence" in refused.stderr


# The engine's command -> Alembic's.
TEXTS: dict[str, Callable[..., object]] = {
    "history": command.history,
    "history --verbose": lambda alembic: command.history(alembic, verbose=True),
    "history --indicate-current": lambda alembic: command.history(alembic, indicate_current=True),
    "heads": command.heads,
    "branches --verbose": lambda alembic: command.branches(alembic, verbose=True),
    "show-current-revision": command.current,
    "show last": lambda alembic: command.show(alembic, "last"),
}


def test_text_is_that_of_alembic(branched: PlainProject) -> None:
    for arguments, alembics in TEXTS.items():
        alembic = alembic_config(branched.config)
        alembic.stdout = written = io.StringIO()
        alembics(alembic)
        result = call(branched, *arguments.split())
        assert (result.exit_code, result.stdout) == (0, written.getvalue()), arguments


def test_check_lists_what_the_models_lack_and_keeps_its_exit_code(project: PlainProject) -> None:
    project.define('sa.Table("t", metadata, sa.Column("id", sa.Integer), sa.Column("name", sa.Text, index=True))')
    project.add("first", 'op.execute("CREATE TABLE t (id integer)")')
    behind = call(project, "check", "--json")
    assert (behind.exit_code, behind.stdout) == (1, "")
    assert "Target database is not up to date" in behind.stderr
    upgrade(project.config)
    found = call(project, "check", "--json")
    assert found.exit_code == call(project, "check").exit_code == 1
    assert json.loads(found.stdout) == {"differences": ["column t.name: missing", "index ix_t_name: missing"]}
    project.define('sa.Table("t", metadata, sa.Column("id", sa.Integer, autoincrement=False))')
    alike = call(project, "check", "--json")
    assert (alike.exit_code, json.loads(alike.stdout)) == (0, {"differences": []})


def test_litestar_prints_the_document_and_nothing_else(database_url: str) -> None:
    env = environment(DATABASE_URL=database_url)
    done = run("litestar", "database", "history", "--indicate-current", "--json", env=env)
    assert done.returncode == 0, done.stderr
    assert names(json.loads(done.stdout)) == REVISIONS[::-1]
    current = run("litestar", "database", "show-current-revision", "--json", env=env)
    assert names(json.loads(current.stdout)) == [HEAD]

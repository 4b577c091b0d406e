"""The workflow and the pre-commit hook that other projects copy, by running what they run."""

import json
import os
import re
import shlex
import shutil
import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.migrator.branch.markdown import MARKER
from tests.support.foreign_project import ENV, FOREIGN, Project
from tests.support.git import commit_all, git
from tests.support.processes import BIN, ROOT

WORKFLOW = msgspec.yaml.decode((ROOT / "app" / "migrator" / "ci" / "github.yml").read_bytes())
(HOOK,) = msgspec.yaml.decode((ROOT / ".pre-commit-hooks.yaml").read_bytes())
STEPS: list[dict[str, Any]] = WORKFLOW["jobs"]["migrations"]["steps"]
# Answers as GitHub's command does to a request for the comments, and keeps what it was asked.
GH = """\
#!/bin/sh
printf '%s\\n' "$*" >> "$GH_CALLS"
for word in "$@"; do [ "$word" != --jq ] || cat "$GH_COMMENTS"; done
"""
DROP = """\
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade():
    op.drop_column("hero", "level")
"""


@pytest.fixture
def branch(sync_venv: Path, wheel: Path, tmp_path: Path) -> Project:
    """The project with the engine in its env.py, on a branch that has left `main`."""
    root = tmp_path / "project"
    shutil.copytree(FOREIGN / "sync", root, ignore=shutil.ignore_patterns("__pycache__"))
    project = Project(root, sync_venv, "")
    project.paste(ENV)
    (root / "requirements.txt").write_text(f"plimsoll-migrator[lint] @ {wheel.as_uri()}\n")
    commit_all(root)
    git(root, "update-ref", "refs/remotes/origin/main", "main")
    git(root, "switch", "-q", "-c", "work")
    return project


def drop_a_column(project: Project) -> Path:
    file = project.root / "migrations" / "versions" / "0003_no_levels.py"
    file.write_text(DROP)
    return file


class Runner:
    """Runs the workflow's steps as GitHub does; `comments` are the ids of those that were made before."""

    def __init__(self, project: Project, folder: Path, comments: str = "") -> None:
        self._project = project
        self._folder = folder
        programs = folder / "bin"
        programs.mkdir(parents=True)
        (programs / "gh").write_text(GH)
        (programs / "gh").chmod(stat.S_IRWXU)
        (programs / "pip").write_text(f'#!/bin/sh\nexec "{BIN}/uv" pip "$@" --quiet --python "{project.bin.parent}"\n')
        (programs / "pip").chmod(stat.S_IRWXU)
        (folder / "comments").write_text(comments)
        self.variables = {
            "PATH": os.pathsep.join([str(programs), str(project.bin), os.environ["PATH"]]),
            "GITHUB_STEP_SUMMARY": str(folder / "summary"),
            "GH_CALLS": str(folder / "calls"),
            "GH_COMMENTS": str(folder / "comments"),
            # What is wanted is there.
            "UV_OFFLINE": "1",
            "BASE": self._value(WORKFLOW["env"]["BASE"]),
        }

    def run(self, name: str, code: int = 0, **overrides: str) -> str:
        """Return what the step of this name prints; it has to end with this exit code."""
        (step,) = [step for step in STEPS if step.get("name") == name]
        given = {name: self._value(value) for name, value in step.get("env", {}).items()}
        return self._project.run("bash", "-e", "-c", step["run"], code=code, **self.variables | given | overrides)

    @staticmethod
    def _value(text: str) -> str:
        values = {
            "github.base_ref": "main",
            "github.token": "a-token",
            "github.repository": "they/project",
            "github.event.pull_request.number": "7",
            "github.event.pull_request.head.repo.full_name == github.repository": "true",
        }
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: values[found[1]], text)

    @property
    def calls(self) -> list[str]:
        file = self._folder / "calls"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def summary(self) -> str:
        return (self._folder / "summary").read_text()


def test_workflow_comments_and_reports_a_finding(branch: Project, tmp_path: Path) -> None:
    drop_a_column(branch)
    commit_all(branch.root)
    first = Runner(branch, tmp_path / "first")
    first.run("Install")
    first.run("Comment")
    assert (branch.root / "changes.md").read_text() == first.summary
    assert first.summary.startswith(MARKER)
    assert "| `0003` | expand | `drop column hero.level` | reads and writes of `hero` |" in first.summary
    first.run("Findings")
    sarif = json.loads((branch.root / "migrations.sarif").read_text())
    assert [result["ruleId"] for result in sarif["runs"][0]["results"]] == ["contract-step-in-expand"]
    shown = first.run("Lint", code=1)
    assert "::error file=migrations/versions/0003_no_levels.py,line=8,title=contract-step-in-expand::" in shown
    assert [call.partition("repos/")[2] for call in first.calls] == [
        "they/project/issues/7/comments",
        "they/project/issues/7/comments --field body=@changes.md",
    ]
    assert "--method POST" in first.calls[1]
    again = Runner(branch, tmp_path / "again", comments="41\n42\n")
    again.run("Comment")
    assert again.calls[1].endswith("--method PATCH repos/they/project/issues/comments/41 --field body=@changes.md")
    fork = Runner(branch, tmp_path / "fork")
    fork.run("Comment", MAY_COMMENT="false")
    assert (fork.calls, fork.summary) == ([], first.summary)


def test_lint_with_a_base_knows_the_models_that_the_wheel_loads_from_there(branch: Project) -> None:
    file = drop_a_column(branch)
    file.write_text(DROP.replace("revision =", 'phase = "contract"\nrevision =', 1))
    models = branch.root / "myproject" / "models.py"
    models.write_text("".join(line for line in models.read_text().splitlines(keepends=True) if "level" not in line))
    assert "dropped-too-soon" in branch.migrate("lint", "--base", "main", code=1)


def test_workflow_fails_where_lint_cannot_work(branch: Project, tmp_path: Path) -> None:
    runner = Runner(branch, tmp_path / "runner")
    for step, code in (("Comment", 2), ("Findings", 1)):
        assert "git knows no commit 'origin/gone'" in runner.run(step, code=code, BASE="origin/gone")


def test_workflow_fetches_the_history_that_a_common_commit_needs() -> None:
    (checkout,) = [step for step in STEPS if step.get("uses", "").startswith("actions/checkout@")]
    assert checkout["with"]["fetch-depth"] == 0
    assert {step["name"] for step in STEPS if "run" in step} == {"Install", "Comment", "Findings", "Lint"}
    (upload,) = [step for step in STEPS if "upload-sarif" in step.get("uses", "")]
    assert upload["with"]["sarif_file"] == "migrations.sarif"


def run_hook(project: Project, code: int) -> str:
    """Run the hook's entry as pre-commit does: on the staged files that it names, if there are any."""
    staged = git(project.root, "diff", "--cached", "--name-only", "--diff-filter=ACMR").splitlines()
    files = [file for file in staged if re.search(HOOK["files"], file) and not re.search(HOOK["exclude"], file)]
    assert files
    return project.run(*shlex.split(HOOK["entry"]), *files, code=code)


def test_hook_refuses_a_finding_in_a_staged_revision_and_passes_what_is_fine(branch: Project) -> None:
    file = drop_a_column(branch)
    (file.parent / "__init__.py").touch()
    git(branch.root, "add", "-A")
    assert "contract-step-in-expand" in run_hook(branch, 1)
    file.write_text(DROP.replace('"level"', '"level"  # nobody')[: DROP.index("    op.")] + "    pass\n")
    git(branch.root, "add", "-A")
    assert "1 revision(s) linted: no finding(s)" in run_hook(branch, 0)


def test_hook_knows_the_files_of_revisions_from_others() -> None:
    named = {
        "migrations/versions/0001_heroes.py": True,
        "src/db/versions/2026/0001.py": True,
        "migrations/versions/__init__.py": False,
        "migrations/env.py": False,
        "migrations/versions/0001.sql": False,
    }
    for path, is_named in named.items():
        found = re.search(HOOK["files"], path) is not None and re.search(HOOK["exclude"], path) is None
        assert found is is_named, path

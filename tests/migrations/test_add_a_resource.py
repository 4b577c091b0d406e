"""The page add-a-resource.md, followed to the letter in a copy of the checkout."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from tests.support.database import query
from tests.support.previous_release import SIGNED_IN
from tests.support.processes import BIN, ROOT, copied_checkout, environment, in_checkout, run, serving
from tests.support.waiting import PATIENCE

PAGE = (ROOT / "migrations" / "docs" / "add-a-resource.md").read_text()
# Of the tests that the page names last, the resource's own, and those of the lists that take no time.
CHECKS = (
    "tests/integration/test_api_milestones.py",
    "tests/migrations/test_schema_sql.py::test_schema_sql_is_what_the_revisions_make",
    "tests/unit/test_architecture.py::test_one_stem_everywhere",
    "tests/unit/test_diagram.py",
    "tests/unit/test_organization_columns.py",
    "tests/unit/test_release_notes.py",
)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def add_lines(checkout: Path, patch: str) -> None:
    """Put each line that begins with `+` behind the line before it, in the file that is named by the last `# path`."""
    for name, changes in re.findall(r"^# (\S+)\n((?:[ +].*\n)+)", patch, re.MULTILINE):
        text = (checkout / name).read_text()
        for before, added in re.findall(r"^ (.*\n)((?:\+.*\n)+)", changes, re.MULTILINE):
            place = f"\n{before}"
            assert text.count(place) == 1 or name.endswith(".md"), f"{name} has {before!r} {text.count(place)} times"
            text = text.replace(place, place + re.sub(r"^\+", "", added, flags=re.MULTILINE), 1)
        (checkout / name).write_text(text)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the checkout with the page's files and lines, but for the row of the revision in the release notes."""
    target = copied_checkout(tmp_path / "checkout")
    shutil.copytree(ROOT / "tests", target / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    for file in ROOT.iterdir():
        if file.is_file():
            shutil.copy(file, target)
    for block in blocks("python"):
        name = block.partition("\n")[0].removeprefix("# ")
        assert not (target / name).exists()
        (target / name).write_text(block.partition("\n")[2])
    for patch in blocks("diff"):
        if "RELEASES" not in patch:
            add_lines(target, patch)
    return target


def test_page_makes_a_resource_that_is_served_and_tested(
    checkout: Path, database_url: str, server_url: str, tmp_path: Path
) -> None:
    making, checking = blocks("bash")
    apart = {"PYTEST_XDIST_WORKER", "PYTEST_XDIST_TESTRUNUID", "PYTEST_CURRENT_TEST", "PYTEST_ADDOPTS"}
    env = {name: value for name, value in environment(DATABASE_URL=database_url).items() if name not in apart}

    def execute(*command: str, **changes: str) -> str:
        is_ours = command[0] == "litestar"
        done = run(*command, env=env, cwd=checkout) if is_ours else spawn(*command, **changes)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def spawn(*command: str, **changes: str) -> subprocess.CompletedProcess[str]:
        within = in_checkout({**env, **changes}, checkout)
        program = [str(BIN / command[0]), *command[1:]]
        return subprocess.run(
            program, env=within, cwd=checkout, capture_output=True, text=True, timeout=600, check=False
        )

    for line in making.splitlines():
        execute(*shlex.split(line))
    (revision,) = query(database_url, "SELECT version_num FROM alembic_version")[0]
    (notes,) = (patch for patch in blocks("diff") if "RELEASES" in patch)
    add_lines(checkout, notes.replace("<id>", str(revision)))

    ruff, *_ = checking.splitlines()
    for command in ruff.split(" && "):
        # mypy reads every module of the copy anew, which takes most of a minute.
        if command != "mypy":
            execute(*shlex.split(command))
    named = re.findall(r"tests/\S+", checking)
    assert all(any(check.startswith(name) for name in named) for check in CHECKS)
    ((template,),) = query(database_url, "SELECT current_database()")
    execute("pytest", "-n", "0", *CHECKS, TEST_DATABASE_URL=server_url, TEST_TEMPLATE=str(template))

    with serving(env, tmp_path / "log", cwd=checkout) as server:
        server.wait_until_ready()
        milestones = f"{server.url}/api/v1/milestones"
        made = httpx.post(milestones, json={"name": "Launch"}, headers=SIGNED_IN, timeout=PATIENCE)
        assert made.status_code == 201, made.text
        assert httpx.get(milestones, headers=SIGNED_IN, timeout=PATIENCE).json()["items"] == [made.json()]

"""What is checked at a commit and on a server are the checks of .ci/run."""

import re

from tests.support.processes import ROOT

CHECKS = (ROOT / ".ci" / "run").read_text().splitlines()


def test_hooks_run_checks_of_ci() -> None:
    entries = re.findall(r"^ +entry: (.*)$", (ROOT / ".pre-commit-config.yaml").read_text(), re.MULTILINE)
    assert entries
    assert set(entries) <= set(CHECKS)


def test_server_runs_all_checks_with_the_whole_history() -> None:
    workflow = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    assert "- run: bash .ci/run\n" in workflow
    assert "fetch-depth: 0\n" in workflow
    assert "git " in workflow.partition("actions/checkout")[0], "a checkout without git has no history"


def test_readme_has_the_test_command_of_ci() -> None:
    (section,) = re.findall(r"^## Test it\n(.*?)^## ", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    (command,) = re.findall(r"^```bash\n(.*?)\n```", section, re.DOTALL | re.MULTILINE)
    assert command in CHECKS

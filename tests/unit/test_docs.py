"""The documentation: its links, the paths that it names, and how long its entrances are."""

import ast
import re
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from tests.support.processes import BIN, ROOT

DOCS = ROOT / "migrations" / "docs"
PAGES = [
    ROOT / "README.md",
    *sorted(page for room in ("app", "migrations", "tests") for page in (ROOT / room).rglob("*.md")),
]

_CODE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
_MODULE = re.compile(r"(?<![\w/…])([\w<>/]+\.py)\b")
_BESIDE = re.compile(r"`((?!app/|migrations/|tests/)\w+/[\w/]+\.py)`")
_PATH = re.compile(r"`((?:app|migrations|tests)/[^`\s]*)`")

of_each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """The page and the anchor of each relative link."""
    for target in _LINK.findall(_CODE.sub("", page.read_text())):
        if "://" not in target:
            path, _, anchor = target.partition("#")
            yield (page.parent / path).resolve() if path else page, anchor


def anchors(page: Path) -> set[str]:
    """The headings as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", _CODE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@of_each_page
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target, anchor in links(page):
        assert target.exists(), f"{target.relative_to(ROOT)} is missing"
        if anchor:
            assert anchor in anchors(target), f"{target.relative_to(ROOT)} has no heading {anchor}"


@of_each_page
def test_named_paths_exist(page: Path) -> None:
    beside = [f"{page.parent.relative_to(ROOT)}/{path}" for path in _BESIDE.findall(page.read_text())]
    for path in [*_PATH.findall(page.read_text()), *beside]:
        # `<x>` stands for any name, and `…` for any characters.
        pattern = re.sub(r"<\w+>|…", "*", path).rstrip("/")
        assert any(ROOT.glob(pattern)), f"{path} does not exist"


def test_modules_that_docstrings_name_exist() -> None:
    """Above all those of the two drawings, of a request and of an upgrade."""
    app = ROOT / "app"
    for module in sorted(app.rglob("*.py")):
        roots = (module.parent, app, app / "migrator", ROOT, ROOT / "migrations")
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                for name in _MODULE.findall(ast.get_docstring(node) or ""):
                    pattern = re.sub(r"<\w+>", "*", name)
                    assert any(any(root.glob(pattern)) for root in roots), f"{module.relative_to(ROOT)} names {name}"


def test_every_page_is_reached_from_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page.suffix == ".md" and page not in reached:
            reached.add(page)
            waiting.extend(target for target, _ in links(page))
    assert set(PAGES) - reached == set()


@pytest.mark.parametrize(("page", "limit"), [("README.md", 200), ("migrations/README.md", 60)])
def test_entrance_is_short(page: str, limit: int) -> None:
    assert len((ROOT / page).read_text().splitlines()) < limit


@of_each_page
def test_code_imports_names_that_exist(page: Path) -> None:
    for code in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("app.") and not adds(node):
                for alias in node.names:
                    assert hasattr(import_module(node.module or ""), alias.name), f"{node.module} has no {alias.name}"


def adds(node: ast.ImportFrom) -> bool:
    """Whether it imports what the page itself adds."""
    return "milestone" in ast.unparse(node).lower()


def test_lists_that_a_new_resource_enters_exist() -> None:
    rows = re.findall(r"^\| `(\S+\.py)` \| (.*?) \|", (DOCS / "add-a-resource.md").read_text(), re.MULTILINE)
    assert len(rows) > 5
    for path, what in rows:
        for name in re.findall(r"`(_?[A-Z][A-Z_]+|__all__|test_\w+)`", what):
            assert name in (ROOT / path).read_text(), f"{path} has no {name}"


@pytest.mark.parametrize("check", ["check", "format --check"])
def test_files_of_a_new_resource_pass_the_checks_of_the_project(check: str) -> None:
    page = (DOCS / "add-a-resource.md").read_text()
    files = re.findall(r"^```python\n# (\S+\.py)\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(files) > 5
    for name, code in files:
        ruff = [str(BIN / "ruff"), *check.split(), "--stdin-filename", name, "-"]
        done = subprocess.run(ruff, input=code, cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout

"""Who may import whom, and where a few words may stand; fails too when a path that it guards is gone."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import migrator

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "app"

# Package -> what of the project it may import; itself always.
MAY_IMPORT = {
    "core": {"__init__", "postgres.secret", "postgres.settings_error", "migrator.limit_settings", "migrator.phase"},
    "postgres": set(),
    "migrator": {"postgres"},
    "models": {"migrator.partitions.tables", "migrator.repairs"},
    "schemas": set(),
    "db": {"core", "postgres", "migrator", "models", "__init__"},
    "repositories": {"models", "core", "db.request"},
    "services": {"repositories", "models", "core"},
    "api": {"services", "schemas", "core", "models", "db", "postgres", "migrator", "__init__"},
    "importing": {"services", "models", "core", "postgres"},
    "cli": {"importing", "services", "models", "core", "db", "postgres", "migrator"},
    "server": {"core"},
    "asgi": {"api", "cli", "server", "core", "db", "postgres.settings_error", "migrator.closed_pipe", "__init__"},
}
# What is also built as a library of its own.
ENGINE = {"migrator", "postgres"}
# Package -> distributions that it must do without.
MUST_NOT_IMPORT = {
    "core": {"litestar", "sqlalchemy", "alembic", "advanced_alchemy"},
    "postgres": {"alembic", "advanced_alchemy", "litestar"},
    "models": {"msgspec", "litestar"},
    "schemas": {"sqlalchemy", "advanced_alchemy", "litestar"},
    "repositories": {"litestar"},
    "services": {"litestar"},
}
# What it would be -> (pattern, the only places it may stand in).
ONLY_IN = {
    "a commit": (r"\.commit\(", ("db/request/session.py", "db/request/separate_transaction.py", "migrator/")),
    "a query": (r"(?<![\w.])select\(", ("repositories/",)),
    "an HTTP exception": (r"from litestar\.exceptions import|HTTPException", ("api/",)),
    "the parsing of a database URL": (r"\bsplit_url\(|\bmake_url\(|\burlsplit\(", ("postgres/url/",)),
    "what a member was granted": (
        r"\bBoardAccess\b",
        ("models/", "repositories/access.py", "repositories/boards.py", "repositories/members.py", "cli/demo/"),
    ),
    "an SQLSTATE": (r'"(0[18A]|2[258]|3D|4[02]|5[357])[0-9A-Z]{3}"', ("postgres/sqlstate.py",)),
    "a connection of its own": (r"\bcreate_async_engine\(", ("postgres/engine.py",)),
}
# What of the application the engine's rooms may not name: its settings, commands, documentation and tables.
_OF_THE_APPLICATION = (
    r"\bDB_(?!CONNECT_TIMEOUT\b|MIGRATE_)[A-Z]|\bDATABASE_URL_|\bLOCAL_AUTH_|\bSECRET_KEY\b|migrations/docs|/readyz\b"
    r"|(?i:outside dev\b)|\blitestar database\b|\b(?:counts of tasks|organizations|custom_fields)\b"
)
# They are about Litestar, or about the server of the application's developers.
_MAY_NAME_IT = ("migrator/litestar_plugin.py", "migrator/cli/litestar_group.py", "postgres/dev_server/")
# Tables that no client asks for by their name.
BEHIND_THE_API = {"idempotency", "rate_limits", "task_counts"}
ROOT_ENTRIES = {
    "LICENSE",
    "app",
    "migrations",
    "tests",
    "alembic.ini",
    "pyproject.toml",
    "Dockerfile",
    "README.md",
    "requirements.txt",
}


def modules(package: str) -> list[Path]:
    path = APP / package
    return sorted(path.rglob("*.py")) if path.is_dir() else [APP / f"{package}.py"]


def imports(path: Path) -> Iterator[str]:
    """Yield the full names of the modules that a module imports, as they would be written without dots."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[: -node.level] if node.level else ()
            yield ".".join([*package, node.module or ""]).strip(".")


@pytest.mark.parametrize("package", [*MAY_IMPORT])
def test_imports_are_relative_in_the_engines_rooms_alone(package: str) -> None:
    """They are a wheel under another name."""
    for file in modules(package):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom):
                names_the_project = re.match(r"app(\.|$)", node.module or "") is not None and not node.level
                assert not (names_the_project if package in ENGINE else node.level), (file, node.lineno)


@pytest.mark.parametrize("package", [*MAY_IMPORT])
def test_package_exists_and_imports_only_what_it_may(package: str) -> None:
    files = modules(package)
    assert files, f"app/{package} is gone"
    wrong = []
    for file in files:
        for name in imports(file):
            if not re.match(r"app(\.|$)", name):
                if name.split(".")[0] in MUST_NOT_IMPORT.get(package, set()):
                    wrong.append(f"{file.relative_to(ROOT)} imports {name}")
                continue
            inner = name.removeprefix("app").removeprefix(".") or "__init__"
            allowed = {package, *MAY_IMPORT[package]}
            if not any(inner == place or inner.startswith(f"{place}.") for place in allowed):
                wrong.append(f"{file.relative_to(ROOT)} imports {name}")
    assert wrong == []


def test_every_package_of_the_application_is_guarded() -> None:
    entries = {path.stem for path in APP.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert entries - {"__init__"} == set(MAY_IMPORT)


def test_no_test_module_is_imported_by_another() -> None:
    """Shared helpers of tests are in tests/support."""
    for file in sorted((ROOT / "tests").rglob("*.py")):
        assert not [name for name in imports(file) if re.match(r"tests\.\w+\.test_", name)], file


def test_engine_exports_names_that_are_there() -> None:
    for name in (*migrator.__all__, "MigratorPlugin"):
        assert getattr(migrator, name).__name__ == name


def test_nothing_but_asgi_imports_the_api() -> None:
    for package in set(MAY_IMPORT) - {"api", "asgi"}:
        for file in modules(package):
            assert not any(name.startswith("app.api") for name in imports(file)), file


@pytest.mark.parametrize("what", ONLY_IN)
def test_stands_only_where_it_belongs(what: str) -> None:
    pattern, places = ONLY_IN[what]
    for place in places:
        assert list(APP.glob(f"{place}*")), f"app/{place} is gone"
    found = {file.relative_to(APP).as_posix() for file in APP.rglob("*.py") if re.search(pattern, file.read_text())}
    assert found, f"nothing matches {pattern}: the rule guards nothing"
    assert {name for name in found if not name.startswith(places)} == set()


def test_engine_names_nothing_of_the_application() -> None:
    """A stranger's project has neither its settings nor its pages: the application hands them in as `Hints`."""
    found = {
        f"{file.relative_to(APP)}: {named[0]}"
        for package in ENGINE
        for file in modules(package)
        if not file.relative_to(APP).as_posix().startswith(_MAY_NAME_IT)
        for named in re.finditer(_OF_THE_APPLICATION, file.read_text())
    }
    assert found == set()


def test_one_stem_everywhere() -> None:
    stems = {path.stem for path in (APP / "models").glob("*.py")} - {"__init__", "base"}
    assert stems == {
        "activity",
        "agents",
        "approvals",
        "board_groups",
        "boards",
        "custom_fields",
        "invites",
        "memory",
        "organizations",
        "tags",
        "tasks",
        "tokens",
        "users",
        "webhooks",
        *BEHIND_THE_API,
    }
    for room in ("schemas", "repositories", "services", "api"):
        assert stems - BEHIND_THE_API <= {path.stem for path in (APP / room).glob("*.py")}, room


def test_top_level_holds_only_what_has_a_reason() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    entries = {line.partition("/")[0] for line in listed.splitlines() if not line.startswith(".")}
    assert entries == ROOT_ENTRIES

"""The engine alone, as a wheel in two projects of others: one with a synchronous engine, one with Litestar."""

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import advanced_alchemy
import pytest

from tests.support.database import holding, query
from tests.support.foreign_project import ENV, FOREIGN, Project
from tests.support.waiting import PATIENCE

HISTORY = "SELECT revision, outcome FROM schema_history ORDER BY id"
MAIN = "myproject/main.py"


@pytest.fixture
def project(sync_venv: Path, empty_database_url: str, tmp_path: Path) -> Project:
    """The synchronous project, with the engine in its env.py."""
    root = shutil.copytree(FOREIGN / "sync", tmp_path / "project")
    made = Project(root, sync_venv, empty_database_url.replace("+asyncpg", "+psycopg"))
    made.paste(ENV)
    return made


def test_wheel_needs_no_framework(project: Project) -> None:
    code = "import sys, plimsoll_migrator; plimsoll_migrator.upgrade; print({'litestar', 'app'} & set(sys.modules))"
    with project.start("python", "-c", code) as process:
        assert process.communicate(timeout=PATIENCE) == ("set()\n", "")
    assert "backfill" in project.migrate("--help")
    assert json.loads(project.migrate("status", "--json-schema"))["title"] == "status --json"


def test_database_that_plain_alembic_made_is_adopted(project: Project, empty_database_url: str) -> None:
    project.use("plain_env.py")
    project.run("alembic", "upgrade", "0001")
    query(empty_database_url, "INSERT INTO hero (name) VALUES ('Deadpond')")
    project.paste(ENV)
    status = json.loads(project.migrate("status", "--json"))
    assert [row["state"] for row in status["revisions"]] == ["applied", "pending"]
    assert "python -m plimsoll_migrator upgrade" in project.migrate("status", "--check", code=10)
    project.run("alembic", "upgrade", "head")
    assert query(empty_database_url, HISTORY) == [("0001", "done"), ("0002", "done")]
    assert query(empty_database_url, "SELECT name, level FROM hero") == [("Deadpond", None)]
    assert "No difference" in project.migrate("drift")
    assert "Nothing is wrong" in project.migrate("doctor")


def test_eight_starters_at_once_apply_each_revision_once(project: Project, empty_database_url: str) -> None:
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda _: project.run("python", "app.py"), range(8)))
    assert all("heroes: 0" in each for each in said)
    assert query(empty_database_url, HISTORY) == [("0001", "done"), ("0002", "done")]


def test_fastapi_application_of_readme_upgrades_at_its_start(project: Project, empty_database_url: str) -> None:
    project.paste(MAIN)
    start = (
        "import asyncio, logging; from myproject.main import app\n"
        "async def serve():\n"
        "    async with app.router.lifespan_context(app):\n"
        "        logging.getLogger('myproject').warning('serving')\n"
        "asyncio.run(serve())"
    )
    assert "serving" in project.run("python", "-c", start)
    assert query(empty_database_url, HISTORY) == [("0001", "done"), ("0002", "done")]


def test_kill_in_a_revision_leaves_nothing_and_the_next_start_goes_on(
    project: Project, empty_database_url: str
) -> None:
    project.run("alembic", "upgrade", "0001")
    with (
        holding(empty_database_url, "LOCK TABLE hero") as wait,
        project.start("python", "app.py", DB_MIGRATE_LOCK_TIMEOUT="60") as starter,
    ):
        wait()
        starter.kill()
    assert "heroes: 0" in project.run("python", "app.py")
    outcomes = [outcome for revision, outcome in query(empty_database_url, HISTORY) if revision == "0002"]
    assert outcomes == ["interrupted", "done"]


def test_table_in_use_is_waited_for_and_then_a_message(project: Project, empty_database_url: str) -> None:
    project.run("alembic", "upgrade", "0001")
    with holding(empty_database_url, "LOCK TABLE hero"):
        limits = {"DB_MIGRATE_LOCK_TIMEOUT": "0.05", "DB_MIGRATE_LOCK_RETRIES": "1"}
        said = project.run("alembic", "upgrade", "head", code=3, **limits)
    assert "`python -m plimsoll_migrator doctor` shows who holds the table" in said
    assert "Traceback" not in said


def test_drift_and_lint_see_the_projects_models_and_revisions(project: Project, empty_database_url: str) -> None:
    project.run("alembic", "upgrade", "head")
    query(empty_database_url, "DROP INDEX ix_team_name")
    assert "CREATE INDEX CONCURRENTLY ix_team_name" in project.migrate("drift", code=14)
    (project.root / "migrations" / "versions" / "0003_no_levels.py").write_text(
        '"""Nobody has a level."""\nfrom alembic import op\nrevision = "0003"\ndown_revision = "0002"\n'
        'def upgrade():\n    op.drop_column("hero", "level")\n'
    )
    assert "contract" in project.migrate("lint", "0003", code=1)


def test_project_that_is_not_ready_for_the_engine_hears_of_it(project: Project, empty_database_url: str) -> None:
    project.use("plain_env.py")
    assert "does not call run_environment()" in project.migrate("status", code=2)
    assert query(empty_database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]
    project.paste(ENV)
    assert "-c FILE" in project.migrate("-c", "nothing.ini", "status", code=2)
    assert "DATABASE_URL is not set" in project.run("alembic", "upgrade", "head", code=2, DATABASE_URL="")
    models = project.root / "myproject" / "models.py"
    models.write_text(models.read_text().replace("MetaData()", 'MetaData(schema="other")'))
    assert "The models name schemas (other)" in project.migrate("drift", code=1)


def test_connection_of_a_program_is_refused_and_not_passed_over(project: Project, empty_database_url: str) -> None:
    code = (
        "from alembic import command; from alembic.config import Config\n"
        "config = Config('alembic.ini', attributes={'connection': object()})\ncommand.upgrade(config, 'head')"
    )
    assert "the engine makes a connection of its own" in project.run("python", "-c", code, code=1)
    assert query(empty_database_url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(0,)]


def test_revisions_in_several_folders_are_one_history(project: Project, empty_database_url: str) -> None:
    ini = project.root / "alembic.ini"
    folders = "path_separator = os\nversion_locations = %(here)s/migrations/versions:%(here)s/more\n"
    ini.write_text(ini.read_text().replace("[alembic]\n", f"[alembic]\n{folders}"))
    (project.root / "more").mkdir()
    levels = project.root / "migrations" / "versions" / "0002_levels.py"
    levels.rename(project.root / "more" / levels.name)
    project.run("alembic", "upgrade", "head")
    assert "up to date" in project.migrate("status")


def test_backfill_changes_the_rows_that_are_left(project: Project, empty_database_url: str) -> None:
    project.run("alembic", "upgrade", "head")
    query(empty_database_url, "INSERT INTO hero (name, level) VALUES ('Deadpond', 4), ('Spider-Boy', NULL)")
    project.migrate("backfill", "levels")
    assert query(empty_database_url, "SELECT name, level FROM hero ORDER BY id") == [("Deadpond", 4), ("Spider-Boy", 1)]


@pytest.fixture(scope="module")
def litestar_venv(install: Callable[..., Path]) -> Path:
    return install("litestar")


@pytest.fixture
def litestar_project(litestar_venv: Path, empty_database_url: str, tmp_path: Path) -> Project:
    """The Litestar project with Advanced Alchemy's own env.py."""
    root = shutil.copytree(FOREIGN / "litestar", tmp_path / "project")
    (package,) = advanced_alchemy.__path__
    shutil.copy(Path(package) / "alembic" / "templates" / "asyncio" / "env.py", root / "migrations" / "env.py")
    return Project(root, litestar_venv, empty_database_url)


def test_litestar_database_of_advanced_alchemy_is_adopted(litestar_project: Project, empty_database_url: str) -> None:
    litestar_project.run("litestar", "database", "upgrade", "--no-prompt")
    litestar_project.use("safe_env.py")
    assert "up to date" in litestar_project.run("litestar", "database", "status", SAFE="1")
    litestar_project.run("litestar", "database", "upgrade", "--no-prompt", SAFE="1")
    query(empty_database_url, "ALTER TABLE book ADD COLUMN pages integer")
    assert "pages" in litestar_project.run("litestar", "database", "drift", SAFE="1", code=14)
    assert query(empty_database_url, "SELECT version_num FROM alembic_versions") == [("0001",)]
    assert "0001" in litestar_project.run("litestar", "database", "heads", SAFE="1")


def test_litestar_application_upgrades_at_its_start(litestar_project: Project, empty_database_url: str) -> None:
    litestar_project.use("safe_env.py")
    code = (
        "from litestar.testing import TestClient\nfrom app import app\n"
        "with TestClient(app) as client: print('books:', client.get('/').json())"
    )
    assert "books: 0" in litestar_project.run("python", "-c", code, SAFE="1")
    assert query(empty_database_url, "SELECT version_num FROM alembic_versions") == [("0001",)]

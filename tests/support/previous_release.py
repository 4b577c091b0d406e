"""Migrations by the code of the previous release."""

from pathlib import Path

from tests.conftest import TOKEN
from tests.support.processes import environment, run

SIGNED_IN = {"Authorization": f"Bearer {TOKEN}"}


def migrate(checkout: Path, url: str, *command: str) -> None:
    done = run("litestar", "database", *command, env=environment(DATABASE_URL=url), cwd=checkout)
    assert done.returncode == 0, done.stderr

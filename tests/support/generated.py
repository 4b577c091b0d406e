"""Generating revisions in a test, and what they are."""

import re
from pathlib import Path
from typing import Any

from alembic import command

from app.core.settings import Settings
from app.db import migrator_config
from tests.support.migrator import alembic_config


def generate(settings: Settings, **options: Any) -> list[Path]:
    """Return the files of the revisions that `alembic revision --autogenerate` writes, in their order."""
    versions = migrator_config.ROOT / "migrations" / "versions"
    before = set(versions.glob("*.py"))
    command.revision(alembic_config(settings), message="a change", autogenerate=True, **options)
    return sorted(set(versions.glob("*.py")) - before)


def steps_of(file: Path) -> str:
    """Return the code of the revision's upgrade."""
    return re.split(r"^def (?:up|down)grade.*$", file.read_text(), flags=re.MULTILINE)[1].strip()


def declared(file: Path, name: str) -> str | None:
    """Return the code of the value that the revision declares under this name."""
    found = re.search(rf"^{name} = (.*)$", file.read_text(), re.MULTILINE)
    return found[1] if found else None

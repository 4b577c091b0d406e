"""Releases with revisions of a test's own."""

import re
import shutil
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import MetaData, event

from app.core.settings import Settings
from app.db import migrator_config
from app.migrator import command_names, engine_tables
from app.migrator.revisions.ids import ids_in_files
from app.migrator.squash.deletion import delete_replaced
from app.models import metadata
from app.postgres.url.database_url import normalize_database_url
from tests.support.database import query
from tests.support.memory import new_directory
from tests.support.migrator import load_revisions
from tests.support.plain_project import PlainProject
from tests.support.processes import BIN, ROOT, require
from tests.support.waiting import PATIENCE

OLDER_BIN = Path("/usr/lib/postgresql/15/bin")


def older_binaries() -> Path:
    """Debian's PostgreSQL 15, where it is installed."""
    require(OLDER_BIN.exists(), "the Debian package postgresql-15")
    return OLDER_BIN


@pytest.fixture(scope="session")
def dump_schema(postgres_bin: Path) -> Callable[[str], str]:
    """`pg_dump --schema-only` of a database, without the table that is there once a backfill has run."""

    def dump(url: str) -> str:
        command: list[str | Path] = [
            postgres_bin / "pg_dump",
            "--schema-only",
            "--restrict-key=fixed",
            "--exclude-table=schema_backfills",
            normalize_database_url(url).libpq,
        ]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout

    return dump


# Oldest first.
REVISIONS = [script.revision for script in load_revisions(Settings()).walk_revisions()][::-1]
HEAD = REVISIONS[-1]


def renamed(url: str, revision: str, name: str) -> None:
    """Makes the database one of a release that has this revision under another name."""
    query(url, "UPDATE alembic_version SET version_num = :name WHERE version_num = :old", name=name, old=revision)
    query(url, "UPDATE schema_history SET revision = :name WHERE revision = :old", name=name, old=revision)


def sql(*statements: str) -> str:
    """The code of a revision that executes these statements."""
    return "".join(f"op.execute({statement!r})\n" for statement in statements)


def autocommit(*statements: str) -> str:
    """Return the code of a revision that executes these statements outside of a transaction."""
    return in_autocommit(sql(*statements))


def in_autocommit(code: str) -> str:
    return f"with op.get_context().autocommit_block():\n{textwrap.indent(code, '    ')}\n"


class Release:
    """A copy of the revisions and backfills, to which a test adds some, in the place of the project's."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._count = 0

    def keep(self, revisions: Collection[str]) -> None:
        """Delete the files of all other revisions, what lint is to ignore in them, and the backfills after them."""
        self.keep_ignored(revisions)
        for script in load_revisions(Settings()).walk_revisions():
            if script.revision not in revisions:
                Path(script.path).unlink()
                (self.root / "migrations" / "baselines" / f"{script.revision}_baseline.py").unlink(missing_ok=True)
        for backfill in (self.root / "migrations" / "backfills").glob("*.py"):
            if not re.search(rf'\bafter="({"|".join(revisions)})"', backfill.read_text()):
                backfill.unlink()

    def keep_ignored(self, revisions: Collection[str]) -> None:
        """Delete what lint is to ignore in all other revisions."""
        ignored = self.root / "migrations" / "lint_ignore.toml"
        sections = re.findall(r'^\["(\w+)"\]\n(.*?)(?=^\[|\Z)', ignored.read_text(), re.MULTILINE | re.DOTALL)
        ignored.write_text("".join(f'["{name}"]\n{rules}' for name, rules in sections if name in revisions))

    def add(
        self,
        upgrade: str,
        downgrade: str = "pass",
        *,
        phase: str = "expand",
        extra: str = "",
        message: str = "A test's",
    ) -> str:
        """Write the next revision, which follows the present head, and return its id."""
        return self.add_below_header(
            f"phase = {phase!r}\n{extra}\n\n"
            f"def upgrade():\n{textwrap.indent(textwrap.dedent(upgrade), '    ')}\n\n"
            f"def downgrade():\n{textwrap.indent(textwrap.dedent(downgrade), '    ')}\n",
            message=message,
        )

    def add_below_header(self, code: str, message: str = "A test's") -> str:
        """Write the next revision with the code below its header, and return its id."""
        self._count += 1
        revision = f"{self._count:02}{abs(hash(code)) % 16**10:010x}"
        (self.root / "migrations" / "versions" / f"2027_01_01_{self._count:04}_test.py").write_text(
            f'"""{message}."""\n\nimport sqlalchemy as sa\nfrom alembic import op\n\nrevision = "{revision}"\n'
            f"down_revision = {self.head!r}\nbranch_labels = None\ndepends_on = None\n{code}"
        )
        return revision

    @property
    def head(self) -> str | None:
        return load_revisions(Settings()).get_current_head()


@pytest.fixture(scope="session")
def squashed() -> Iterator[Path]:
    """A copy of the revisions in which the baseline has taken the place of those that it replaces."""
    root = new_directory()
    _copy_revisions(ROOT, root)
    ((_, baseline),) = ids_in_files((root / "migrations" / "baselines").glob("*.py")).items()
    assert baseline is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(migrator_config, "ROOT", root)
        delete_replaced(migrator_config.migrator_config(Settings()), baseline)
        # To read them compiles them for all that copy them.
        Release(root).keep_ignored({script.revision for script in load_revisions(Settings()).walk_revisions()})
    yield root
    shutil.rmtree(root)


def _copy_revisions(source: Path, target: Path) -> None:
    left_out = shutil.ignore_patterns("*.pyc.*", "docs")
    shutil.copytree(source / "migrations", target / "migrations", ignore=left_out)
    shutil.copy(source / "alembic.ini", target)


@pytest.fixture
def release(squashed: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Release]:
    """A release after the first revisions were replaced by the baseline: to read all of them takes longer."""
    with copied_release(squashed, monkeypatch) as made:
        yield made


@pytest.fixture
def whole_release(monkeypatch: pytest.MonkeyPatch) -> Iterator[Release]:
    """A release with every revision from the first on."""
    with copied_release(ROOT, monkeypatch) as made:
        yield made


@contextmanager
def copied_release(source: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Release]:
    """Yield a copy of the revisions in the folder, in the place of the project's."""
    root = new_directory()
    _copy_revisions(source, root)
    monkeypatch.setattr(migrator_config, "ROOT", root)
    yield Release(root)
    # A process that was killed may not have ended yet.
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def offline_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlainProject:
    """A project for which nobody has named a database."""
    for module, name in (
        (command_names, "_prefix"),
        (command_names, "_has_alembics"),
        (engine_tables, "_version_table"),
    ):
        # A configuration sets them for the process.
        monkeypatch.setattr(module, name, getattr(module, name))
    for variable in ("MIGRATION_DATABASE_URL", "DATABASE_URL"):
        monkeypatch.delenv(variable, raising=False)
    return PlainProject(tmp_path / "theirs")


@pytest.fixture
def project(offline_project: PlainProject, empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> PlainProject:
    """A project whose database is empty, and named by DATABASE_URL."""
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    return offline_project


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([BIN / "uv", "build", "-q", "--wheel", ROOT / "app" / "migrator", "-o", folder], check=True)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    def install(extras: str, *more: str) -> Path:
        venv = tmp_path_factory.mktemp("venv") / "venv"
        subprocess.run([BIN / "uv", "venv", "-q", "--python", sys.executable, venv], check=True)
        pinned = ("--constraints", str(ROOT / "requirements.txt"))
        wanted = f"plimsoll-migrator[{extras}] @ {wheel.as_uri()}"
        subprocess.run([BIN / "uv", "pip", "install", "-q", "--python", venv, *pinned, wanted, *more], check=True)
        _share_bytecode(venv)
        return venv

    return install


def _share_bytecode(venv: Path) -> None:
    """Give the environment what this one has compiled: uv links the same files into both, and so it is good there."""
    (theirs,) = venv.glob("lib/python*/site-packages")
    ours = Path(sysconfig.get_path("purelib"))
    for package in theirs.iterdir():
        for compiled in (ours / package.name).rglob("__pycache__"):
            shutil.copytree(compiled, theirs / compiled.relative_to(ours), dirs_exist_ok=True)


@pytest.fixture(scope="session")
def sync_venv(install: Callable[..., Path]) -> Path:
    return install("psycopg,lint", "fastapi")


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> MetaData:
    """A copy of the models, which `migrations/env.py` compares with the database instead of them."""
    copy = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.sorted_tables:
        table.to_metadata(copy)
    copy.info.update(metadata.info)
    # Its functions and triggers, too; the default partitions are not compared.
    for listener in metadata.dispatch.after_create:
        event.listen(copy, "after_create", listener)
    monkeypatch.setattr(migrator_config, "metadata", copy)
    return copy

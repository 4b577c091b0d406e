"""The rows about many revisions: from nothing to head, against their own SQL in psql; and linted."""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from app.postgres.dev_server.server import binaries
from app.postgres.url.database_url import normalize_database_url
from tests.benchmarks.bench import Bench
from tests.benchmarks.commands import to_its_end
from tests.benchmarks.results import Goal, Outcome, Sample
from tests.benchmarks.starting import UPGRADE
from tests.support.processes import BIN, ROOT

_MANY = 500
_LINTED = 1300
_LINT = (BIN / "litestar", "database", "lint", "--all", "--json")
_NOT_ITS_OWN = shutil.ignore_patterns("__pycache__", "versions", "backfills")
_REVISION = '''"""Revision {number}."""

from alembic import op

revision = "{number:012}"
down_revision = {before!r}
branch_labels = None
depends_on = None
phase = "expand"


def upgrade():
    op.execute("{sql}")


def downgrade():
    pass
'''


def many_revisions(bench: Bench) -> list[Outcome]:
    half, whole = f"{_MANY // 2} revisions", f"{_MANY} revisions"
    turns = {
        whole: partial(_upgrade, bench, _release(bench.folder / "whole", _MANY)),
        half: partial(_upgrade, bench, _release(bench.folder / "half", _MANY // 2)),
        "psql": partial(_psql, bench, [_sql(number) for number in range(_MANY)]),
    }
    samples = bench.in_turns(turns)
    goals = [Goal(3, "psql", at_most=True, of=whole), Goal(2.2, half, at_most=True, of=whole)]
    return [Outcome("revisions", f"{_MANY} revisions from nothing", "seconds", samples, goals)]


def linted(bench: Bench) -> list[Outcome]:
    half, whole = f"{_LINTED // 2} revisions", f"{_LINTED} revisions"
    turns = {
        name: partial(_lint, bench, _release(bench.folder / f"linted-{count}", count))
        for name, count in ((whole, _LINTED), (half, _LINTED // 2))
    }
    goals = [Goal(2.2, half, at_most=True, of=whole)]
    return [Outcome("lint", f"{_LINTED} revisions linted", "seconds", bench.in_turns(turns), goals)]


def _lint(bench: Bench, release: Path) -> Sample:
    with bench.empty_database() as url:
        # Each index of a table in use is a finding.
        return to_its_end(_LINT, bench.cores.worker, url, checkout=release, codes=(1,))


def _sql(number: int) -> str:
    """Every tenth makes a table; the others add a column to it, an index or a row, as revisions do."""
    table = f"things_{number // 10}"
    if number % 10 == 0:
        return f"CREATE TABLE {table} (id bigint PRIMARY KEY, name text NOT NULL DEFAULT '')"
    if number % 10 == 8:
        return f"CREATE INDEX ix_{table}_name ON {table} (name)"
    if number % 10 == 9:
        return f"INSERT INTO {table} (id) VALUES ({number})"
    return f"ALTER TABLE {table} ADD COLUMN column_{number} text"


def _release(root: Path, count: int) -> Path:
    """A checkout with so many revisions, and none of the project's."""
    shutil.copytree(ROOT / "app", root / "app", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "migrations", root / "migrations", ignore=_NOT_ITS_OWN)
    shutil.copy(ROOT / "alembic.ini", root)
    versions = root / "migrations" / "versions"
    versions.mkdir()
    for number in range(count):
        before = f"{number - 1:012}" if number else None
        text = _REVISION.format(number=number, before=before, sql=_sql(number))
        (versions / f"{number:04}_revision.py").write_text(text)
    return root


def _upgrade(bench: Bench, release: Path) -> Sample:
    with bench.empty_database() as url:
        return to_its_end(UPGRADE, bench.cores.worker, url, checkout=release)


def _psql(bench: Bench, statements: Sequence[str]) -> Sample:
    """Each by itself, and so in a transaction of its own."""
    with bench.empty_database() as url:
        command = (binaries() / "psql", "-XqAt", "-vON_ERROR_STOP=1", normalize_database_url(url).libpq)
        return to_its_end(command, bench.cores.worker, url, given=";\n".join([*statements, ""]))

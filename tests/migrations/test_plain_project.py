"""What projects of others rely on, in a small one that has nothing but Alembic and the engine."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.migrator import command_line, tables, upgrade, upgrade_at_start
from tests.migrations.conftest import applied, query
from tests.support.plain_project import PlainProject


@pytest.fixture
def project(tmp_path: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> PlainProject:
    """A project whose database is empty, and named by DATABASE_URL."""
    for module, name in ((command_line, "_prefix"), (command_line, "_has_alembics"), (tables, "_version_table")):
        # A configuration sets them for the process.
        monkeypatch.setattr(module, name, getattr(module, name))
    monkeypatch.delenv("MIGRATION_DATABASE_URL", raising=False)
    monkeypatch.setenv("DATABASE_URL", empty_database_url)
    return PlainProject(tmp_path / "theirs")


def test_three_upgrades_in_threads_of_one_process_wait_for_each_other(
    project: PlainProject, empty_database_url: str
) -> None:
    for number in range(8):
        project.add(f"r{number}", f'op.execute("CREATE TABLE t{number} (id integer)")')
    with ThreadPoolExecutor(3) as pool:
        for ended in [pool.submit(lambda: upgrade(project.config)) for _ in range(3)]:
            ended.result()
    assert applied(empty_database_url) == ["r7"]
    assert query(empty_database_url, "SELECT count(*), count(DISTINCT revision) FROM schema_history") == [(8, 8)]


def test_three_starts_in_one_event_loop_wait_for_each_other(project: PlainProject, empty_database_url: str) -> None:
    for number in range(3):
        project.add(f"r{number}", f'op.execute("CREATE TABLE t{number} (id integer)")')

    async def start() -> None:
        config = project.config
        await asyncio.gather(*(upgrade_at_start(config) for _ in range(3)))

    asyncio.run(start())
    assert applied(empty_database_url) == ["r2"]

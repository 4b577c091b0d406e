"""A process that reads where the database stands while another one migrates it."""

from typing import Any

import pytest
from sqlalchemy import Connection

from app.migrator.execution import executor
from app.migrator.revisions.schema_state import require_no_tables
from tests.conftest import settings_for
from tests.support.database import query
from tests.support.migrator import upgrade
from tests.support.processes import environment, run


@pytest.fixture
def overtaken(monkeypatch: pytest.MonkeyPatch, empty_database_url: str) -> None:
    """Another process applies the first revision between a plan's look at the version table and that at the tables."""

    def overtaking(connection: Connection, *arguments: Any) -> None:
        monkeypatch.setattr(executor, "require_no_tables", require_no_tables)
        done = run("alembic", "upgrade", "+1", env=environment(DATABASE_URL=empty_database_url))
        assert done.returncode == 0, done.stderr
        require_no_tables(connection, *arguments)

    monkeypatch.setattr(executor, "require_no_tables", overtaking)


@pytest.mark.usefixtures("overtaken")
def test_upgrade_does_not_take_the_tables_of_another_upgrade_for_strangers(empty_database_url: str) -> None:
    upgrade(settings_for(empty_database_url))
    assert query(empty_database_url, "SELECT count(*) FROM schema_history WHERE outcome <> 'done'") == [(0,)]

"""What holds for every revision, also for those to come: pytest-alembic's tests, and rows that come through intact."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import pytest_alembic
from pytest_alembic.tests import (  # noqa: F401 - collected here
    test_model_definitions_match_ddl,
    test_single_head_revision,
    test_up_down_consistency,
    test_upgrade,
)
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.pool import NullPool

from app.db.migrations import config
from app.db.migrations.config import Scope
from app.db.migrations.runner import downgrade, upgrade
from tests.conftest import settings_for
from tests.migrations.conftest import query
from tests.migrations.test_revisions import REVISIONS

# One row of each table that the first revision makes; its columns are all that a row needs at any revision.
ROWS: dict[str, dict[str, Any]] = {
    "organizations": {"id": UUID(int=1), "name": "Ærø & Söhne"},
    "users": {"id": UUID(int=2), "subject": "someone", "email": "a@example.com", "active_organization_id": UUID(int=1)},
    "organization_members": {
        "id": UUID(int=3),
        "organization_id": UUID(int=1),
        "user_id": UUID(int=2),
        "role": "owner",
    },
    "boards": {
        "id": UUID(int=4),
        "organization_id": UUID(int=1),
        "name": "b",
        "slug": "b",
        "description": "d",
        "success_metrics": '{"a": [1, null, "ü"]}',
        "target_date": "2026-02-28T23:59:59.999999+00:00",
    },
    "board_access": {"id": UUID(int=5), "organization_member_id": UUID(int=3), "board_id": UUID(int=4)},
    "tags": {"id": UUID(int=6), "organization_id": UUID(int=1), "name": "t", "slug": "t"},
    "tasks": {"id": UUID(int=7), "board_id": UUID(int=4), "title": "one", "priority": "high", "status": "review"},
    "task_comments": {"id": UUID(int=9), "task_id": UUID(int=7), "message": "hello"},
    "task_tags": {"task_id": UUID(int=7), "tag_id": UUID(int=6)},
}


@pytest.fixture
def alembic_config(empty_database_url: str) -> pytest_alembic.Config:
    scope = Scope(accept_data_loss=True)
    rows = {REVISIONS[0]: [{"__tablename__": table, **row} for table, row in ROWS.items()]}
    return pytest_alembic.Config(
        alembic_config=config.alembic_config(settings_for(empty_database_url), scope), at_revision_data=rows
    )


@pytest.fixture
def alembic_engine(empty_database_url: str) -> Iterator[Engine]:
    engine = create_engine(make_url(empty_database_url).set(drivername="postgresql+psycopg"), poolclass=NullPool)
    yield engine
    engine.dispose()


def store(url: str) -> None:
    for table, row in ROWS.items():
        names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
        query(url, f"INSERT INTO {table} ({names}) VALUES ({values})", **row)


def stored(url: str) -> dict[str, Any]:
    return {table: query(url, f"SELECT to_jsonb(t) FROM {table} AS t")[0][0] for table in ROWS}


@pytest.mark.parametrize("revision", REVISIONS)
def test_rows_of_every_revision_come_to_head_intact_and_back(empty_database_url: str, revision: str) -> None:
    settings = settings_for(empty_database_url)
    upgrade(settings, revision)
    store(empty_database_url)
    before = stored(empty_database_url)
    assert set(before) == set(ROWS)
    upgrade(settings)
    after = stored(empty_database_url)
    assert {table: {name: after[table][name] for name in row} for table, row in before.items()} == before
    downgrade(settings, revision, accept_data_loss=True)
    assert stored(empty_database_url) == before

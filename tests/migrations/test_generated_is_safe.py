"""What a generation writes passes `lint`, and goes up, down and up again on a database with rows, for every change."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from sqlalchemy import CheckConstraint, Column, Index, MetaData, Table, event

from app.core.settings import Settings
from app.db import migrator_config
from app.models import metadata
from tests.conftest import settings_for
from tests.migrations.conftest import Release
from tests.support.database import query
from tests.support.drift import compared, named
from tests.support.generated import declared, generate, steps_of
from tests.support.migrator import alembic_config, downgrade, lint, upgrade_with_backfills


def _add_columns(table: Table, *columns: Column):
    for column in columns:
        table.append_column(column)


def _constrain(table: Table, *constraints: sa.Constraint):
    for constraint in constraints:
        table.append_constraint(constraint)


def _named(items, name: str):
    return next(item for item in items if item.name == name)


Change = Callable[[Mapping[str, Table]], object]
# How the models change -> the phases of the revisions, and what their steps have in them, in this order.
CHANGES: dict[str, tuple[Change, str, tuple[str, ...]]] = {
    "an index": (
        lambda of: Index("ix_name", of["tags"].c.name),
        "expand",
        ("drop_index", "if_exists=True", "create_index", "postgresql_concurrently=True"),
    ),
    "two indexes": (
        lambda of: [Index("ix_name", of["tags"].c.name), Index("ix_color", of["tags"].c.color)],
        "expand expand",
        ("ix_color", "ix_name"),
    ),
    "a unique index": (
        lambda of: Index("ix_name", of["tags"].c.name, unique=True),
        "contract",
        ("unique=True", "postgresql_concurrently=True"),
    ),
    "a check": (
        lambda of: of["tags"].append_constraint(CheckConstraint("length(color) = 6", name="color_len")),
        "contract contract",
        ("postgresql_not_valid=True", "VALIDATE CONSTRAINT ck_tags_color_len"),
    ),
    "checks of two tables": (
        lambda of: (
            _constrain(of["tags"], CheckConstraint("name <> ''", name="named")),
            _constrain(of["boards"], CheckConstraint("name <> ''", name="named")),
        ),
        "contract contract contract",
        (
            "ck_boards_named",
            "ck_tags_named",
            "VALIDATE CONSTRAINT ck_boards_named",
            "VALIDATE CONSTRAINT ck_tags_named",
        ),
    ),
    "a foreign key": (
        lambda of: of["tags"].append_constraint(
            sa.ForeignKeyConstraint(["organization_id"], ["organizations.id"], name="again")
        ),
        "contract contract",
        ("postgresql_not_valid=True", "VALIDATE CONSTRAINT again"),
    ),
    "an index that is gone": (
        lambda of: of["task_tags"].indexes.discard(_named(of["task_tags"].indexes, "ix_task_tags_tag_id")),
        "expand",
        ("drop_index", "if_exists=True"),
    ),
    "two nullable columns of a table": (
        lambda of: _add_columns(of["tags"], Column("a", sa.Text), Column("b", sa.Text)),
        "expand",
        ("add_column", "add_column"),
    ),
    "a column of each of two tables": (
        lambda of: (_add_columns(of["tags"], Column("a", sa.Text)), _add_columns(of["boards"], Column("a", sa.Text))),
        "expand expand",
        ("add_column", "add_column"),
    ),
}


@pytest.fixture
def changed(monkeypatch: pytest.MonkeyPatch) -> MetaData:
    """A copy of the models, which `migrations/env.py` compares with the database instead of them."""
    copy = MetaData(naming_convention=metadata.naming_convention)
    for table in metadata.sorted_tables:
        table.to_metadata(copy)
    copy.info.update(metadata.info)
    for listener in metadata.dispatch.after_create:
        event.listen(copy, "after_create", listener)
    monkeypatch.setattr(migrator_config, "metadata", copy)
    return copy


@pytest.fixture
def rows(database_url: str) -> None:
    """Rows in the tables that change."""
    query(
        database_url,
        "INSERT INTO organizations (id, name) VALUES (gen_random_uuid(), 'o');"
        " INSERT INTO tags (id, organization_id, name, slug, color)"
        " SELECT gen_random_uuid(), id, 'tag ' || n, 'tag-' || n, lpad(n::text, 6, '0')"
        " FROM organizations, generate_series(1, 9) AS n",
    )


def findings(settings: Settings, files: list[Path]) -> list[str]:
    revisions = [str(declared(file, "revision")).strip("\"'") for file in files]
    return [f"{found.rule}: {found.message} {found.rewrite}" for found in lint(settings, revisions).findings]


@pytest.mark.parametrize("change", CHANGES)
def test_generated_change_passes_lint_and_goes_up_down_and_up(
    database_url: str, release: Release, changed: MetaData, rows: None, change: str
) -> None:
    settings, head = settings_for(database_url), release.head or ""
    change_models, phases, expected = CHANGES[change]
    change_models(changed.tables)
    files = generate(settings)
    steps = "\n".join(map(steps_of, files))
    assert findings(Settings(), files) == [], steps
    assert " ".join(str(declared(file, "phase")).strip('"') for file in files) == phases, steps
    at = 0
    for text in expected:
        assert text in steps[at:], steps
        at = steps.index(text, at) + len(text)
    before = named(compared(database_url, changed))
    upgrade_with_backfills(settings)
    command.check(alembic_config(settings))
    downgrade(settings, head, accept_data_loss=True)
    assert named(compared(database_url, changed)) == before, steps
    upgrade_with_backfills(settings)

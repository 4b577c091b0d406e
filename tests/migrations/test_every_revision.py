"""What holds for every revision, also for those to come: up, down and up again, with rows that come through intact."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from tests.conftest import settings_for
from tests.migrations.conftest import REVISIONS
from tests.support.database import applied, query, tables
from tests.support.migrator import downgrade, upgrade_with_backfills
from tests.support.processes import ROOT

BASELINES = ROOT / "migrations" / "baselines"
Rows = dict[str, dict[str, Any]]


def rows_of(number: int) -> Rows:
    """One row of each table that the first revision makes, with all that a row needs at any revision."""
    organization, user, member, board, access, tag, task, comment = (UUID(int=number * 100 + n) for n in range(1, 9))
    return {
        "organizations": {"id": organization, "name": "Ærø & Söhne"},
        "users": {
            "id": user,
            "subject": f"someone {number}",
            "email": "a@example.com",
            "active_organization_id": organization,
        },
        "organization_members": {
            "id": member,
            "organization_id": organization,
            "user_id": user,
            "role": "owner",
        },
        "boards": {
            "id": board,
            "organization_id": organization,
            "name": "b",
            "slug": "b",
            "description": "d",
            "success_metrics": '{"a": [1, null, "ü"]}',
            "target_date": "2026-02-28T23:59:59.999999+00:00",
        },
        "board_access": {
            "id": access,
            "organization_id": organization,
            "organization_member_id": member,
            "board_id": board,
        },
        "tags": {"id": tag, "organization_id": organization, "name": "t", "slug": "t"},
        "tasks": {
            "id": task,
            "organization_id": organization,
            "board_id": board,
            "title": "one",
            "priority": "high",
            "status": "review",
        },
        "task_comments": {"id": comment, "organization_id": organization, "task_id": task, "message": "hello"},
        "task_tags": {"organization_id": organization, "task_id": task, "tag_id": tag},
    }


def store(url: str, rows: Rows) -> Rows:
    """Store the rows without the columns that are not there yet, and return what was stored."""
    columns = set(query(url, "SELECT table_name::text, column_name::text FROM information_schema.columns"))
    there = {
        table: {name: value for name, value in row.items() if (table, name) in columns} for table, row in rows.items()
    }
    # In one query, which is one connection.
    inserts = [f"INSERT INTO {table} ({', '.join(row)}) VALUES {literals(row)}" for table, row in there.items()]
    query(url, "; ".join(inserts).replace(":", r"\:"))
    return there


def literals(row: dict[str, Any]) -> str:
    return "(" + ", ".join(f"'{value}'" for value in row.values()) + ")"


def stored(url: str, rows: Rows) -> dict[Any, Any]:
    """The whole of each row, by its table."""
    selects = []
    for table, row in rows.items():
        key = " AND ".join(f"{name} = '{value}'" for name, value in row.items() if isinstance(value, UUID))
        selects.append(f"SELECT '{table}', to_jsonb(t) FROM {table} AS t WHERE {key}")
    return dict(query(url, " UNION ALL ".join(selects)))


def test_every_revision_goes_up_down_and_up_and_keeps_the_rows(
    empty_database_url: str, dump_schema: Callable[[str], str]
) -> None:
    """Up and down step by step, with rows stored at each revision, and then up and down all the way at once."""
    url, settings = empty_database_url, settings_for(empty_database_url)
    before: dict[str, tuple[Rows, dict[Any, Any]]] = {}
    schemas: dict[str, str] = {}
    for number, revision in enumerate(REVISIONS):
        upgrade_with_backfills(settings, revision)
        assert applied(url) == [revision]
        rows = store(url, rows_of(number))
        before[revision] = rows, stored(url, rows)
        assert set(before[revision][1]) == set(rows), revision
        validate(url)
        schemas[revision] = dump_schema(url)
    come_to_head(url, before)
    for revision in REVISIONS[-2::-1]:
        downgrade(settings, revision, accept_data_loss=True)
        validate(url)
        assert dump_schema(url) == schemas[revision], revision
        rows, then = before[revision]
        assert stored(url, rows) == then, revision
    upgrade_with_backfills(settings)
    assert dump_schema(url) == schemas[REVISIONS[-1]]
    come_to_head(url, before)
    downgrade(settings, "base", accept_data_loss=True)
    assert tables(url) == {"alembic_version", "schema_history", "schema_backfills"}


def test_baseline_makes_what_the_revisions_make_and_they_revert_it(
    empty_database_url: str, database_url: str, dump_schema: Callable[[str], str]
) -> None:
    """A new database, one in the middle, one at the baseline's revision, and the way back along the revisions."""
    settings = settings_for(empty_database_url)
    (file,) = BASELINES.glob("*.py")
    last = file.name.removesuffix("_baseline.py")
    for revision in (REVISIONS[0], REVISIONS[len(REVISIONS) // 2], last, REVISIONS[-1]):
        upgrade_with_backfills(settings, revision)
    direction = "SELECT DISTINCT direction FROM schema_history WHERE revision = :last"
    assert query(empty_database_url, direction, last=last) == [("upgrade",)]
    assert set(query(database_url, direction, last=last)) == {("upgrade",), ("stamp",)}
    assert applied(database_url) == applied(empty_database_url)
    assert dump_schema(database_url) == dump_schema(empty_database_url)
    for url in (database_url, empty_database_url):
        downgrade(settings_for(url), REVISIONS[0], accept_data_loss=True)
    assert dump_schema(database_url) == dump_schema(empty_database_url)


def validate(url: str) -> None:
    """Validate every constraint: a downgrade leaves them valid, or makes them anew without reading the rows."""
    unread = (
        "SELECT conrelid::regclass::text, conname::text FROM pg_constraint WHERE NOT convalidated AND coninhcount = 0"
    )
    for table, name in query(url, unread):
        query(url, f"ALTER TABLE {table} VALIDATE CONSTRAINT {name}")


def come_to_head(url: str, before: dict[str, tuple[Rows, dict[Any, Any]]]) -> None:
    """Check that the rows have the values that they had at their revision."""
    for revision, (rows, then) in before.items():
        now = stored(url, rows)
        assert {table: {name: now[table][name] for name in row} for table, row in then.items()} == then, revision

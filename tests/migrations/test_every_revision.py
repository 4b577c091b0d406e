"""What holds for every revision, also for those to come: up, down and up again, with rows that come through intact."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from tests.conftest import settings_for
from tests.migrations.conftest import REVISIONS, applied, query, tables
from tests.support.migrator import downgrade, upgrade

Rows = dict[str, dict[str, Any]]


def rows_of(number: int) -> Rows:
    """One row of each table that the first revision makes; its columns are all that a row needs at any revision."""
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
        "board_access": {"id": access, "organization_member_id": member, "board_id": board},
        "tags": {"id": tag, "organization_id": organization, "name": "t", "slug": "t"},
        "tasks": {"id": task, "board_id": board, "title": "one", "priority": "high", "status": "review"},
        "task_comments": {"id": comment, "task_id": task, "message": "hello"},
        "task_tags": {"task_id": task, "tag_id": tag},
    }


def store(url: str, rows: Rows) -> None:
    for table, row in rows.items():
        names, values = ", ".join(row), ", ".join(f":{name}" for name in row)
        query(url, f"INSERT INTO {table} ({names}) VALUES ({values})", **row)


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
    """Step by step, with rows stored at each revision, and then all the way at once."""
    url, settings = empty_database_url, settings_for(empty_database_url)
    before: dict[str, tuple[Rows, dict[Any, Any]]] = {}
    previous, schema = "base", ""
    for number, revision in enumerate(REVISIONS):
        upgrade(settings, revision)
        assert applied(url) == [revision]
        upgraded = dump_schema(url)
        rows = rows_of(number)
        store(url, rows)
        downgrade(settings, previous, accept_data_loss=True)
        if previous == "base":
            assert tables(url) == {"alembic_version", "schema_history"}
        else:
            # Of the upgrade before it, too, that it is the same the second time.
            assert dump_schema(url) == schema, revision
            rows_there, then = before[previous]
            assert stored(url, rows_there) == then, revision
        upgrade(settings, revision)
        if previous == "base":
            store(url, rows)
        before[revision] = rows, stored(url, rows)
        assert set(before[revision][1]) == set(rows), revision
        previous, schema = revision, upgraded
    assert dump_schema(url) == schema
    come_to_head(url, before)
    downgrade(settings, REVISIONS[0], accept_data_loss=True)
    rows, then = before[REVISIONS[0]]
    assert stored(url, rows) == then
    upgrade(settings)
    assert dump_schema(url) == schema
    come_to_head(url, before)


def come_to_head(url: str, before: dict[str, tuple[Rows, dict[Any, Any]]]) -> None:
    """What the rows had at their revision, they have now."""
    for revision, (rows, then) in before.items():
        now = stored(url, rows)
        assert {table: {name: now[table][name] for name in row} for table, row in then.items()} == then, revision

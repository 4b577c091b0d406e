"""A database that tests share is emptied of rows, and every other change of it is found."""

import pytest

from tests.support.database import holding, insert, query
from tests.support.shared_database import SharedDatabase


def test_rows_are_deleted_and_those_of_the_migrations_stay(own_database_url: str) -> None:
    shared = SharedDatabase(own_database_url)
    before = query(own_database_url, "TABLE schema_history")
    organization = insert(own_database_url, "organizations", name="Walked")
    insert(own_database_url, "boards", organization_id=organization, name="b", slug="b", description="")
    query(
        own_database_url,
        "INSERT INTO activity_events (id, organization_id, event_type, created_at) VALUES "
        "(gen_random_uuid(), :id, 'board.created', '2020-01-01')",
        id=organization,
    )
    assert shared.emptied()
    for table in ("organizations", "boards", "activity_events"):
        assert query(own_database_url, f"TABLE {table}") == []
    assert before
    assert query(own_database_url, "TABLE schema_history") == before
    shared.close()


def test_every_other_change_is_found(own_database_url: str) -> None:
    unseen: list[str] = []
    for change in (
        "CREATE TABLE made (id int)",
        "ALTER TABLE tags ADD made int",
        "ALTER TABLE tags ALTER name SET DEFAULT ''",
        "ALTER TABLE tags RENAME TO labels",
        "ALTER TABLE tasks DISABLE TRIGGER count_added",
        "CREATE INDEX made_index ON tasks (title)",
        "DROP INDEX made_index",
        "CREATE FUNCTION made() RETURNS int LANGUAGE sql RETURN 1",
        "DROP TABLE task_tags",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = 128', current_database()); END $$",
        "UPDATE alembic_version SET version_num = version_num",
        "DELETE FROM schema_history",
    ):
        shared = SharedDatabase(own_database_url)
        assert shared.emptied()
        query(own_database_url, change)
        unseen += [change] if shared.emptied() else []
        shared.close()
    assert unseen == []


def test_session_that_keeps_a_lock_is_not_waited_for(own_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.shared_database._WAIT_MS", 1)
    shared = SharedDatabase(own_database_url)
    with holding(own_database_url, "LOCK TABLE tags"):
        assert not shared.emptied()
    shared.close()

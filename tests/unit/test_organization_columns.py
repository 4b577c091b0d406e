"""Whose each row is: what a database that places an organization whole would have to know.

A new table carries `organization_id`, and what is unique in it, and what it is searched by, begins with that or with
what is of one organization; or it stands here with the reason. migrations/docs/schema.md says what is ready and
what is not.
"""

from collections.abc import Iterator

import pytest
from sqlalchemy import Index, Table, UniqueConstraint

from app.models import metadata
from tests.support.organization_columns import CARRYING, ORGANIZATION

# Table -> why it is of no single organization.
OF_NONE = {
    "organizations": "its id is the organization",
    "users": "a person may be a member of several",
    "personal_tokens": "of a person, in all organizations",
    "idempotent_responses": "kept for a caller, for a day",
    "rate_limits": "counted by address, before anybody is known",
}
# Table -> the column through which its rows are of one organization: they go with that row, which is why there is no
# foreign key to the organization itself.
OF_ITS_PARENT = {
    "approval_tasks": "approval_id",
    "board_access": "organization_member_id",
    "board_group_memory": "board_group_id",
    "board_memory": "board_id",
    "board_webhook_payloads": "webhook_id",
    "board_webhooks": "board_id",
    "custom_field_boards": "board_id",
    "custom_field_values": "task_id",
    "invite_board_access": "organization_invite_id",
    "task_comments": "task_id",
    "task_dependencies": "task_id",
    "task_tags": "task_id",
    "tasks": "board_id",
}
# Carry it, NOT NULL, without a foreign key, and why.
WITHOUT_KEY = {"task_counts": "written at each change of a task, which would lock the organization and the board"}
_CASCADE = "for the ON DELETE of what it refers to by id alone"
_NO_UUIDS = "GIN has no order of columns, and uuid no operator class for it"
# Index or unique constraint -> why it begins neither with it nor with the id of what is of one organization, with which
# it would only be longer. Primary keys: see below.
BEGINS_OTHERWISE = {
    "ix_activity_events_board_id_created_at_id": "a board's id, which outlives the board here",
    "uq_agents_token_hash": "an agent is known by its token before its organization is",
    "ix_boards_search": _NO_UUIDS,
    "ix_organization_invites_accepted_by_user_id": _CASCADE,
    "ix_organization_invites_created_by_user_id": _CASCADE,
    "ix_organization_members_user_id": "the organizations of one person",
    "ix_task_comments_author_user_id": _CASCADE,
    "ix_tasks_created_by_user_id": _CASCADE,
    "ix_tasks_search": _NO_UUIDS,
}
_NAMES = {table.name for table in CARRYING}


def refers_to(table: Table, column: str) -> str | None:
    return next((key.column.table.name for key in table.columns[column].foreign_keys), None)


def test_every_table_carries_its_organization_or_says_why_not() -> None:
    assert _NAMES | OF_NONE.keys() == metadata.tables.keys()
    assert len(_NAMES) + len(OF_NONE) == len(metadata.tables)


@pytest.mark.parametrize("table", CARRYING, ids=str)
def test_row_is_of_one_organization_for_ever(table: Table) -> None:
    parent = OF_ITS_PARENT.get(table.name)
    assert not table.columns[ORGANIZATION].nullable
    if table.name in WITHOUT_KEY:
        assert next(iter(table.primary_key.columns)).name == ORGANIZATION
        assert not table.foreign_keys
    elif parent is None:
        assert refers_to(table, ORGANIZATION) == "organizations"
    else:
        assert not table.columns[parent].nullable, "or there would be rows of nobody"
        assert refers_to(table, parent) in _NAMES


def searched_by(table: Table) -> Iterator[tuple[str, str]]:
    """Each index and unique constraint, with the column that it begins with."""
    for found in (*table.indexes, *table.constraints):
        if isinstance(found, Index):
            yield str(found.name), getattr(found.expressions[0], "name", "")
        elif isinstance(found, UniqueConstraint):
            yield str(found.name), next(iter(found.columns)).name


def is_of_one(table: Table, column: str) -> bool:
    return column == ORGANIZATION or (column in table.columns and refers_to(table, column) in _NAMES)


def test_what_it_is_searched_by_begins_with_what_is_of_one_organization_or_says_why_not() -> None:
    otherwise = {name for table in CARRYING for name, first in searched_by(table) if not is_of_one(table, first)}
    assert otherwise == BEGINS_OTHERWISE.keys()


def test_primary_keys_are_ids_that_are_unique_everywhere_or_pairs_of_such() -> None:
    """Made without a sequence, so that none has to be kept for all nodes."""
    for table in metadata.sorted_tables:
        for column in table.primary_key.columns:
            assert column.autoincrement is not True
            assert column.server_default is None or column.name == "created_at"
            assert column.type.python_type is not int

"""Whose each row is: what a database that places an organization whole would have to know.

A new table carries `organization_id`, and what is unique in it, and what it is searched by, begins with that; or it
stands here with the reason. migrations/README.md says what is ready and what is not.
"""

from collections.abc import Iterator

import pytest
from sqlalchemy import Index, Table, UniqueConstraint

from app.models import metadata

ORGANIZATION = "organization_id"
# Table -> why it is of no single organization.
OF_NONE = {
    "organizations": "its id is the organization",
    "users": "a person may be a member of several",
    "personal_tokens": "of a person, in all organizations",
    "idempotent_responses": "kept for a caller, for a day",
    "rate_limits": "counted by address, before anybody is known",
}
# Table -> the column through which its organization is found as yet: its rows go with that row.
NOT_YET = {
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
_OF_A_BOARD = "a board is of one organization: it would only be longer"
_CASCADE = "for the ON DELETE of what it refers to by id alone"
# Of the tables that carry it: index or unique constraint -> why it does not begin with it. Primary keys: see below.
BEGINS_OTHERWISE = {
    "ix_activity_events_board_id_created_at_id": _OF_A_BOARD,
    "ix_agents_board_id_created_at_id": _OF_A_BOARD,
    "uq_agents_board_id_lead": _OF_A_BOARD,
    "uq_agents_token_hash": "an agent is known by its token before its organization is",
    "ix_approvals_agent_id": _CASCADE,
    "ix_approvals_board_id_created_at_id": _OF_A_BOARD,
    "ix_boards_board_group_id": _CASCADE,
    "ix_boards_search": "GIN has no order of columns, and uuid no operator class for it",
    "ix_organization_invites_accepted_by_user_id": _CASCADE,
    "ix_organization_invites_created_by_user_id": _CASCADE,
    "ix_organization_members_user_id": "the organizations of one person",
}
CARRYING = [table for table in metadata.sorted_tables if ORGANIZATION in table.columns]


def refers_to(table: Table, column: str) -> Table:
    (key,) = table.columns[column].foreign_keys
    return key.column.table


def test_every_table_carries_its_organization_or_says_why_not() -> None:
    assert {table.name for table in CARRYING} | OF_NONE.keys() | NOT_YET.keys() == metadata.tables.keys()
    assert len(CARRYING) + len(OF_NONE) + len(NOT_YET) == len(metadata.tables)
    for table in CARRYING:
        assert not table.columns[ORGANIZATION].nullable, table.name
        assert refers_to(table, ORGANIZATION).name == "organizations"


@pytest.mark.parametrize("name", NOT_YET)
def test_row_that_does_not_carry_it_is_of_one_organization_for_ever(name: str) -> None:
    table, ways = metadata.tables[name], set()
    while table.name not in {carrying.name for carrying in CARRYING}:
        column = NOT_YET[table.name]
        assert not table.columns[column].nullable, "or there would be rows of nobody"
        assert table.name not in ways
        ways.add(table.name)
        table = refers_to(table, column)


def searched_by(table: Table) -> Iterator[tuple[str, str | None]]:
    """Each index and unique constraint, with the column that it begins with."""
    for found in (*table.indexes, *table.constraints):
        if isinstance(found, Index):
            yield str(found.name), getattr(found.expressions[0], "name", None)
        elif isinstance(found, UniqueConstraint):
            name = found.name or ""
            yield str(name), next(iter(found.columns)).name


def test_what_it_is_searched_by_begins_with_the_organization_or_says_why_not() -> None:
    otherwise = {name for table in CARRYING for name, first in searched_by(table) if first != ORGANIZATION}
    assert otherwise == BEGINS_OTHERWISE.keys()


def test_primary_keys_are_ids_that_are_unique_everywhere_or_pairs_of_such() -> None:
    """Made without a sequence, so that none has to be kept for all nodes."""
    for table in metadata.sorted_tables:
        for column in table.primary_key.columns:
            assert column.autoincrement is not True
            assert column.server_default is None or column.name == "created_at"
            assert column.type.python_type is not int

"""The locks of rows: which rows a method holds, how strongly, and in which order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import NamedTuple
from uuid import UUID, uuid4

import pytest
from litestar import Litestar
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.plugin import DatabasePlugin
from app.models import Tag
from app.repositories.access import AccessScope
from app.repositories.agents import AgentRepository
from app.repositories.base import lock_row
from app.repositories.boards import BoardRepository
from app.repositories.custom_fields import CustomFieldValueRepository
from app.repositories.organizations import OrganizationRepository
from app.repositories.tags import TagRepository
from app.repositories.tasks import TaskRepository
from app.repositories.users import UserRepository
from app.repositories.webhooks import WebhookRepository
from tests.support.database import holding, insert, query

# Each refuses one more of the others than the one before it, itself the last but UPDATE.
_STRENGTHS = ("KEY SHARE", "SHARE", "NO KEY UPDATE", "UPDATE")


class Rows(NamedTuple):
    """The ids of a user, of the group of the first board, and of two rows of each other table, on a board each."""

    user: UUID
    organizations: list[UUID]
    boards: list[UUID]
    tasks: list[UUID]
    tags: list[UUID]
    webhooks: list[UUID]
    fields: list[UUID]
    group: UUID
    agents: list[UUID]


@pytest.fixture
def rows(database_url: str) -> Rows:
    """The user owns the first organization, which has the rest, and is a member of the second, another's."""
    url = database_url
    user = insert(url, "users", subject="owner")
    another = insert(url, "users", subject="another")
    organizations = [insert(url, "organizations", name=name) for name in "ab"]
    of_first = {"organization_id": organizations[0]}
    for organization, role in zip(organizations, ("owner", "member"), strict=True):
        insert(url, "organization_members", organization_id=organization, user_id=user, role=role)
    insert(url, "organization_members", organization_id=organizations[1], user_id=another, role="owner")
    groups = [insert(url, "board_groups", **of_first, name=slug, slug=slug) for slug in "ab"]
    boards = [
        insert(url, "boards", **of_first, board_group_id=group, name=slug, slug=slug, description="")
        for slug, group in zip("ab", groups, strict=True)
    ]
    fields = [insert(url, "custom_fields", **of_first, field_key=key, label=key, field_type="text") for key in "ab"]
    for board, field in zip(boards, fields, strict=True):
        place = "(organization_id, board_id, custom_field_id) VALUES (:organization, :board, :field)"
        query(url, f"INSERT INTO custom_field_boards {place}", organization=organizations[0], board=board, field=field)
    return Rows(
        user,
        organizations,
        boards,
        [insert(url, "tasks", **of_first, board_id=board, title="t") for board in boards],
        [insert(url, "tags", **of_first, name=slug, slug=slug) for slug in "ab"],
        [insert(url, "board_webhooks", **of_first, board_id=board, description="") for board in boards],
        fields,
        groups[0],
        [
            insert(url, "agents", **of_first, board_id=board, name=slug, token_hash=slug.encode())
            for slug, board in zip("ab", boards, strict=True)
        ],
    )


@pytest.fixture
async def session(app: Litestar) -> AsyncIterator[AsyncSession]:
    async with app.plugins.get(DatabasePlugin).sessions() as session:
        yield session


def locked(url: str, table: str, key: str = "id") -> dict[UUID, str]:
    """Return the rows of the table that somebody holds, with the strength of the lock."""
    every = {row: 0 for (row,) in query(url, f"SELECT {key} FROM {table}")}
    for strength in _STRENGTHS:
        free = {row for (row,) in query(url, f"SELECT {key} FROM {table} FOR {strength} SKIP LOCKED")}
        every = {row: refused + (row not in free) for row, refused in every.items()}
    return {row: _STRENGTHS[refused - 1] for row, refused in every.items() if refused}


async def lock_agents(session: AsyncSession, rows: Rows) -> list[UUID]:
    """Lock the agents of the group's boards."""
    access = AccessScope(rows.organizations[0], reads_all=True)
    locked = await AgentRepository(session=session).lock_of_group(access, rows.group, with_leads=True)
    return [agent.id for agent, _ in locked]


async def test_lock_holds_its_rows_alone_and_as_weakly_as_it_may(
    session: AsyncSession, rows: Rows, database_url: str
) -> None:
    """NO KEY UPDATE lets others add what refers to the row; KEY SHARE lets them change it, and not delete it."""
    boards, tasks = BoardRepository(session=session), TaskRepository(session=session)
    (board, _), (task, _), (tag, _), (webhook, _) = rows.boards, rows.tasks, rows.tags, rows.webhooks
    organization = rows.organizations[0]
    cases: list[tuple[Awaitable[object], str, dict[UUID, str]]] = [
        (TagRepository(session=session).lock(id=tag), "tags", {tag: "NO KEY UPDATE"}),
        (lock_row(session, Tag, tag), "tags", {tag: "NO KEY UPDATE"}),
        (boards.lock_row(board), "boards", {board: "NO KEY UPDATE"}),
        (boards.lock_existing_ids(organization, [board]), "boards", {board: "KEY SHARE"}),
        (boards.lock_existing_ids(rows.organizations[1], [board]), "boards", {}),
        (tasks.lock_view(board, task), "tasks", {task: "NO KEY UPDATE"}),
        (tasks.lock_row_against_deletion(board, task), "tasks", {task: "KEY SHARE"}),
        (UserRepository(session=session).lock_whole(rows.user), "users", {rows.user: "UPDATE"}),
        (WebhookRepository(session=session).lock_receiver(board, webhook), "board_webhooks", {webhook: "KEY SHARE"}),
        (CustomFieldValueRepository(session=session).lock_fields(board), "custom_fields", {rows.fields[0]: "SHARE"}),
        (
            OrganizationRepository(session=session).lock_owned_by(rows.user),
            "organizations",
            {organization: "NO KEY UPDATE"},
        ),
        (lock_agents(session, rows), "agents", {rows.agents[0]: "NO KEY UPDATE"}),
    ]
    for lock, table, expected in cases:
        await lock
        assert locked(database_url, table) == expected, lock
        await session.rollback()


async def test_fields_stay_on_their_board_and_what_is_only_read_beside_is_free(
    session: AsyncSession, rows: Rows, database_url: str
) -> None:
    await CustomFieldValueRepository(session=session).lock_fields(rows.boards[0])
    await OrganizationRepository(session=session).lock_owned_by(rows.user)
    await lock_agents(session, rows)
    assert locked(database_url, "custom_field_boards", "board_id") == {rows.boards[0]: "SHARE"}
    assert locked(database_url, "organization_members") == locked(database_url, "boards") == {}


async def test_many_rows_are_locked_in_one_order(session: AsyncSession, rows: Rows, database_url: str) -> None:
    """Otherwise two who lock the same ones at once would wait for each other."""
    url, user, (organization, other) = database_url, rows.user, sorted(rows.organizations)
    query(url, "DELETE FROM agents")
    query(url, "UPDATE organization_members SET role = 'owner'")
    agent, other_agent = sorted(uuid4() for _ in range(2))
    # The table has them in the other order.
    for id_ in (other_agent, agent):
        place = {"organization_id": rows.organizations[0], "board_id": rows.boards[0]}
        insert(url, "agents", id=id_, **place, name="", token_hash=id_.bytes)
    query(url, "UPDATE organizations SET name = '' WHERE id = :first", first=organization)
    for lock, table, first, last in (
        (lambda: OrganizationRepository(session=session).lock_owned_by(user), "organizations", organization, other),
        (lambda: lock_agents(session, rows), "agents", agent, other_agent),
    ):
        with holding(url, f"SELECT FROM {table} WHERE id = :id FOR UPDATE", id=first) as wait:
            locking = asyncio.create_task(lock())
            await asyncio.to_thread(wait, 1)
            assert set(locked(url, table)) == {first}
        assert await locking == [first, last]
        await session.rollback()

"""People, organizations and boards that the tests of the API start from."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.migrations.conftest import query


@pytest.fixture
async def me(client: httpx.AsyncClient) -> dict[str, Any]:
    """The signed-in user, who owns the organization Personal."""
    return (await client.get("/api/v1/users/me")).json()


@pytest.fixture
async def board(client: httpx.AsyncClient) -> dict[str, Any]:
    response = await client.post("/api/v1/boards", json={"name": "Deck", "slug": "deck", "description": "The work"})
    assert response.status_code == 201, response.text
    return response.json()


@pytest.fixture
async def tasks_url(board: dict[str, Any]) -> str:
    return f"/api/v1/boards/{board['id']}/tasks"


class Stranger:
    """Another organization, with a board, a task and a tag, of which the signed-in user is no member."""

    def __init__(self, url: str) -> None:
        self.organization, self.board, self.task, self.tag, self.user, self.member = (uuid4() for _ in range(6))
        insert = "INSERT INTO {} VALUES {}".format
        rows = [
            insert("organizations (id, name)", "(:organization, 'Strangers')"),
            insert("users (id, subject)", "(:user, 'stranger')"),
            insert(
                "organization_members (id, organization_id, user_id, role)", "(:member, :organization, :user, 'owner')"
            ),
            insert("boards (id, organization_id, name, slug, description)", "(:board, :organization, 'b', 'b', '')"),
            insert("tasks (id, board_id, title)", "(:task, :board, 'secret')"),
            insert("tags (id, organization_id, name, slug)", "(:tag, :organization, 't', 't')"),
        ]
        for row in rows:
            query(url, row, **{k: v for k, v in vars(self).items() if isinstance(v, UUID) and f":{k}" in row})


@pytest.fixture
def stranger(client: httpx.AsyncClient, database_url: str) -> Stranger:
    return Stranger(database_url)

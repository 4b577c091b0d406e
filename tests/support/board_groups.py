"""What several tests need of board groups."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.integration.conftest import Stranger
from tests.migrations.conftest import query
from tests.support.boards import BOARDS

GROUPS = "/api/v1/board-groups"


@pytest.fixture
async def group(client: httpx.AsyncClient) -> dict[str, Any]:
    response = await client.post(GROUPS, json={"name": "Fleet", "slug": "fleet"})
    assert response.status_code == 201, response.text
    return response.json()


@pytest.fixture
async def grouped(client: httpx.AsyncClient, board: dict[str, Any], group: dict[str, Any]) -> dict[str, Any]:
    """The board, in the group."""
    response = await client.patch(f"{BOARDS}/{board['id']}", json={"board_group_id": group["id"]})
    assert response.status_code == 200, response.text
    return response.json()


@pytest.fixture
def foreign_group(stranger: Stranger, database_url: str) -> UUID:
    """A group of another organization, with that one's board in it."""
    group_id = uuid4()
    insert = "INSERT INTO board_groups (id, organization_id, name, slug) VALUES (:id, :organization, 'g', 'g')"
    query(database_url, insert, id=group_id, organization=stranger.organization)
    query(database_url, "UPDATE boards SET board_group_id = :id WHERE id = :board", id=group_id, board=stranger.board)
    return group_id

"""Users: their profile, and what goes with them when they leave."""

from typing import Any

import httpx
import pytest

from tests.integration.conftest import Stranger
from tests.support.database import insert, query


async def test_user_changes_his_profile(client: httpx.AsyncClient, me: dict[str, Any]) -> None:
    changed = (await client.patch("/api/v1/users/me", json={"timezone": "Europe/Berlin", "name": None})).json()
    assert (changed["timezone"], changed["name"], changed["id"]) == ("Europe/Berlin", None, me["id"])
    assert (await client.get("/api/v1/users/me")).json() == changed
    assert (await client.patch("/api/v1/users/me", json={"is_super_admin": True})).status_code == 400


async def test_deleted_user_takes_along_what_was_his_alone(
    client: httpx.AsyncClient, board: dict[str, Any], database_url: str
) -> None:
    assert (await client.delete("/api/v1/users/me")).status_code == 204
    counts = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM organizations), (SELECT count(*) FROM boards)"
    assert query(database_url, counts) == [(0, 0, 0)]
    assert (await client.get("/api/v1/users/me")).status_code == 200, "the local token makes its user again"


@pytest.mark.parametrize(("other_role", "status"), [("member", 409), ("admin", 409), ("owner", 204)])
async def test_last_owner_cannot_leave_the_others_behind(
    client: httpx.AsyncClient, me: dict[str, Any], stranger: Stranger, database_url: str, other_role: str, status: int
) -> None:
    organization = (await client.get("/api/v1/organizations/me")).json()["id"]
    insert(database_url, "organization_members", organization_id=organization, user_id=stranger.user, role=other_role)
    response = await client.delete("/api/v1/users/me")
    assert response.status_code == status
    assert query(database_url, "SELECT id FROM organizations WHERE id = :id", id=organization) != []
    if status == 409:
        assert response.json()["code"] == "last_owner"
        assert (await client.get("/api/v1/users/me")).json() == me

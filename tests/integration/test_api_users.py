"""Users: their profile, and what goes with them when they leave."""

from typing import Any

import httpx
import pytest

from tests.integration.conftest import SignIn, Stranger
from tests.support.api import ME, register
from tests.support.database import insert, query

BOOTSTRAP = "/api/v1/auth/bootstrap"


async def test_user_changes_his_profile(client: httpx.AsyncClient, me: dict[str, Any], database_url: str) -> None:
    insert(database_url, "users", subject="another")
    changed = (await client.patch("/api/v1/users/me", json={"timezone": "Europe/Berlin", "name": None})).json()
    assert (changed["timezone"], changed["name"], changed["id"]) == ("Europe/Berlin", None, me["id"])
    assert (await client.get("/api/v1/users/me")).json() == changed
    assert (await client.patch("/api/v1/users/me", json={"is_super_admin": True})).status_code == 400


async def test_bootstrap_makes_the_user_and_then_reads_them(
    client: httpx.AsyncClient, board: dict[str, Any], signed_in: SignIn, database_url: str
) -> None:
    agent = await signed_in(await register(client, board))
    refused = await agent.post(BOOTSTRAP)
    assert (refused.status_code, refused.json()["code"]) == (403, "people_only")
    assert (await client.delete(ME)).status_code == 204
    first, second = await client.post(BOOTSTRAP), await client.post(BOOTSTRAP)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json() == (await client.get(ME)).json()
    assert query(database_url, "SELECT name FROM organizations") == [("Personal",)]


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

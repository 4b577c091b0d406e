"""Organizations: which one is active, who reads it, and what is said without one."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.conftest import Stranger
from tests.support.boards import grant
from tests.support.database import query

ORGANIZATIONS = "/api/v1/organizations"


@pytest.mark.usefixtures("me", "stranger")
async def test_created_organization_becomes_the_active_one(client: httpx.AsyncClient, database_url: str) -> None:
    response = await client.post(ORGANIZATIONS, json={"name": "  Second  "})
    assert response.status_code == 201
    created = response.json()
    assert created["name"] == "Second"
    assert (await client.get(response.headers["location"])).json() == created
    listed = (await client.get(f"{ORGANIZATIONS}/me/list")).json()
    assert [(item["name"], item["role"], item["is_active"]) for item in listed] == [
        ("Personal", "owner", False),
        ("Second", "owner", True),
    ]
    active = "SELECT count(*) FROM users WHERE active_organization_id = :id"
    assert query(database_url, active, id=created["id"]) == [(1,)], "of nobody else"
    query(database_url, "UPDATE organizations SET created_at = created_at - interval '1 day' WHERE name = 'Second'")
    listed = (await client.get(f"{ORGANIZATIONS}/me/list")).json()
    assert [item["name"] for item in listed] == ["Second", "Personal"], "oldest first"


async def test_switching_shows_the_other_organizations_boards(client: httpx.AsyncClient, board: dict[str, Any]) -> None:
    await client.post(ORGANIZATIONS, json={"name": "Second"})
    assert (await client.get("/api/v1/boards")).json()["items"] == []
    assert (await client.get(f"/api/v1/boards/{board['id']}")).status_code == 404, "of an organization not active"
    back = await client.patch(f"{ORGANIZATIONS}/me/active", json={"organization_id": board["organization_id"]})
    assert (back.status_code, back.json()["name"]) == (200, "Personal")
    assert (await client.get(f"/api/v1/boards/{board['id']}")).status_code == 200


async def test_nobody_switches_to_or_reads_a_strangers_organization(
    client: httpx.AsyncClient, stranger: Stranger
) -> None:
    for organization in (stranger.organization, uuid4()):
        response = await client.patch(f"{ORGANIZATIONS}/me/active", json={"organization_id": str(organization)})
        assert response.status_code == 404
    assert (await client.get(f"{ORGANIZATIONS}/me/members/{stranger.member}")).status_code == 404
    assert "Strangers" not in (await client.get(f"{ORGANIZATIONS}/me/list")).text


async def test_without_an_active_organization_the_answer_says_what_to_do(
    client: httpx.AsyncClient, me: dict[str, Any], database_url: str
) -> None:
    query(database_url, "UPDATE users SET active_organization_id = NULL")
    for path in (f"{ORGANIZATIONS}/me", "/api/v1/boards", "/api/v1/tags"):
        response = await client.get(path)
        assert (response.status_code, response.json()["code"]) == (404, "no_active_organization")
    assert (await client.get(f"{ORGANIZATIONS}/me/list")).status_code == 200


async def test_members_are_listed_with_their_user_and_access(
    client: httpx.AsyncClient, me: dict[str, Any], board: dict[str, Any], database_url: str
) -> None:
    grant(database_url, board["id"], reads=False, writes=True)
    (member,) = (await client.get(f"{ORGANIZATIONS}/me/members")).json()["items"]
    assert member["user"]["id"] == me["id"]
    assert [(access["board_id"], access["can_write"]) for access in member["board_access"]] == [(board["id"], True)]
    assert (await client.get(f"{ORGANIZATIONS}/me/members/{member['id']}")).json() == member
    assert (await client.get(f"{ORGANIZATIONS}/me/member")).json() == member

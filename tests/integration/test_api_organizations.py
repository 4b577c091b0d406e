"""Organizations: which one is active, who reads it, and which one it is without a choice."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.conftest import Staff, Stranger
from tests.support.boards import grant
from tests.support.database import holding, query

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


async def test_person_without_an_active_organization_acts_in_their_oldest_one(
    client: httpx.AsyncClient, me: dict[str, Any], database_url: str
) -> None:
    second = (await client.post(ORGANIZATIONS, json={"name": "Second"})).json()["id"]
    third = (await client.post(ORGANIZATIONS, json={"name": "Third"})).json()["id"]
    query(database_url, "DELETE FROM organizations WHERE name = 'Personal'")
    assert (await client.get(f"{ORGANIZATIONS}/me")).json()["id"] == third
    assert (await client.delete(f"{ORGANIZATIONS}/me")).status_code == 204
    for path in ("/api/v1/boards", "/api/v1/tags", f"{ORGANIZATIONS}/me/member"):
        assert (await client.get(path)).status_code == 200
    assert (await client.get(f"{ORGANIZATIONS}/me")).json()["id"] == second
    (listed,) = (await client.get(f"{ORGANIZATIONS}/me/list")).json()
    assert (listed["id"], listed["is_active"]) == (second, True)
    made = await client.post("/api/v1/boards", json={"name": "Deck", "slug": "deck", "description": ""})
    assert (made.status_code, made.json()["organization_id"]) == (201, second)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_person_in_no_organization_gets_one_named_personal(
    client: httpx.AsyncClient, staff: Staff, database_url: str, method: str
) -> None:
    staff.hand_over()
    answer = await client.request(method, "/api/v1/tags", json={"name": "Rope"} if method == "POST" else None)
    assert answer.status_code == (201 if method == "POST" else 200)
    mine = (await client.get(f"{ORGANIZATIONS}/me")).json()
    assert (mine["name"], mine["id"] != str(staff.organization)) == ("Personal", True)
    role = (await client.get(f"{ORGANIZATIONS}/me/member")).json()["role"]
    assert (role, query(database_url, "SELECT count(*) FROM organizations")) == ("owner", [(2,)])


async def test_two_requests_at_once_of_a_person_in_no_organization_make_one(
    client: httpx.AsyncClient, staff: Staff, database_url: str
) -> None:
    staff.hand_over()
    with holding(database_url, "SELECT FROM users WHERE id = :id FOR UPDATE", id=staff.my_user) as waiting:
        both = [asyncio.create_task(client.get(f"{ORGANIZATIONS}/me")) for _ in range(2)]
        await asyncio.to_thread(waiting, 2)
    first, second = [answer.json() for answer in await asyncio.gather(*both)]
    assert first == second
    assert query(database_url, "SELECT count(*) FROM organizations") == [(2,)]


async def test_members_are_listed_with_their_user_and_access(
    client: httpx.AsyncClient, me: dict[str, Any], board: dict[str, Any], database_url: str
) -> None:
    grant(database_url, board["id"], reads=False, writes=True)
    (member,) = (await client.get(f"{ORGANIZATIONS}/me/members")).json()["items"]
    assert member["user"]["id"] == me["id"]
    assert [(access["board_id"], access["can_write"]) for access in member["board_access"]] == [(board["id"], True)]
    assert (await client.get(f"{ORGANIZATIONS}/me/members/{member['id']}")).json() == member
    assert (await client.get(f"{ORGANIZATIONS}/me/member")).json() == member

"""Sign-in, users, organizations and tags."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar

from tests.conftest import client_of
from tests.integration.conftest import Stranger
from tests.migrations.conftest import query

ORGANIZATIONS = "/api/v1/organizations"


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic dDo=", "Bearer \xff\xfe", "wrong"],
)
async def test_without_the_right_token_everything_is_401(app: Litestar, header: str | None) -> None:
    wrong = header is not None and header.startswith("Bearer ") and header != "Bearer "
    challenge = 'Bearer error="invalid_token"' if wrong else "Bearer"
    async with client_of(app, token=None) as client:
        headers = [] if header is None else [(b"authorization", header.encode("latin-1"))]
        operations = [("GET", "users/me"), ("POST", "boards"), ("DELETE", f"tags/{uuid4()}")]
        for method, path in ((method, f"/api/v1/{path}") for method, path in operations):
            response = await client.request(method, path, headers=headers, content=b"{no json")
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == challenge
            assert response.headers["content-type"].startswith("application/problem+json")


async def test_bearer_is_read_in_any_case(app: Litestar, settings: Any) -> None:
    async with client_of(app, token=None) as client:
        token = settings.local_auth_token.reveal()
        assert (await client.get("/api/v1/users/me", headers={"Authorization": f"bEARER  {token}"})).status_code == 200


async def test_first_requests_at_once_make_one_user_and_one_organization(
    client: httpx.AsyncClient, database_url: str
) -> None:
    answers = await asyncio.gather(*(client.get("/api/v1/users/me") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert query(database_url, "SELECT name FROM organizations") == [("Personal",)]
    assert query(database_url, "SELECT role FROM organization_members") == [("owner",)]


async def test_user_changes_his_profile(client: httpx.AsyncClient, me: dict[str, Any]) -> None:
    changed = (await client.patch("/api/v1/users/me", json={"timezone": "Europe/Berlin", "name": None})).json()
    assert (changed["timezone"], changed["name"], changed["id"]) == ("Europe/Berlin", None, me["id"])
    assert (await client.get("/api/v1/users/me")).json() == changed
    assert (await client.patch("/api/v1/users/me", json={"is_super_admin": True})).status_code == 400


async def test_created_organization_becomes_the_active_one(client: httpx.AsyncClient, me: dict[str, Any]) -> None:
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
    query(
        database_url,
        "INSERT INTO board_access (id, organization_member_id, board_id, can_write)"
        " SELECT gen_random_uuid(), id, :board, true FROM organization_members",
        board=board["id"],
    )
    (member,) = (await client.get(f"{ORGANIZATIONS}/me/members")).json()["items"]
    assert member["user"]["id"] == me["id"]
    assert [(access["board_id"], access["can_write"]) for access in member["board_access"]] == [(board["id"], True)]
    assert (await client.get(f"{ORGANIZATIONS}/me/members/{member['id']}")).json() == member
    assert (await client.get(f"{ORGANIZATIONS}/me/member")).json() == member


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
    query(
        database_url,
        "INSERT INTO organization_members (id, organization_id, user_id, role)"
        " SELECT gen_random_uuid(), organization_id, :user, :role FROM organization_members WHERE user_id = :me",
        user=stranger.user,
        role=other_role,
        me=me["id"],
    )
    response = await client.delete("/api/v1/users/me")
    assert response.status_code == status
    if status == 409:
        assert response.json()["code"] == "last_owner"
        assert (await client.get("/api/v1/users/me")).json() == me


async def test_tag_gets_a_slug_and_a_plain_colour(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/v1/tags", json={"name": "Straße & Brücke", "color": "#AABBCC"})
    tag = response.json()
    assert (response.status_code, tag["slug"], tag["color"], tag["task_count"]) == (201, "strasse-brucke", "aabbcc", 0)
    assert (await client.get(response.headers["location"])).json() == tag
    assert (await client.post("/api/v1/tags", json={"name": "strasse brucke"})).json()["code"] == "slug_taken"
    assert (await client.post("/api/v1/tags", json={"name": "日本"})).json()["errors"][0]["pointer"] == "/slug"
    for wrong in ("red", "#12345", "12345g"):
        assert (await client.post("/api/v1/tags", json={"name": "x", "color": wrong})).status_code == 400


async def test_tag_counts_its_tasks_and_is_taken_off_when_deleted(client: httpx.AsyncClient, tasks_url: str) -> None:
    tag = (await client.post("/api/v1/tags", json={"name": "Rope"})).json()
    task = (await client.post(tasks_url, json={"title": "t", "tag_ids": [tag["id"]]})).json()
    assert (await client.get("/api/v1/tags")).json()["items"][0]["task_count"] == 1
    changed = await client.patch(f"/api/v1/tags/{tag['id']}", json={"name": "Line", "color": "#FFFFFF"})
    assert (changed.json()["name"], changed.json()["color"], changed.json()["slug"]) == ("Line", "ffffff", "rope")
    assert (await client.delete(f"/api/v1/tags/{tag['id']}")).status_code == 204
    assert (await client.get(f"{tasks_url}/{task['id']}")).json()["tags"] == []


async def test_strangers_tag_is_404(client: httpx.AsyncClient, me: dict[str, Any], stranger: Stranger) -> None:
    for tag_id in (stranger.tag, uuid4()):
        url = f"/api/v1/tags/{tag_id}"
        for response in (await client.get(url), await client.patch(url, json={"name": "n"}), await client.delete(url)):
            assert response.status_code == 404

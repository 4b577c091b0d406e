"""Members: their roles, what they may do on which boards, how they leave, and who may change all that."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.models import Role
from tests.integration.conftest import Staff, Stranger
from tests.support.api import MEMBERS, ORGANIZATION
from tests.support.boards import LOCK_ORGANIZATION
from tests.support.database import holding, query


async def events(client: httpx.AsyncClient) -> list[tuple[str, str | None]]:
    """Return the events of members and the organization, oldest first."""
    items = (await client.get("/api/v1/activity")).json()["items"]
    return [
        (item["event_type"], item["message"])
        for item in reversed(items)
        if item["event_type"].startswith(("member.", "organization."))
    ]


async def change(client: httpx.AsyncClient, member: UUID, role: str | None) -> httpx.Response:
    return await client.patch(f"{MEMBERS}/{member}", json={"role": role})


@pytest.mark.parametrize(
    ("mine", "before", "after", "status"),
    [
        ("owner", "member", "owner", 200),
        ("owner", "owner", "member", 200),
        ("owner", "admin", "member", 200),
        ("admin", "member", "admin", 200),
        ("admin", "admin", "member", 200),
        ("admin", "member", "owner", 403),
        ("admin", "owner", "member", 403),
        ("member", "member", "admin", 403),
        ("member", "admin", "member", 403),
    ],
)
async def test_who_may_change_whose_role(
    client: httpx.AsyncClient, staff: Staff, mine: str, before: str, after: str, status: int
) -> None:
    member = staff.join(before)
    staff.i_am(mine)
    answer = await change(client, member, after)
    assert answer.status_code == status, answer.text
    assert (await client.get(f"{MEMBERS}/{member}")).json()["role"] == (after if status == 200 else before)
    if status == 200:
        assert answer.json() == (await client.get(f"{MEMBERS}/{member}")).json()
        assert await events(client) == [("member.updated", f"{before} → {after}")]
    else:
        assert answer.json()["code"] == "forbidden"
        assert await events(client) == []


@pytest.mark.parametrize(("role", "reads", "writes"), [(r, r != "member", r != "member") for r in Role])
async def test_owner_and_admin_read_that_they_may_use_all_boards(
    client: httpx.AsyncClient, staff: Staff, database_url: str, role: str, reads: bool, writes: bool
) -> None:
    staff.i_am(role)
    mine = (await client.get(f"{ORGANIZATION}/member")).json()
    (listed,) = (await client.get(MEMBERS)).json()["items"]
    assert mine == listed == (await client.get(f"{MEMBERS}/{staff.my_member}")).json()
    assert (mine["all_boards_read"], mine["all_boards_write"]) == (reads, writes)
    stored = "SELECT all_boards_read, all_boards_write FROM organization_members"
    assert query(database_url, stored) == [(False, False)], "what they keep when they are made a member"


@pytest.mark.parametrize("role", ["owner", "admin"])
async def test_nobody_makes_himself_more_than_he_is(client: httpx.AsyncClient, staff: Staff, role: str) -> None:
    staff.i_am("member" if role == "admin" else "admin")
    assert (await change(client, staff.my_member, role)).status_code == 403
    assert "owner" not in staff.roles()


async def test_role_that_is_null_or_not_sent_stays(client: httpx.AsyncClient, staff: Staff) -> None:
    member = staff.join("admin")
    for body in ({}, {"role": None}, {"role": "admin"}):
        answer = await client.patch(f"{MEMBERS}/{member}", json=body)
        assert (answer.status_code, answer.json()["role"]) == (200, "admin")
    assert await events(client) == []
    for body in ({"role": "captain"}, {"role": ""}, {"user_id": str(member)}):
        assert (await client.patch(f"{MEMBERS}/{member}", json=body)).status_code == 400


@pytest.mark.usefixtures("stranger")
async def test_last_owner_is_neither_demoted_nor_removed(client: httpx.AsyncClient, staff: Staff) -> None:
    mate = staff.join("admin")
    listed = (await client.get(MEMBERS)).json()["items"]
    assert [member["id"] for member in listed] == [str(staff.my_member), str(mate)], "oldest first"
    for answer in (
        await change(client, staff.my_member, "admin"),
        await client.delete(f"{MEMBERS}/{staff.my_member}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "last_owner")
    assert staff.roles() == ["admin", "owner"]
    assert (await change(client, mate, "owner")).status_code == 200
    assert (await change(client, staff.my_member, "member")).status_code == 200
    assert (await change(client, staff.my_member, "owner")).status_code == 403, "he is no owner any more"


@pytest.mark.parametrize("way", ["PATCH", "DELETE"])
async def test_owner_stays_when_both_are_demoted_or_removed_at_once(
    client: httpx.AsyncClient, staff: Staff, database_url: str, way: str
) -> None:
    other = staff.join("owner")
    body: dict[str, Any] = {"json": {"role": "member"}} if way == "PATCH" else {}
    with holding(database_url, LOCK_ORGANIZATION, id=staff.organization) as waiting:
        both = [
            asyncio.create_task(client.request(way, f"{MEMBERS}/{member}", **body))
            for member in (other, staff.my_member)
        ]
        await asyncio.to_thread(waiting, 2)
    answers = sorted([answer.status_code for answer in await asyncio.gather(*both)])
    # Where he went first himself, he may not change the other any more.
    assert answers in ([200, 403], [200, 409], [204, 404], [204, 409])
    assert staff.roles().count("owner") == 1


async def test_role_that_was_taken_while_the_request_waited_counts(
    client: httpx.AsyncClient, staff: Staff, database_url: str
) -> None:
    mate = staff.join("member")
    demote = f"UPDATE organization_members SET role = 'member' WHERE id = '{staff.my_member}'"
    with holding(database_url, LOCK_ORGANIZATION, id=staff.organization) as waiting:
        late = [
            asyncio.create_task(request)
            for request in (
                change(client, mate, "admin"),
                client.delete(f"{MEMBERS}/{mate}"),
                client.put(f"{MEMBERS}/{mate}/access", json={"all_boards_read": True}),
                client.delete(ORGANIZATION),
            )
        ]
        await asyncio.to_thread(waiting, 4, demote)
    assert [answer.status_code for answer in await asyncio.gather(*late)] == [403] * 4
    assert staff.roles() == ["member", "member"]


@pytest.mark.parametrize(
    ("mine", "his", "status"),
    [
        ("owner", "owner", 204),
        ("owner", "member", 204),
        ("admin", "admin", 204),
        ("admin", "owner", 403),
        ("member", "member", 403),
    ],
)
async def test_who_may_remove_whom(client: httpx.AsyncClient, staff: Staff, mine: str, his: str, status: int) -> None:
    member = staff.join(his, name="Jonah")
    staff.i_am(mine)
    assert (await client.delete(f"{MEMBERS}/{member}")).status_code == status
    gone = status == 204
    assert (await client.get(f"{MEMBERS}/{member}")).status_code == (404 if gone else 200)
    assert staff.active_organizations() == (1 if gone else 2)
    assert await events(client) == ([("member.removed", "Jonah")] if gone else [])
    if gone:
        assert (await client.delete(f"{MEMBERS}/{member}")).status_code == 404


@pytest.mark.parametrize("role", ["member", "admin", "owner"])
async def test_member_leaves_by_himself_and_sees_nothing_from_then_on(
    client: httpx.AsyncClient, staff: Staff, board: dict[str, Any], database_url: str, role: str
) -> None:
    staff.join("owner")
    staff.i_am(role)
    assert (await client.delete(f"{MEMBERS}/{staff.my_member}")).status_code == 204
    assert (await client.get(f"/api/v1/boards/{board['id']}")).status_code == 404
    for path in ("/api/v1/boards", "/api/v1/activity"):
        assert (await client.get(path)).json()["items"] == []
    assert (await client.get(ORGANIZATION)).json()["id"] != str(staff.organization)
    back = await client.patch(f"{ORGANIZATION}/active", json={"organization_id": str(staff.organization)})
    assert back.status_code == 404
    assert query(database_url, "SELECT subject_id FROM activity_events WHERE event_type = 'member.removed'") == [
        (staff.my_member,)
    ]


async def test_removed_member_keeps_another_active_organization(
    client: httpx.AsyncClient, staff: Staff, stranger: Stranger, database_url: str
) -> None:
    member = staff.join("member")
    query(
        database_url,
        "UPDATE users SET active_organization_id = :other"
        " FROM organization_members AS m WHERE m.user_id = users.id AND m.id = :member",
        other=stranger.organization,
        member=member,
    )
    assert (await client.delete(f"{MEMBERS}/{member}")).status_code == 204
    kept = "SELECT id FROM users WHERE active_organization_id = :id"
    assert len(query(database_url, kept, id=stranger.organization)) == 1


async def test_access_is_replaced_as_a_whole(client: httpx.AsyncClient, staff: Staff, board: dict[str, Any]) -> None:
    other = (await client.post("/api/v1/boards", json={"name": "o", "slug": "other", "description": ""})).json()
    member = staff.join("member", name="Jonah")
    mine = f"{MEMBERS}/{staff.my_member}/access"
    kept = (await client.put(mine, json={"board_access": [{"board_id": board["id"]}]})).json()
    url = f"{MEMBERS}/{member}/access"
    specs = [
        {"board_id": board["id"]},
        {"board_id": other["id"], "can_read": False, "can_write": True},
    ]
    first = await client.put(url, json={"all_boards_read": True, "board_access": specs})
    assert first.status_code == 200, first.text
    assert (first.json()["all_boards_read"], first.json()["all_boards_write"]) == (True, False)
    granted = [(item["board_id"], item["can_read"], item["can_write"]) for item in first.json()["board_access"]]
    assert granted == [(board["id"], True, False), (other["id"], True, True)]
    assert (await client.get(f"{MEMBERS}/{member}")).json() == first.json()
    nothing = {"board_id": board["id"], "can_read": False, "can_write": False}
    second = (await client.put(url, json={"board_access": [nothing]})).json()
    assert (second["all_boards_read"], second["all_boards_write"], second["board_access"]) == (False, False, [])
    assert (await client.get(mine.removesuffix("/access"))).json() == kept, "another's stays"
    assert (await events(client))[1:] == 2 * [("member.access_changed", "Jonah")]


async def test_access_counts_at_once(client: httpx.AsyncClient, staff: Staff, board: dict[str, Any]) -> None:
    """An admin is given a grant, and made a member: he then sees that board, and may do there what it says."""
    staff.join("owner")
    await client.post("/api/v1/boards", json={"name": "o", "slug": "other", "description": ""})
    spec = {"board_id": board["id"]}
    await client.put(f"{MEMBERS}/{staff.my_member}/access", json={"board_access": [spec]})
    assert (await change(client, staff.my_member, "member")).status_code == 200
    assert [item["id"] for item in (await client.get("/api/v1/boards")).json()["items"]] == [board["id"]]
    assert (await client.patch(f"/api/v1/boards/{board['id']}", json={"name": "n"})).status_code == 403
    refused = await client.put(f"{MEMBERS}/{staff.my_member}/access", json={"all_boards_write": True})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_access_names_boards_of_the_organization_each_once(
    client: httpx.AsyncClient, staff: Staff, board: dict[str, Any], stranger: Stranger
) -> None:
    url = f"{MEMBERS}/{staff.join('member')}/access"
    kept = (await client.put(url, json={"board_access": [{"board_id": board["id"]}]})).json()
    for board_id, code in (
        (stranger.board, "unknown_reference"),
        (uuid4(), "unknown_reference"),
        (board["id"], "validation_error"),
    ):
        specs = [{"board_id": board["id"]}, {"board_id": str(board_id)}]
        refused = await client.put(url, json={"all_boards_write": True, "board_access": specs})
        assert (refused.status_code, refused.json()["code"]) == (400, code)
        assert refused.json()["errors"][0]["pointer"] == "/board_access/1/board_id"
    bad: list[dict[str, Any]] = [
        {"board_access": [{}]},
        {"board_access": None},
        {"boards": []},
        {"all_boards_read": None},
    ]
    for body in bad:
        assert (await client.put(url, json=body)).status_code == 400, body
    assert (await client.get(url.removesuffix("/access"))).json() == kept


async def test_access_of_an_owner_is_for_owners_to_change(client: httpx.AsyncClient, staff: Staff) -> None:
    owner = staff.join("owner")
    staff.i_am("admin")
    assert (await client.put(f"{MEMBERS}/{owner}/access", json={})).status_code == 403
    staff.i_am("owner")
    assert (await client.put(f"{MEMBERS}/{owner}/access", json={})).status_code == 200


async def test_grants_that_are_replaced_at_once_are_those_of_one_request(
    client: httpx.AsyncClient, staff: Staff, board: dict[str, Any], database_url: str
) -> None:
    url = f"{MEMBERS}/{staff.join('member')}/access"
    with holding(database_url, LOCK_ORGANIZATION, id=staff.organization) as waiting:
        puts = [
            asyncio.create_task(client.put(url, json={"board_access": [{"board_id": board["id"]}]})) for _ in range(4)
        ]
        await asyncio.to_thread(waiting, 4)
    assert {answer.status_code for answer in await asyncio.gather(*puts)} == {200}
    assert len((await client.get(url.removesuffix("/access"))).json()["board_access"]) == 1


async def test_strangers_member_is_404(client: httpx.AsyncClient, staff: Staff, stranger: Stranger) -> None:
    for member in (stranger.member, uuid4()):
        url = f"{MEMBERS}/{member}"
        for answer in (
            await client.patch(url, json={"role": "owner"}),
            await client.delete(url),
            await client.put(f"{url}/access", json={}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert staff.roles() == ["owner"]


@pytest.mark.parametrize(("role", "status"), [("owner", 204), ("admin", 403), ("member", 403)])
async def test_organization_is_deleted_by_an_owner_with_all_that_it_has(
    client: httpx.AsyncClient,
    staff: Staff,
    tasks_url: str,
    stranger: Stranger,
    database_url: str,
    role: str,
    status: int,
) -> None:
    await client.post(tasks_url, json={"title": "Splice"})
    staff.join("owner")
    staff.i_am(role)
    assert (await client.delete(ORGANIZATION)).status_code == status
    counts = "SELECT (SELECT count(*) FROM organizations), (SELECT count(*) FROM boards), (SELECT count(*) FROM users)"
    assert query(database_url, counts) == ([(1, 1, 3)] if status == 204 else [(2, 2, 3)])
    assert staff.active_organizations() == (0 if status == 204 else 2)
    assert query(database_url, "SELECT id FROM boards WHERE id = :id", id=stranger.board) != []
    if status == 204:
        assert (await client.get(ORGANIZATION)).json()["name"] == "Personal"


async def test_organization_that_is_deleted_twice_at_once_is_gone_once(
    client: httpx.AsyncClient, staff: Staff, database_url: str
) -> None:
    with holding(database_url, LOCK_ORGANIZATION, id=staff.organization) as waiting:
        both = [asyncio.create_task(client.delete(ORGANIZATION)) for _ in range(2)]
        await asyncio.to_thread(waiting, 2)
    assert sorted([answer.status_code for answer in await asyncio.gather(*both)]) == [204, 404]


async def test_making_an_organization_is_on_record(client: httpx.AsyncClient, me: dict[str, Any]) -> None:
    await client.post("/api/v1/organizations", json={"name": "Second"})
    assert await events(client) == [("organization.created", "Second")]


async def test_event_leads_to_the_member_while_there_is_one(client: httpx.AsyncClient, staff: Staff) -> None:
    member = staff.join("member")
    await change(client, member, "admin")
    await client.delete(f"{MEMBERS}/{member}")
    removed, updated = (await client.get("/api/v1/activity")).json()["items"]
    assert (updated["route_name"], updated["route_params"]) == ("get_member", {"member_id": str(member)})
    assert (removed["route_name"], removed["route_params"]) == (None, None)

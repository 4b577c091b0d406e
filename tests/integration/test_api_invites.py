"""Invites: who makes them, what their tokens are good for, and for how long."""

import asyncio
import re
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar

from app.asgi import create_app
from app.postgres.secret import Secret
from tests.conftest import TOKEN, client_of, settings_for, started
from tests.integration.conftest import Staff, Stranger
from tests.support.api import INVITES, MEMBERS, ORGANIZATION, create
from tests.support.boards import LOCK_ORGANIZATION
from tests.support.database import holding, query
from tests.support.sent_statements import statements

ACCEPT = "/api/v1/organizations/invites/accept"


async def invite(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    return await create(client, INVITES, **{"invited_email": "Jonah@Example.org", **fields})


async def accept(client: httpx.AsyncClient, invited: dict[str, Any]) -> httpx.Response:
    return await client.post(ACCEPT, json={"token": invited["token"]})


async def test_invite_is_shown_with_its_token_and_the_database_has_no_part_that_would_do(
    client: httpx.AsyncClient, staff: Staff, database_url: str
) -> None:
    answer = await client.post(INVITES, json={"invited_email": "jonah@example.org", "all_boards_read": True})
    made = answer.json()
    assert (answer.status_code, made["role"], made["all_boards_read"], made["all_boards_write"]) == (
        201,
        "member",
        True,
        False,
    )
    assert (made["organization_id"], made["created_by_user_id"]) == (str(staff.organization), str(staff.my_user))
    assert (made["accepted_at"], made["accepted_by_user_id"]) == (None, None)
    assert re.fullmatch(r"pli_[\w-]{64}", made["token"])
    one, listed = await client.get(answer.headers["location"]), await client.get(INVITES)
    assert one.json() == made
    assert (listed.json()["items"], listed.json()["total"]) == ([made], 1)
    assert {found.headers["cache-control"] for found in (answer, one, listed)} == {"no-store"}
    ((stored,),) = query(database_url, "SELECT organization_invites::text FROM organization_invites")
    assert made["token"] not in str(stored)
    assert made["token"][-43:] not in str(stored)


async def test_invite_is_good_for_seven_days(client: httpx.AsyncClient, staff: Staff, database_url: str) -> None:
    made = await invite(client)
    good_for = "SELECT abs(extract(epoch FROM expires_at - now() - interval '7 days')) < 60 FROM organization_invites"
    assert query(database_url, good_for) == [(True,)]
    staff.hand_over()
    query(database_url, "UPDATE organization_invites SET expires_at = now() - interval '1 second'")
    refused = await accept(client, made)
    assert (refused.status_code, refused.json()["code"]) == (410, "invite_expired")
    assert staff.roles() == ["owner"]
    query(database_url, "UPDATE organization_invites SET expires_at = now() + interval '1 minute'")
    assert (await accept(client, made)).status_code == 201


@pytest.mark.parametrize("role", ["owner", "admin", "member"])
async def test_who_accepts_is_what_the_invite_says(
    client: httpx.AsyncClient, staff: Staff, board: dict[str, Any], database_url: str, role: str
) -> None:
    gone = (await client.post("/api/v1/boards", json={"name": "g", "slug": "gone", "description": ""})).json()
    last = (await client.post("/api/v1/boards", json={"name": "l", "slug": "last", "description": ""})).json()
    specs = [{"board_id": last["id"], "can_write": True}, {"board_id": gone["id"]}, {"board_id": board["id"]}]
    everywhere = {"all_boards_read": role != "owner", "all_boards_write": role != "admin"}
    await invite(client, board_access=specs[-1:])
    made = await invite(client, role=role, board_access=specs, **everywhere)
    await client.delete(f"/api/v1/boards/{gone['id']}")
    # The table then has it behind the other.
    query(database_url, "UPDATE invite_board_access SET can_read = can_read WHERE can_write")
    staff.hand_over()
    answer = await accept(client, made)
    joined = answer.json()
    assert (answer.status_code, joined["role"], joined["user_id"]) == (201, role, str(staff.my_user))
    shown = everywhere if role == "member" else dict.fromkeys(everywhere, True)
    assert {name: joined[name] for name in everywhere} == shown
    stored = "SELECT all_boards_read, all_boards_write FROM organization_members WHERE user_id = :id"
    assert query(database_url, stored, id=staff.my_user) == [(*everywhere.values(),)]
    assert [(item["board_id"], item["can_read"], item["can_write"]) for item in joined["board_access"]] == [
        (last["id"], True, True),
        (board["id"], True, False),
    ]
    assert (await client.get(answer.headers["location"])).json() == joined, "it is his active organization"
    events = (await client.get("/api/v1/activity")).json()["items"]
    assert [(item["event_type"], item["message"]) for item in events if item["board_id"] is None] == [
        ("member.joined", role),
        ("invite.created", role),
        ("invite.created", "member"),
    ]
    assert events[0]["route_params"] == {"member_id": joined["id"]}
    used = "SELECT accepted_by_user_id FROM organization_invites WHERE accepted_at IS NOT NULL"
    assert query(database_url, used) == [(staff.my_user,)]


async def test_who_accepts_keeps_the_active_organization_that_he_has(client: httpx.AsyncClient, staff: Staff) -> None:
    made = await invite(client)
    staff.hand_over()
    second = (await client.post("/api/v1/organizations", json={"name": "Second"})).json()
    assert (await accept(client, made)).status_code == 201
    assert (await client.get(ORGANIZATION)).json() == second
    switched = await client.patch(f"{ORGANIZATION}/active", json={"organization_id": str(staff.organization)})
    assert switched.status_code == 200


async def test_who_has_left_the_organization_that_they_chose_acts_in_the_one_that_they_join(
    client: httpx.AsyncClient, staff: Staff, database_url: str
) -> None:
    made = await invite(client)
    staff.hand_over()
    await create(client, "/api/v1/organizations", name="Older")
    query(database_url, "UPDATE users SET active_organization_id = NULL WHERE id = :id", id=staff.my_user)
    assert (await accept(client, made)).status_code == 201
    assert (await client.get(ORGANIZATION)).json()["id"] == str(staff.organization)


async def test_invite_is_good_once(client: httpx.AsyncClient, staff: Staff) -> None:
    made = await invite(client)
    staff.hand_over()
    joined = (await accept(client, made)).json()
    again = await accept(client, made)
    assert (again.status_code, again.json()["code"]) == (409, "invite_used")
    assert (await client.delete(f"{MEMBERS}/{joined['id']}")).status_code == 204
    assert (await accept(client, made)).json()["code"] == "invite_used", "also for who has left since"
    assert staff.roles() == ["owner"]


async def test_at_once_an_invite_makes_one_member(client: httpx.AsyncClient, staff: Staff, database_url: str) -> None:
    made = await invite(client)
    staff.hand_over()
    with holding(database_url, LOCK_ORGANIZATION, id=staff.organization) as waiting:
        posts = [asyncio.create_task(accept(client, made)) for _ in range(4)]
        await asyncio.to_thread(waiting, 4)
    answers = await asyncio.gather(*posts)
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]
    assert {answer.json().get("code") for answer in answers} == {None, "invite_used"}
    assert staff.roles() == ["member", "owner"]


async def test_two_invites_at_once_make_one_member(client: httpx.AsyncClient, staff: Staff, database_url: str) -> None:
    first, second = await invite(client, role="admin"), await invite(client, role="admin")
    staff.hand_over()
    with holding(database_url, LOCK_ORGANIZATION, id=staff.organization) as waiting:
        posts = [asyncio.create_task(accept(client, made)) for made in (first, second)]
        await asyncio.to_thread(waiting, 2)
    answers = await asyncio.gather(*posts)
    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert {answer.json().get("code") for answer in answers} == {None, "already_member"}
    used = [item["accepted_at"] is not None for item in (await client.get(INVITES)).json()["items"]]
    assert sorted(used) == [False, True]


async def test_member_uses_up_no_invite(client: httpx.AsyncClient, staff: Staff) -> None:
    made = await invite(client, role="member")
    refused = await accept(client, made)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_member")
    assert (await client.get(f"{INVITES}/{made['id']}")).json() == made
    assert staff.roles() == ["owner"]


@pytest.mark.parametrize(
    ("email", "status"), [(None, 201), ("jonah@example.ORG", 201), ("ahab@example.org", 403), ("onah@example.org", 403)]
)
async def test_invite_is_for_the_address_that_it_names(
    client: httpx.AsyncClient, staff: Staff, database_url: str, email: str | None, status: int
) -> None:
    made = await invite(client)
    staff.hand_over()
    query(database_url, "UPDATE users SET email = :email WHERE id = :id", email=email, id=staff.my_user)
    answer = await accept(client, made)
    assert answer.status_code == status, answer.text
    if status == 403:
        assert answer.json()["code"] == "invite_for_another"
        assert "jonah" not in answer.text.lower()
    assert staff.roles() == (["owner"] if status == 403 else ["member", "owner"])


async def test_token_of_no_invite_is_404(client: httpx.AsyncClient, staff: Staff, database_url: str) -> None:
    made, other = await invite(client), await invite(client)
    forged = made["token"][:-43] + other["token"][-43:]
    staff.hand_over()
    for token in ("", "x", forged, made["token"] + "=", made["token"].removeprefix("pli_"), made["token"][:-1] + "!"):
        refused = await client.post(ACCEPT, json={"token": token})
        assert (refused.status_code, refused.json()["code"]) == (404, "not_found"), token
    # What the database knows is not enough.
    query(database_url, "UPDATE organization_invites SET token_seed = :seed", seed=b"guessed")
    assert (await accept(client, made)).status_code == 404
    assert (await client.post(ACCEPT, json={"token": "x" * 201})).status_code == 400
    assert (await client.post(ACCEPT, json={})).status_code == 400


async def test_other_key_calls_back_what_was_sent_and_lists_what_is_good(
    client: httpx.AsyncClient, staff: Staff, database_url: str
) -> None:
    made = await invite(client)
    new_token = TOKEN[::-1]
    restarted = create_app(settings_for(database_url, local_auth_token=Secret(new_token)))
    async with started(restarted), client_of(restarted, new_token) as again:
        (listed,) = (await again.get(INVITES)).json()["items"]
        assert {**listed, "token": made["token"]} == made
        staff.hand_over()
        assert (await accept(again, made)).status_code == 404
        assert (await accept(again, listed)).status_code == 201


@pytest.mark.parametrize(("role", "status"), [("owner", 201), ("admin", 201), ("member", 403)])
async def test_owners_and_admins_manage_invites(
    client: httpx.AsyncClient, staff: Staff, database_url: str, role: str, status: int
) -> None:
    made = await invite(client)
    staff.i_am(role)
    for answer, code in (
        (await client.post(INVITES, json={"invited_email": "a@b"}), status),
        (await client.get(INVITES), 200),
        (await client.get(f"{INVITES}/{made['id']}"), 200),
        (await client.delete(f"{INVITES}/{made['id']}"), 200),
    ):
        assert answer.status_code == (403 if role == "member" else code)
        assert role != "member" or made["token"] not in answer.text
    assert query(database_url, "SELECT count(*) FROM organization_invites") == [(1,)]


async def test_owners_are_invited_by_owners_alone(client: httpx.AsyncClient, staff: Staff) -> None:
    """An admin has no use of the token either: he could leave, and come back as an owner."""
    made = await invite(client, role="owner")
    staff.i_am("admin")
    refused = await client.post(INVITES, json={"invited_email": "a@b", "role": "owner"})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    assert (await client.delete(f"{INVITES}/{made['id']}")).status_code == 403
    (listed,) = (await client.get(INVITES)).json()["items"]
    assert listed == (await client.get(f"{INVITES}/{made['id']}")).json() == {**made, "token": ""}
    assert (await client.post(ACCEPT, json={"token": ""})).status_code == 404
    assert re.fullmatch(r"pli_[\w-]{64}", (await invite(client, role="admin"))["token"])


async def test_invite_that_is_taken_back_is_worth_nothing(
    client: httpx.AsyncClient, staff: Staff, database_url: str
) -> None:
    made = await invite(client)
    answer = await client.delete(f"{INVITES}/{made['id']}")
    assert (answer.status_code, answer.json()) == (200, made)
    assert (await client.delete(f"{INVITES}/{made['id']}")).status_code == 404
    events = (await client.get("/api/v1/activity")).json()["items"]
    assert [(item["event_type"], item["route_name"]) for item in events] == [
        ("invite.deleted", None),
        ("invite.created", "get_invite"),
    ]
    assert {str(row[0]) for row in query(database_url, "SELECT subject_id FROM activity_events")} == {made["id"]}
    assert "jonah" not in str(events).lower()
    staff.hand_over()
    assert (await accept(client, made)).status_code == 404


@pytest.mark.parametrize("what", ["invite", "organization"])
async def test_invite_that_is_taken_back_while_it_is_accepted_makes_nobody_a_member(
    client: httpx.AsyncClient, staff: Staff, database_url: str, what: str
) -> None:
    made = await invite(client)
    staff.hand_over()
    then = "DELETE FROM organizations" if what == "organization" else "DELETE FROM organization_invites"
    with holding(database_url, LOCK_ORGANIZATION, id=staff.organization) as waiting:
        late = asyncio.create_task(accept(client, made))
        await asyncio.to_thread(waiting, 1, then)
    assert ((await late).status_code, (await late).json()["code"]) == (404, "not_found")
    assert staff.roles() == ([] if what == "organization" else ["owner"])


async def test_invite_names_boards_of_the_organization_and_an_address(
    client: httpx.AsyncClient, staff: Staff, stranger: Stranger, database_url: str
) -> None:
    for board_id in (stranger.board, uuid4()):
        body = {"invited_email": "a@b", "board_access": [{"board_id": str(board_id)}]}
        refused = await client.post(INVITES, json=body)
        assert (refused.status_code, refused.json()["code"]) == (400, "unknown_reference")
        assert refused.json()["errors"][0]["pointer"] == "/board_access/0/board_id"
    for email in ("", "jonah", "@", "a@b c", "a@b@c", "a@b\n", "a@" + "b" * 320, None):
        refused = await client.post(INVITES, json={"invited_email": email})
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (400, "/invited_email"), email
    for wrong in ({"role": "captain"}, {"role": None}, {"token": "mine"}):
        assert (await client.post(INVITES, json={"invited_email": "a@b", **wrong})).status_code == 400
    assert query(database_url, "SELECT count(*) FROM organization_invites") == [(0,)]


async def test_strangers_invite_is_404(
    client: httpx.AsyncClient, staff: Staff, stranger: Stranger, database_url: str
) -> None:
    theirs = await invite(client)
    query(database_url, "UPDATE organization_invites SET organization_id = :id", id=stranger.organization)
    for invite_id in (theirs["id"], uuid4()):
        for answer in (await client.get(f"{INVITES}/{invite_id}"), await client.delete(f"{INVITES}/{invite_id}")):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await client.get(INVITES)).json()["items"] == []


async def test_agents_neither_invite_nor_join(app: Litestar, client: httpx.AsyncClient, board: dict[str, Any]) -> None:
    made = await invite(client)
    agent = (await client.post("/api/v1/agents", json={"name": "Bosun", "board_id": board["id"]})).json()
    async with client_of(app, agent["token"]) as bosun:
        for answer in (
            await bosun.get(INVITES),
            await bosun.post(INVITES, json={"invited_email": "a@b"}),
            await bosun.delete(f"{INVITES}/{made['id']}"),
            await accept(bosun, made),
            await bosun.delete(ORGANIZATION),
            await bosun.delete(f"{MEMBERS}/{uuid4()}"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (403, "people_only")


async def test_list_of_invites_costs_the_same_however_long(app: Litestar, client: httpx.AsyncClient) -> None:
    made = [await invite(client)]
    assert await statements(app, client, INVITES) == 2
    made += [await invite(client, invited_email=f"{n}@example.org") for n in range(9)]
    assert await statements(app, client, INVITES) == 2
    page = (await client.get(f"{INVITES}?limit=4")).json()
    rest = (await client.get(f"{INVITES}?limit=200&cursor={page['next_cursor']}")).json()
    assert page["items"] + rest["items"] == made[::-1]

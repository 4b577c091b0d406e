"""The memory of boards and of their groups: what is chat, who reads it, who writes it."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar

from tests.integration.conftest import SignIn, Stranger
from tests.support.api import BOARDS, GROUPS, MINIMAL, create, register
from tests.support.boards import RIGHTS, Rights, become, grant
from tests.support.database import insert, query
from tests.support.sent_statements import statements

PLACES = ["board", "group", "group of the board"]


def url_of(place: str, grouped: dict[str, Any]) -> str:
    if place == "group":
        return f"{GROUPS}/{grouped['board_group_id']}/memory"
    return f"{BOARDS}/{grouped['id']}/" + ("memory" if place == "board" else "group-memory")


@pytest.mark.parametrize("place", PLACES)
async def test_what_is_tagged_chat_is_the_chat(client: httpx.AsyncClient, grouped: dict[str, Any], place: str) -> None:
    url = url_of(place, grouped)
    group = await create(client, GROUPS, name="Apart", slug="apart")
    apart = await create(client, BOARDS, **{**MINIMAL, "slug": "apart", "board_group_id": group["id"]})
    for elsewhere in PLACES:
        assert (await client.post(url_of(elsewhere, apart), json={"content": "elsewhere"})).status_code == 201
    bodies: list[dict[str, Any]] = [
        {"content": "Ahoy", "tags": ["chat", "morning"], "source": "Ada"},
        {"content": "no tags"},
        {"content": "null tags", "tags": None},
        {"content": "none", "tags": []},
        {"content": "nearly", "tags": ["Chat", "chats"]},
    ]
    made = [await client.post(url, json=body) for body in bodies]
    assert {response.status_code for response in made} == {201}
    listing = url_of("group" if place != "board" else place, grouped)
    assert {response.headers["location"] for response in made} == {listing}
    written = [response.json() for response in made]
    assert [(one["content"], one["tags"], one["source"]) for one in written] == [
        (body["content"], body.get("tags"), body.get("source")) for body in bodies
    ]
    assert [one["is_chat"] for one in written] == [True, False, False, False, False]
    assert (await client.get(url)).json()["items"] == written[::-1]
    assert (await client.get(url, params={"is_chat": True})).json()["items"] == written[:1]
    rest = (await client.get(url, params={"is_chat": False, "limit": 3})).json()
    assert (rest["items"], rest["total"]) == (written[:1:-1], 4)
    further = await client.get(url, params={"is_chat": False, "limit": 3, "cursor": rest["next_cursor"]})
    assert further.json()["items"] == [written[1]]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"content": " "}, "/content"),
        ({"content": None}, "/content"),
        ({"content": "x" * 20_001}, "/content"),
        ({"tags": "chat"}, "/tags"),
        ({"tags": [""]}, "/tags/0"),
        ({"tags": ["x" * 101]}, "/tags/0"),
        ({"tags": ["a\x00"]}, "/tags"),
        ({"tags": ["t"] * 51}, "/tags"),
        ({"source": "x" * 201}, "/source"),
        ({"is_chat": True}, "/is_chat"),
    ],
)
async def test_field_that_does_not_fit_is_400(
    client: httpx.AsyncClient, grouped: dict[str, Any], place: str, change: dict[str, Any], pointer: str
) -> None:
    refused = await client.post(url_of(place, grouped), json={"content": "c", **change})
    assert refused.status_code == 400
    assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]


async def test_writing_is_on_record(client: httpx.AsyncClient, grouped: dict[str, Any], database_url: str) -> None:
    made = [
        (await client.post(url_of(place, grouped), json={"content": place, "tags": ["chat"]})).json()
        for place in PLACES
    ]
    events = (await client.get("/api/v1/activity", params={"limit": 3})).json()["items"][::-1]
    in_group = ("get_board_group", {"group_id": grouped["board_group_id"]})
    assert [(e["event_type"], e["message"], e["board_id"], e["route_name"], e["route_params"]) for e in events] == [
        ("board_memory.created", "board", grouped["id"], "get_board", {"board_id": grouped["id"]}),
        ("board_group_memory.created", "group", None, *in_group),
        ("board_group_memory.created", "group of the board", None, *in_group),
    ]
    stored = "SELECT subject_id, board_group_id FROM activity_events WHERE event_type LIKE '%memory%' ORDER BY id"
    group_id = UUID(grouped["board_group_id"])
    assert query(database_url, stored) == [
        (UUID(one["id"]), of) for one, of in zip(made, (None, group_id, group_id), strict=True)
    ]


async def test_board_without_a_group_has_no_group_memory(client: httpx.AsyncClient, board: dict[str, Any]) -> None:
    url = f"{BOARDS}/{board['id']}/group-memory"
    listed = await client.get(url)
    assert (listed.status_code, listed.json()["items"], listed.json()["total"]) == (200, [], 0)
    refused = await client.post(url, json={"content": "c"})
    assert (refused.status_code, refused.json()["code"]) == (409, "no_board_group")


@pytest.mark.parametrize("rights", RIGHTS)
async def test_member_reads_and_writes_what_he_was_granted(
    client: httpx.AsyncClient, grouped: dict[str, Any], database_url: str, rights: Rights
) -> None:
    other = {**MINIMAL, "slug": "other", "board_group_id": grouped["board_group_id"]}
    hidden = (await client.post(BOARDS, json=other)).json()
    for place in PLACES:
        await client.post(url_of(place, grouped), json={"content": place})
    rights.give(database_url, grouped["id"])
    for place in PLACES:
        url = url_of(place, grouped)
        read, written = await client.get(url), await client.post(url, json={"content": "c"})
        assert (read.status_code, written.status_code) == rights.statuses(201), place
    seen = {item["message"] for item in (await client.get("/api/v1/activity")).json()["items"]}
    assert seen & set(PLACES) == (set(PLACES) if rights.may[0] else set())
    if rights.here is not None and not any(rights.everywhere):
        # The group is his through one board, and opens no other.
        for place in ("board", "group of the board"):
            assert (await client.get(url_of(place, hidden))).status_code == 404


async def test_group_without_boards_is_for_those_who_reach_all_boards(
    client: httpx.AsyncClient, board: dict[str, Any], group: dict[str, Any], database_url: str
) -> None:
    url = f"{GROUPS}/{group['id']}/memory"
    assert (await client.post(url, json={"content": "c"})).status_code == 201
    become(database_url, "member", reads=True)
    grant(database_url, board["id"], reads=True, writes=True)
    assert (await client.get(url)).status_code == 200
    assert (await client.post(url, json={"content": "c"})).status_code == 403
    become(database_url, "member")
    assert (await client.get(url)).status_code == 404


async def test_agent_writes_for_its_board_and_its_group_and_is_on_record(
    client: httpx.AsyncClient, grouped: dict[str, Any], signed_in: SignIn
) -> None:
    other = (await client.post(BOARDS, json={**MINIMAL, "slug": "other"})).json()
    apart = (await client.post(GROUPS, json={"name": "Apart", "slug": "apart"})).json()
    await client.patch(f"{BOARDS}/{other['id']}", json={"board_group_id": apart["id"]})
    registered = await register(client, grouped)
    agent, ashore = await signed_in(registered), await signed_in(await register(client, None, name="Ashore"))
    for place in PLACES:
        assert (await agent.post(url_of(place, grouped), json={"content": "mine"})).status_code == 201
    events = (await agent.get("/api/v1/activity")).json()["items"]
    assert [event["agent_id"] for event in events if event["message"] == "mine"] == [registered["id"]] * 3
    for url in (
        f"{BOARDS}/{other['id']}/memory",
        f"{BOARDS}/{other['id']}/group-memory",
        f"{GROUPS}/{apart['id']}/memory",
    ):
        assert (await agent.get(url)).status_code == 404
        assert (await agent.post(url, json={"content": "c"})).status_code == 404
    assert not [event for event in (await ashore.get("/api/v1/activity")).json()["items"] if event["message"] == "mine"]
    assert (await ashore.get(url_of("group", grouped))).status_code == 404


async def test_another_organizations_memory_is_not_there(
    client: httpx.AsyncClient, stranger: Stranger, foreign_group: UUID, database_url: str
) -> None:
    about = {"organization_id": stranger.organization, "board_group_id": foreign_group}
    insert(database_url, "activity_events", event_type="board_group_memory.created", **about)
    for url in (
        f"{BOARDS}/{stranger.board}/memory",
        f"{BOARDS}/{stranger.board}/group-memory",
        f"{GROUPS}/{foreign_group}/memory",
    ):
        for answer in (await client.get(url), await client.post(url, json={"content": "c"})):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert query(database_url, "SELECT count(*) FROM board_memory, board_group_memory") == [(0,)]
    assert (await client.get("/api/v1/activity")).json()["items"] == []


async def test_memory_goes_with_its_board_and_with_its_group(
    client: httpx.AsyncClient, grouped: dict[str, Any], database_url: str
) -> None:
    for place in PLACES:
        await client.post(url_of(place, grouped), json={"content": place})
    count = "SELECT (SELECT count(*) FROM board_memory), (SELECT count(*) FROM board_group_memory)"
    await client.delete(f"{BOARDS}/{grouped['id']}")
    assert query(database_url, count) == [(0, 2)]
    await client.delete(f"{GROUPS}/{grouped['board_group_id']}")
    assert query(database_url, count) == [(0, 0)]


@pytest.mark.parametrize(("place", "costs"), [("board", 2), ("group", 3), ("group of the board", 3)])
async def test_list_costs_the_same_number_of_statements_however_long(
    app: Litestar, client: httpx.AsyncClient, grouped: dict[str, Any], place: str, costs: int
) -> None:
    url = url_of(place, grouped)
    assert await statements(app, client, url) == costs
    for _ in range(20):
        await client.post(url, json={"content": "c"})
    assert await statements(app, client, url) == costs

"""Board groups: which boards are in one, and who may see and change it."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.integration.conftest import SignIn
from tests.support.api import AGENTS, BOARDS, GROUPS, MINIMAL, register
from tests.support.boards import RIGHTS, Rights, become, grant
from tests.support.database import holding, query


async def test_group_is_made_read_changed_and_deleted(client: httpx.AsyncClient) -> None:
    made = await client.post(GROUPS, json={"name": " Fleet ", "slug": "fleet", "description": "All of them"})
    group, url = made.json(), made.headers["location"]
    assert (made.status_code, url, group["name"]) == (201, f"{GROUPS}/{group['id']}", "Fleet")
    assert (await client.get(url)).json() == group
    changed = (await client.patch(url, json={"description": None})).json()
    assert (changed["name"], changed["description"]) == ("Fleet", None)
    assert (await client.get(GROUPS)).json()["items"] == [changed]
    gone = await client.delete(url)
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await client.get(url)).status_code == 404
    events = [(item["event_type"], item["message"]) for item in (await client.get("/api/v1/activity")).json()["items"]]
    assert events == [
        ("board_group.deleted", "Fleet"),
        ("board_group.updated", "description"),
        ("board_group.created", "Fleet"),
    ]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [({"name": " "}, "/name"), ({"slug": "No"}, "/slug"), ({"colour": 1}, "/colour")],
)
async def test_field_that_does_not_fit_is_400(
    client: httpx.AsyncClient, group: dict[str, Any], change: dict[str, Any], pointer: str
) -> None:
    for response in (
        await client.patch(f"{GROUPS}/{group['id']}", json=change),
        await client.post(GROUPS, json={"name": "n", "slug": "n", **change}),
    ):
        assert response.status_code == 400
        assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


async def test_slug_is_unique_in_an_organization_also_at_once(
    client: httpx.AsyncClient, group: dict[str, Any], foreign_group: UUID, database_url: str
) -> None:
    other = (await client.post(GROUPS, json={"name": "n", "slug": "g"})).json()
    for taken in (
        await client.post(GROUPS, json={"name": "n", "slug": "fleet"}),
        await client.patch(f"{GROUPS}/{other['id']}", json={"slug": "fleet"}),
    ):
        assert (taken.status_code, taken.json()["code"]) == (409, "slug_taken")
    with holding(database_url, "LOCK TABLE board_groups IN SHARE MODE") as waiting:
        posts = [asyncio.create_task(client.post(GROUPS, json={"name": "n", "slug": "new"})) for _ in range(3)]
        await asyncio.to_thread(waiting, 3)
    assert sorted(response.status_code for response in await asyncio.gather(*posts)) == [201, 409, 409]


async def test_boards_are_put_into_a_group_and_listed_by_it(
    client: httpx.AsyncClient, board: dict[str, Any], group: dict[str, Any]
) -> None:
    inside = await client.post(BOARDS, json={**MINIMAL, "slug": "inside", "board_group_id": group["id"]})
    assert (inside.status_code, inside.json()["board_group_id"]) == (201, group["id"])

    async def slugs() -> list[str]:
        answer = (await client.get(BOARDS, params={"board_group_id": group["id"]})).json()
        assert answer["total"] == len(answer["items"])
        return [item["slug"] for item in answer["items"]]

    assert await slugs() == ["inside"]
    url = f"{BOARDS}/{board['id']}"
    await client.patch(url, json={"board_group_id": group["id"]})
    assert (await client.patch(url, json={"name": "n"})).json()["board_group_id"] == group["id"]
    assert await slugs() == ["inside", "deck"]
    assert (await client.patch(url, json={"board_group_id": None})).json()["board_group_id"] is None
    assert await slugs() == ["inside"]
    assert (await client.get(BOARDS, params={"board_group_id": str(uuid4())})).json()["items"] == []


async def test_boards_outlive_their_group(
    client: httpx.AsyncClient, grouped: dict[str, Any], group: dict[str, Any]
) -> None:
    assert (await client.delete(f"{GROUPS}/{group['id']}")).status_code == 204
    assert (await client.get(f"{BOARDS}/{grouped['id']}")).json() == {**grouped, "board_group_id": None}


async def test_board_is_not_put_into_a_group_that_is_deleted_meanwhile(
    client: httpx.AsyncClient, board: dict[str, Any], group: dict[str, Any], database_url: str
) -> None:
    url = f"{BOARDS}/{board['id']}"
    with holding(database_url, "DELETE FROM board_groups") as waiting:
        change = asyncio.create_task(client.patch(url, json={"board_group_id": group["id"]}))
        await asyncio.to_thread(waiting, 1)
    assert ((await change).status_code, (await change).json()["code"]) == (409, "conflict")
    assert (await client.get(url)).json()["board_group_id"] is None


async def test_group_that_is_deleted_while_it_is_looked_for_is_none(
    client: httpx.AsyncClient, grouped: dict[str, Any], database_url: str
) -> None:
    with holding(database_url, "LOCK TABLE board_groups") as waiting:
        reading = asyncio.create_task(client.get(f"{BOARDS}/{grouped['id']}/group-memory"))
        await asyncio.to_thread(waiting, 1, "DELETE FROM board_groups")
    assert ((await reading).status_code, (await reading).json()["items"]) == (200, [])


async def test_another_organizations_group_is_not_there(
    client: httpx.AsyncClient, board: dict[str, Any], foreign_group: UUID, database_url: str
) -> None:
    for group_id in (foreign_group, uuid4()):
        url = f"{GROUPS}/{group_id}"
        for answer in (
            await client.get(url),
            await client.patch(url, json={"name": "mine"}),
            await client.delete(url),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        for answer in (
            await client.patch(f"{BOARDS}/{board['id']}", json={"board_group_id": str(group_id)}),
            await client.post(BOARDS, json={**MINIMAL, "slug": "new", "board_group_id": str(group_id)}),
        ):
            assert (answer.status_code, answer.json()["code"]) == (400, "unknown_reference")
    assert (await client.get(GROUPS)).json()["items"] == []
    assert (await client.get(BOARDS, params={"board_group_id": str(foreign_group)})).json()["items"] == []
    assert query(database_url, "SELECT name FROM board_groups") == [("g",)]


@pytest.mark.parametrize("rights", RIGHTS)
async def test_group_is_read_by_readers_of_a_board_and_changed_by_writers_of_all(
    client: httpx.AsyncClient, grouped: dict[str, Any], group: dict[str, Any], database_url: str, rights: Rights
) -> None:
    rights.give(database_url, grouped["id"])
    may_read, may_change = rights.may[0], rights.role != "member" or rights.everywhere[1]
    changing = 200 if may_change else 403 if may_read else 404
    url = f"{GROUPS}/{group['id']}"
    assert (await client.get(url)).status_code == (200 if may_read else 404)
    assert len((await client.get(GROUPS)).json()["items"]) == may_read
    happened = [item["event_type"] for item in (await client.get("/api/v1/activity")).json()["items"]]
    assert ("board_group.created" in happened) == may_read
    assert (await client.post(GROUPS, json={"name": "n", "slug": "n"})).status_code == (201 if may_change else 403)
    assert (await client.patch(url, json={"name": "n"})).status_code == changing
    assert (await client.delete(url)).status_code == (204 if may_change else changing)


async def test_writer_of_one_board_does_not_come_into_another_group_with_it(
    client: httpx.AsyncClient, board: dict[str, Any], group: dict[str, Any], database_url: str
) -> None:
    """Whoever may use a board may use its group's memory."""
    other = (await client.post(BOARDS, json={**MINIMAL, "slug": "other", "board_group_id": group["id"]})).json()
    become(database_url, "member")
    grant(database_url, board["id"], reads=True, writes=True)
    url, change = f"{BOARDS}/{board['id']}", {"board_group_id": group["id"]}
    unseen = await client.patch(url, json=change)
    assert (unseen.status_code, unseen.json()["code"]) == (400, "unknown_reference")
    grant(database_url, other["id"], reads=True, writes=False)
    assert (await client.patch(url, json=change)).status_code == 403
    query(database_url, "UPDATE board_access SET can_write = true")
    assert (await client.patch(url, json=change)).status_code == 200


async def test_agent_sees_the_group_of_its_board_alone_and_changes_none(
    client: httpx.AsyncClient, grouped: dict[str, Any], group: dict[str, Any], signed_in: SignIn
) -> None:
    empty = (await client.post(GROUPS, json={"name": "Empty", "slug": "empty"})).json()
    agent = await signed_in(await register(client, grouped))
    ashore = await signed_in(await register(client, None, name="Ashore"))
    assert (await agent.get(GROUPS)).json()["items"] == [group]
    assert (await agent.get(f"{GROUPS}/{empty['id']}")).status_code == 404
    assert (await ashore.get(GROUPS)).json()["items"] == []
    for refused in (
        await agent.post(GROUPS, json={"name": "n", "slug": "n"}),
        await agent.patch(f"{GROUPS}/{group['id']}", json={"name": "n"}),
        await agent.delete(f"{GROUPS}/{group['id']}"),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "people_only")
    happened = [item["event_type"] for item in (await ashore.get("/api/v1/activity")).json()["items"]]
    assert not {name for name in happened if name.startswith("board_group.")}


async def test_pace_of_a_groups_agents_is_set_without_their_leads(
    client: httpx.AsyncClient, grouped: dict[str, Any], signed_in: SignIn
) -> None:
    await client.patch(f"{BOARDS}/{grouped['id']}", json={"max_agents": 3})
    lead = await register(client, grouped)
    mate = await register(client, grouped, name="Mate", heartbeat_config={"target": "last"})
    ashore = await register(client, None, name="Cook")
    url = f"{GROUPS}/{grouped['board_group_id']}/heartbeat"
    answer = await client.post(url, json={"every": "10m"})
    requested = {"every": "10m", "include_board_leads": False}
    assert (answer.status_code, answer.json()) == (
        200,
        {
            "board_group_id": grouped["board_group_id"],
            "requested": requested,
            "updated_agent_ids": [mate["id"]],
            "failed_agent_ids": [],
        },
    )
    by_lead = await (await signed_in(lead)).post(url, json={"every": "2m", "include_board_leads": True})
    assert by_lead.json()["updated_agent_ids"] == [lead["id"], mate["id"]]
    configs = [
        (await client.get(f"{AGENTS}/{agent['id']}")).json()["heartbeat_config"] for agent in (lead, mate, ashore)
    ]
    assert configs == [{"every": "2m"}, {"target": "last", "every": "2m"}, None]
    refused = await (await signed_in(mate)).post(url, json={"every": "1m"})
    assert (refused.status_code, refused.json()["code"]) == (403, "lead_only")
    events = [(item["event_type"], item["message"]) for item in (await client.get("/api/v1/activity")).json()["items"]]
    changes = {"board_group.heartbeat_changed", "agent.updated"}
    assert sorted(event for event in events if event[0] in changes) == [
        *3 * [("agent.updated", "heartbeat_config")],
        ("board_group.heartbeat_changed", "10m"),
        ("board_group.heartbeat_changed", "2m"),
    ]


async def test_pace_is_set_on_the_boards_that_the_caller_may_write(
    client: httpx.AsyncClient, grouped: dict[str, Any], database_url: str
) -> None:
    boards = [grouped]
    for slug in ("read", "hidden"):
        body = {"name": slug, "slug": slug, "description": "", "board_group_id": grouped["board_group_id"]}
        boards.append((await client.post(BOARDS, json=body)).json())
    written, shown, _ = [(await register(client, board, name="Mate"))["id"] for board in boards]
    become(database_url, "member")
    url = f"{GROUPS}/{grouped['board_group_id']}/heartbeat"
    assert (await client.post(url, json={"every": "10m"})).status_code == 404
    grant(database_url, boards[1]["id"], reads=True, writes=False)
    assert (await client.post(url, json={"every": "10m"})).status_code == 403
    grant(database_url, boards[0]["id"], reads=True, writes=True)
    answer = (await client.post(url, json={"every": "10m", "include_board_leads": True})).json()
    assert (answer["updated_agent_ids"], answer["failed_agent_ids"]) == ([written], [shown])

"""What requests at the same time cannot break; each race is made with a lock that all of them wait for."""

import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.plugin import DatabasePlugin
from app.repositories.callers import Person
from app.services.callers import Caller
from app.services.users import LastOwnerError, UserService
from tests.integration.conftest import Staff, Stranger
from tests.support.api import BOARDS
from tests.support.boards import become, grant
from tests.support.database import holding, insert, query
from tests.support.furnished import ids_for_paths

LOCK_BOARD = "SELECT FROM boards WHERE id = :id FOR UPDATE"
LOCK_ORGANIZATION = "SELECT FROM organizations WHERE id = :id FOR UPDATE"


@pytest.mark.parametrize("table", ["boards", "tags"])
@pytest.mark.parametrize("method", ["DELETE", "PATCH"])
async def test_row_that_is_deleted_meanwhile_is_404(
    client: httpx.AsyncClient, board: dict[str, Any], database_url: str, table: str, method: str
) -> None:
    tag = (await client.post("/api/v1/tags", json={"name": "Rope"})).json()
    row_id = {"boards": board["id"], "tags": tag["id"]}[table]
    with holding(database_url, f"DELETE FROM {table} WHERE id = :id", id=row_id) as wait_for_a_waiter:
        late = asyncio.create_task(client.request(method, f"/api/v1/{table}/{row_id}", json={"name": "late"}))
        await asyncio.to_thread(wait_for_a_waiter)
    assert ((await late).status_code, (await late).json()["code"]) == (404, "not_found")


# By path: the table, the text that a change sends, and another column; another request changes both meanwhile.
CHANGED = {
    "/users/me": ("users", "name", "notes"),
    "/tags/{tag_id}": ("tags", "name", "description"),
    "/boards/{board_id}": ("boards", "name", "description"),
    "/board-groups/{group_id}": ("board_groups", "name", "description"),
    "/agents/{agent_id}": ("agents", "name", "token_hash"),
    "/boards/{board_id}/webhooks/{webhook_id}": ("board_webhooks", "description", "secret"),
    "/boards/{board_id}/tasks/{task_id}": ("tasks", "title", "description"),
    "/organizations/me/custom-fields/{task_custom_field_definition_id}": ("custom_fields", "label", "description"),
}


@pytest.mark.parametrize("path", CHANGED)
async def test_value_is_stored_as_it_was_sent_whatever_another_stores_meanwhile(
    client: httpx.AsyncClient, staff: Staff, database_url: str, path: str
) -> None:
    """It is the value that the row had before: the other's change came between."""
    table, name, other = CHANGED[path]
    url = "/api/v1" + path.format(**await ids_for_paths(client, staff, "fore"))
    before = (await client.get(url)).json()[name]
    change = f"UPDATE {table} SET {name} = 'meanwhile', {other} = 'meanwhile'"
    with holding(database_url, change) as wait_for_a_waiter:
        late = asyncio.create_task(client.patch(url, json={name: before}))
        await asyncio.to_thread(wait_for_a_waiter)
    answer, stored = await late, await client.get(url)
    assert answer.json()[name] == before
    assert answer.json() == stored.json()


async def test_status_of_a_task_on_a_board_that_was_just_deleted_is_404(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    task = (await client.post(tasks_url, json={"title": "t"})).json()
    with holding(database_url, LOCK_BOARD, id=board["id"]) as wait_for_waiters:
        deleting = asyncio.create_task(client.delete(f"{BOARDS}/{board['id']}"))
        await asyncio.to_thread(wait_for_waiters, 1)
        late = [
            asyncio.create_task(client.patch(f"{tasks_url}/{task['id']}", json={"status": "done"})),
            asyncio.create_task(client.post(tasks_url, json={"title": "t", "status": "done"})),
        ]
        await asyncio.to_thread(wait_for_waiters, 3)
    assert (await deleting).status_code == 204
    assert [answer.status_code for answer in await asyncio.gather(*late)] == [404, 404]


async def test_user_who_deletes_himself_twice_is_gone_once(
    client: httpx.AsyncClient, board: dict[str, Any], database_url: str
) -> None:
    with holding(database_url, LOCK_ORGANIZATION, id=board["organization_id"]) as wait_for_waiters:
        both = [asyncio.create_task(client.delete("/api/v1/users/me")) for _ in range(2)]
        await asyncio.to_thread(wait_for_waiters, 2)
    assert sorted([answer.status_code for answer in await asyncio.gather(*both)]) == [204, 404]


async def test_rule_that_was_just_set_holds_for_a_status_that_waited(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    task = (await client.post(tasks_url, json={"title": "t"})).json()
    with holding(database_url, LOCK_BOARD, id=board["id"]) as wait_for_waiters:
        ruling = asyncio.create_task(client.patch(f"{BOARDS}/{board['id']}", json={"require_review_before_done": True}))
        await asyncio.to_thread(wait_for_waiters, 1)
        late = asyncio.create_task(client.patch(f"{tasks_url}/{task['id']}", json={"status": "done"}))
        await asyncio.to_thread(wait_for_waiters, 2)
    assert (await ruling).status_code == 200
    assert (await late).json()["code"] == "review_required"


async def test_tags_that_two_requests_set_are_those_of_one_of_them(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    tags = [(await client.post("/api/v1/tags", json={"name": name})).json()["id"] for name in ("a", "b")]
    task = (await client.post(tasks_url, json={"title": "t"})).json()
    url = f"{tasks_url}/{task['id']}"
    with holding(database_url, LOCK_BOARD, id=board["id"]) as wait_for_waiters:
        both = [asyncio.create_task(client.patch(url, json={"tag_ids": [tag]})) for tag in tags]
        await asyncio.to_thread(wait_for_waiters, 2)
    assert {answer.status_code for answer in await asyncio.gather(*both)} == {200}
    assert (await client.get(url)).json()["tag_ids"] in ([tags[0]], [tags[1]])


async def test_one_of_many_gets_the_slug(client: httpx.AsyncClient, me: dict[str, Any]) -> None:
    for url, fields in ((BOARDS, {"name": "n", "slug": "same", "description": ""}), ("/api/v1/tags", {"name": "same"})):
        answers = await asyncio.gather(*(client.post(url, json=fields) for _ in range(6)))
        assert sorted(answer.status_code for answer in answers) == [201] + 5 * [409]
        assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"slug_taken"}


async def test_two_owners_who_leave_at_once_do_not_leave_a_member_without_owner(
    app: Litestar, me: dict[str, Any], board: dict[str, Any], stranger: Stranger, database_url: str
) -> None:
    organization = board["organization_id"]
    crew = insert(database_url, "users", subject="crew")
    for user, role in ((crew, "member"), (stranger.user, "owner")):
        insert(database_url, "organization_members", organization_id=organization, user_id=user, role=role)

    async def leave(user_id: UUID) -> str:
        async with AsyncSession(app.plugins.get(DatabasePlugin).engine) as session, session.begin():
            try:
                await UserService(session, Caller(Person(user_id, None, None), None)).delete()
            except LastOwnerError:
                return "stays"
            return "left"

    with holding(database_url, LOCK_ORGANIZATION, id=organization) as wait_for_waiters:
        both = [asyncio.create_task(leave(user_id)) for user_id in (UUID(me["id"]), stranger.user)]
        await asyncio.to_thread(wait_for_waiters, 2)
    assert sorted(await asyncio.gather(*both)) == ["left", "stays"]
    roles = "SELECT role FROM organization_members WHERE organization_id = :organization ORDER BY role"
    assert query(database_url, roles, organization=organization) == [("member",), ("owner",)]


async def test_organizations_made_while_their_owner_leaves_are_not_left_without_members(
    client: httpx.AsyncClient, me: dict[str, Any], database_url: str
) -> None:
    with holding(database_url, "SELECT FROM users WHERE id = :id FOR UPDATE", id=me["id"]) as wait_for_waiters:
        leaving = asyncio.create_task(client.delete("/api/v1/users/me"))
        await asyncio.to_thread(wait_for_waiters, 1)
        making = [asyncio.create_task(client.post("/api/v1/organizations", json={"name": "n"})) for _ in range(3)]
        await asyncio.to_thread(wait_for_waiters, 4)
    assert (await leaving).status_code == 204
    assert {response.status_code for response in await asyncio.gather(*making)} == {409}
    assert query(database_url, "SELECT count(*) FROM organizations") == [(0,)]


async def test_access_that_is_taken_away_while_the_request_waits_for_a_row_counts(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    task = (await client.post(tasks_url, json={"title": "t"})).json()
    url = f"{tasks_url}/{task['id']}"
    seen = {"If-Match": (await client.get(url)).headers["etag"]}
    become(database_url, "member")
    grant(database_url, board["id"], reads=True, writes=True)
    with holding(database_url, "SELECT FROM tasks FOR UPDATE") as wait_for_a_waiter:
        late = asyncio.create_task(client.patch(url, json={"title": "late"}, headers=seen))
        await asyncio.to_thread(wait_for_a_waiter, 1, "DELETE FROM board_access")
    assert ((await late).status_code, (await late).json()["code"]) == (404, "not_found")
    assert query(database_url, "SELECT title FROM tasks") == [("t",)]


async def test_change_of_a_status_keeps_nobody_from_adding_to_its_board(
    client: httpx.AsyncClient, tasks_url: str, database_url: str
) -> None:
    task = (await client.post(tasks_url, json={"title": "t"})).json()
    row = "SELECT FROM tasks WHERE id = :id FOR NO KEY UPDATE"
    with holding(database_url, row, id=task["id"]) as wait_for_waiters:
        changing = asyncio.create_task(client.patch(f"{tasks_url}/{task['id']}", json={"status": "review"}))
        await asyncio.to_thread(wait_for_waiters, 1)
        assert (await client.post(tasks_url, json={"title": "another"})).status_code == 201
    assert (await changing).status_code == 200


async def test_change_of_a_member_keeps_nobody_from_adding_to_the_organization(
    client: httpx.AsyncClient, staff: Staff, database_url: str
) -> None:
    member = staff.join("member")
    row = "SELECT FROM organization_members WHERE id = :id FOR UPDATE"
    with holding(database_url, row, id=member) as wait_for_waiters:
        url = f"/api/v1/organizations/me/members/{member}"
        changing = asyncio.create_task(client.patch(url, json={"role": "admin"}))
        await asyncio.to_thread(wait_for_waiters, 1)
        assert (await client.post("/api/v1/tags", json={"name": "Rope"})).status_code == 201
    assert (await changing).status_code == 200


async def test_board_that_is_granted_stays_until_it_is_and_may_be_changed_meanwhile(
    client: httpx.AsyncClient, staff: Staff, board: dict[str, Any], database_url: str
) -> None:
    member, url = staff.join("member"), f"{BOARDS}/{board['id']}"
    row = "SELECT FROM organization_members WHERE id = :id FOR UPDATE"
    with holding(database_url, row, id=member) as wait_for_waiters:
        body = {"all_boards_read": True, "board_access": [{"board_id": board["id"]}]}
        access = f"/api/v1/organizations/me/members/{member}/access"
        granting = asyncio.create_task(client.put(access, json=body))
        await asyncio.to_thread(wait_for_waiters, 1)
        assert (await client.patch(url, json={"name": "Quay"})).status_code == 200
        deleting = asyncio.create_task(client.delete(url))
        await asyncio.to_thread(wait_for_waiters, 2)
    assert [(await granting).status_code, (await deleting).status_code] == [200, 204]


async def test_delivery_does_not_wait_for_a_change_of_its_board_or_webhook(
    client: httpx.AsyncClient, board: dict[str, Any], database_url: str
) -> None:
    url = f"{BOARDS}/{board['id']}/webhooks"
    webhook = (await client.post(url, json={"description": "deploys"})).json()
    # As their changes do.
    rows = "SELECT FROM boards, board_webhooks FOR NO KEY UPDATE"
    with holding(database_url, rows):
        assert (await client.post(webhook["endpoint_path"], json={})).status_code == 201


async def test_what_is_forgotten_waits_for_nobody(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    key = {"Idempotency-Key": "one"}
    await client.post(tasks_url, json={"title": "t"}, headers=key)
    old = "INSERT INTO rate_limits SELECT decode('00', 'hex'), now() - interval '2 days', 1"
    query(database_url, old)
    query(database_url, "UPDATE idempotent_responses SET created_at = now() - interval '2 days'")
    webhook = (await client.post(f"{BOARDS}/{board['id']}/webhooks", json={"description": "d"})).json()
    with holding(database_url, "SELECT FROM rate_limits, idempotent_responses FOR UPDATE"):
        answer = await client.post(tasks_url, json={"title": "t"}, headers={"Idempotency-Key": "another"})
        assert answer.status_code == 201
        assert (await client.post(webhook["endpoint_path"], json={})).status_code == 201

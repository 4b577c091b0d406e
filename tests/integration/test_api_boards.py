"""Boards: fields, tenancy, roles and per-board access."""

import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.conftest import Stranger
from tests.support.api import BOARDS, MINIMAL
from tests.support.boards import RIGHTS, Rights, become
from tests.support.database import query


async def test_created_board_has_every_field_and_a_location(client: httpx.AsyncClient) -> None:
    sent = {
        **MINIMAL,
        "objective": "Arrive",
        "success_metrics": {"knots": [12, 14.5, None]},
        "target_date": "2027-01-01T12:00:00+02:00",
        "goal_confirmed": True,
        "max_agents": 3,
        "require_review_before_done": True,
    }
    response = await client.post(BOARDS, json=sent)
    assert response.status_code == 201
    body = response.json()
    assert response.headers["location"] == f"{BOARDS}/{body['id']}"
    assert body["success_metrics"] == sent["success_metrics"]
    assert body["target_date"] == "2027-01-01T10:00:00Z"
    assert body["created_at"].endswith("Z")
    assert body["board_group_id"] is None
    assert (await client.get(response.headers["location"])).json() == body


async def test_patch_changes_what_was_sent_alone(client: httpx.AsyncClient, board: dict[str, Any]) -> None:
    url = f"{BOARDS}/{board['id']}"
    await client.patch(url, json={"objective": "Arrive", "max_agents": 4})
    changed = (await client.patch(url, json={"objective": None})).json()
    assert changed["objective"] is None
    assert changed["max_agents"] == 4
    assert changed["name"] == board["name"]
    assert changed["updated_at"] > board["updated_at"]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": ""}, "/name"),
        ({"name": "  "}, "/name"),
        ({"name": "x" * 201}, "/name"),
        ({"name": "a\x00b"}, "/name"),
        ({"slug": "Not A Slug"}, "/slug"),
        ({"max_agents": -1}, "/max_agents"),
        ({"max_agents": 2**70}, "/max_agents"),
        ({"max_agents": "three"}, "/max_agents"),
        ({"max_agents": "3"}, "/max_agents"),
        ({"goal_confirmed": "true"}, "/goal_confirmed"),
        ({"success_metrics": {"a": [{"b": "\x00"}]}}, "/success_metrics"),
        ({"success_metrics": {"\x00": 1}}, "/success_metrics"),
        ({"success_metrics": json.loads('{"a":' * 40 + "1" + "}" * 40)}, "/success_metrics"),
        ({"target_date": "2027-01-01T12:00:00"}, "/target_date"),
        ({"target_date": "0001-01-01T00:00:00+14:00"}, "/target_date"),
        ({"target_date": 1_700_000_000}, "/target_date"),
        ({"target_date": "null"}, "/target_date"),
        ({"nmae": "typo"}, "/nmae"),
        ({"a/b~c": 1}, "/a~1b~0c"),
        ({"board_group_id": str(uuid4())}, "/board_group_id"),
    ],
)
async def test_field_that_does_not_fit_is_400_and_named(
    client: httpx.AsyncClient, board: dict[str, Any], change: dict[str, Any], pointer: str
) -> None:
    for response in (
        await client.patch(f"{BOARDS}/{board['id']}", json=change),
        await client.post(BOARDS, json={**MINIMAL, "slug": "other", **change}),
    ):
        assert response.status_code == 400, response.text
        assert response.headers["content-type"].startswith("application/problem+json")
        assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


async def test_white_space_around_names_is_not_kept(client: httpx.AsyncClient, tasks_url: str) -> None:
    for url, field, others in (
        (BOARDS, "name", {**MINIMAL, "slug": "other"}),
        (tasks_url, "title", {}),
        ("/api/v1/tags", "name", {}),
        ("/api/v1/organizations", "name", {}),
    ):
        response = await client.post(url, json={**others, field: " \t Fore peak\n"})
        assert response.json()[field] == "Fore peak", url
    assert (await client.patch("/api/v1/users/me", json={"name": " Ada "})).json()["name"] == "Ada"
    assert (await client.patch("/api/v1/users/me", json={"name": " "})).status_code == 400


async def test_slug_is_unique_in_an_organization_and_free_in_another(
    client: httpx.AsyncClient, board: dict[str, Any]
) -> None:
    assert (await client.post(BOARDS, json=MINIMAL)).json()["code"] == "slug_taken"
    other = (await client.post(BOARDS, json={**MINIMAL, "slug": "other"})).json()
    taken = await client.patch(f"{BOARDS}/{other['id']}", json={"slug": "deck"})
    assert (taken.status_code, taken.json()["code"]) == (409, "slug_taken")
    await client.post("/api/v1/organizations", json={"name": "Second"})
    assert (await client.post(BOARDS, json=MINIMAL)).status_code == 201


async def test_deleted_board_is_gone_with_what_it_contains(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    task = (await client.post(tasks_url, json={"title": "t"})).json()
    await client.post(f"{tasks_url}/{task['id']}/comments", json={"message": "m"})
    response = await client.delete(f"{BOARDS}/{board['id']}")
    assert (response.status_code, response.content) == (204, b"")
    assert (await client.get(f"{BOARDS}/{board['id']}")).status_code == 404
    assert query(database_url, "SELECT (SELECT count(*) FROM tasks), (SELECT count(*) FROM task_comments)") == [(0, 0)]


async def test_another_organizations_board_is_404_for_every_method(
    client: httpx.AsyncClient, stranger: Stranger, database_url: str
) -> None:
    for board_id in (stranger.board, uuid4()):
        url = f"{BOARDS}/{board_id}"
        answers = [
            await client.get(url),
            await client.patch(url, json={"name": "mine"}),
            await client.delete(url),
            await client.get(f"{url}/tasks"),
            await client.post(f"{url}/tasks", json={"title": "t"}),
            await client.get(f"{url}/tasks/{stranger.task}"),
            await client.patch(f"{url}/tasks/{stranger.task}", json={"title": "t"}),
            await client.delete(f"{url}/tasks/{stranger.task}"),
            await client.get(f"{url}/tasks/{stranger.task}/comments"),
            await client.post(f"{url}/tasks/{stranger.task}/comments", json={"message": "m"}),
        ]
        assert {(answer.status_code, answer.json()["detail"]) for answer in answers} == {
            (404, "There is no such object here.")
        }
    assert (await client.get(BOARDS)).json()["items"] == []
    assert query(database_url, "SELECT name FROM boards") == [("b",)]


@pytest.mark.parametrize("rights", RIGHTS)
async def test_member_reads_and_writes_what_he_was_granted(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str, rights: Rights
) -> None:
    task = (await client.post(tasks_url, json={"title": "t"})).json()
    rights.give(database_url, board["id"])
    url = f"{BOARDS}/{board['id']}"
    reading = [await client.get(url), await client.get(tasks_url), await client.get(f"{tasks_url}/{task['id']}")]
    writing = [
        await client.patch(url, json={"name": "n"}),
        await client.patch(f"{tasks_url}/{task['id']}", json={"title": "n"}),
    ]
    read, written = rights.statuses()
    assert {answer.status_code for answer in reading} == {read}
    assert {answer.status_code for answer in writing} == {written}
    assert len((await client.get(BOARDS)).json()["items"]) == (1 if read == 200 else 0)


async def test_member_without_write_everywhere_creates_no_board(
    client: httpx.AsyncClient, me: Any, database_url: str
) -> None:
    become(database_url, "member", reads=True)
    assert (await client.post(BOARDS, json=MINIMAL)).status_code == 403


async def test_list_is_paged_by_cursor_and_by_offset(client: httpx.AsyncClient) -> None:
    for n in range(5):
        await client.post(BOARDS, json={**MINIMAL, "slug": f"b{n}"})
    first = await client.get(BOARDS, params={"limit": 2})
    assert first.json()["total"] == 5
    seen, page = [], first
    while True:
        body = page.json()
        seen += [board["slug"] for board in body["items"]]
        if body["next_cursor"] is None:
            assert "link" not in page.headers
            break
        assert page.headers["link"].endswith('; rel="next"')
        page = await client.get(page.headers["link"].split(">")[0][1:])
        assert page.json()["total"] is None
    assert seen == ["b4", "b3", "b2", "b1", "b0"]
    by_offset = (await client.get(BOARDS, params={"limit": 2, "offset": 3})).json()
    assert [board["slug"] for board in by_offset["items"]] == ["b1", "b0"]


@pytest.mark.parametrize(
    ("query_string", "pointer"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=ten", "limit"),
        ("offset=-1", "offset"),
        ("offset=99999999999999999999", "offset"),
        ("cursor=nonsense", "cursor"),
        ("cursor=a&offset=1", "cursor"),
        ("board_group_id=x", "board_group_id"),
    ],
)
async def test_wrong_parameter_is_400_and_named(client: httpx.AsyncClient, query_string: str, pointer: str) -> None:
    response = await client.get(f"{BOARDS}?{query_string}")
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


async def test_cursor_of_another_list_is_refused(client: httpx.AsyncClient) -> None:
    for n in range(2):
        await client.post("/api/v1/tags", json={"name": f"t{n}"})
    cursor = (await client.get("/api/v1/tags", params={"limit": 1})).json()["next_cursor"]
    assert (await client.get(BOARDS, params={"cursor": cursor})).json()["code"] == "invalid_cursor"


async def test_json_that_is_null_is_sql_null(
    client: httpx.AsyncClient, board: dict[str, Any], database_url: str
) -> None:
    await client.patch(f"{BOARDS}/{board['id']}", json={"success_metrics": {"knots": 12}})
    await client.patch(f"{BOARDS}/{board['id']}", json={"success_metrics": None})
    assert query(database_url, "SELECT success_metrics IS NULL FROM boards") == [(True,)]

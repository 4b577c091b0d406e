"""Custom fields: who defines them, what a definition may say, and what a change of one leaves of the values."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from app.services.custom_fields import MAX_FIELDS
from tests.integration.conftest import SignIn, Staff, Stranger
from tests.support.api import BOARDS, FIELDS, define, redefine, register
from tests.support.boards import become, grant
from tests.support.database import insert, query


@pytest.fixture
def foreign_field(stranger: Stranger, database_url: str) -> UUID:
    theirs = {"organization_id": stranger.organization}
    field = insert(database_url, "custom_fields", **theirs, field_key="secret", label="Secret", field_type="text")
    query(
        database_url,
        "INSERT INTO custom_field_boards (organization_id, board_id, custom_field_id) VALUES (:owner, :board, :id)",
        owner=stranger.organization,
        board=stranger.board,
        id=field,
    )
    return field


async def test_definition_has_every_field_and_is_listed(
    client: httpx.AsyncClient, board: dict[str, Any], second: dict[str, Any]
) -> None:
    response = await client.post(
        FIELDS, json={"field_key": "sail_no", "board_ids": [second["id"], board["id"], second["id"]]}
    )
    field = response.json()
    assert response.status_code == 201
    assert response.headers["location"] == f"{FIELDS}/{field['id']}"
    assert (await client.get(response.headers["location"])).json() == field
    assert field | {"id": "", "created_at": "", "updated_at": ""} == {
        "id": "",
        "organization_id": board["organization_id"],
        "field_key": "sail_no",
        "label": "sail_no",
        "field_type": "text",
        "ui_visibility": "always",
        "validation_regex": None,
        "description": None,
        "required": False,
        "default_value": None,
        "board_ids": sorted([board["id"], second["id"]]),
        "created_at": "",
        "updated_at": "",
    }
    other = await define(
        client,
        board,
        "port",
        label="Port",
        ui_visibility="if_set",
        validation_regex="[A-Z]{3}",
        description="of call",
        required=True,
        default_value="HAM",
    )
    assert other["label"] == "Port"
    assert (await client.get(FIELDS)).json() == [field, other]
    assert (await client.get(f"{FIELDS}/{other['id']}")).json() == other


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"field_key": "Sail"}, "/field_key"),
    ({"field_key": "1st"}, "/field_key"),
    ({"field_key": "a-b"}, "/field_key"),
    ({"field_key": "a\n"}, "/field_key"),
    ({"field_key": "a" * 65}, "/field_key"),
    ({"label": " "}, "/label"),
    ({"field_type": "money"}, "/field_type"),
    ({"ui_visibility": "never"}, "/ui_visibility"),
    ({"board_ids": []}, "/board_ids"),
    ({"board_ids": [str(uuid4())]}, "/board_ids"),
    ({"validation_regex": "("}, "/validation_regex"),
    ({"validation_regex": r"(a)\1"}, "/validation_regex"),
    ({"validation_regex": "(?=a)"}, "/validation_regex"),
    ({"validation_regex": "((a{100}){100}){100}"}, "/validation_regex"),
    ({"validation_regex": "a" * 501}, "/validation_regex"),
    ({"validation_regex": "a\x00"}, "/validation_regex"),
    ({"validation_regex": "[0-9]+", "field_type": "integer"}, "/validation_regex"),
    ({"validation_regex": "https:.*", "field_type": "url"}, "/validation_regex"),
    ({"validation_regex": "[a-c]", "default_value": "d"}, "/default_value"),
    ({"field_type": "integer", "default_value": "1"}, "/default_value"),
    ({"default_value": "a\x00"}, "/default_value"),
    ({"colour": "red"}, "/colour"),
]


async def test_definition_that_does_not_fit_is_400_and_named(client: httpx.AsyncClient, board: dict[str, Any]) -> None:
    field = await define(client, board)
    for fields, pointer in REFUSED:
        refused = await client.post(FIELDS, json={"field_key": "k", "board_ids": [board["id"]], **fields})
        assert refused.status_code == 400, (fields, refused.text)
        assert [error["pointer"] for error in refused.json()["errors"]] == [pointer], fields
        if "field_key" not in fields:
            assert (await redefine(client, field, **fields)).json()["errors"] == refused.json()["errors"]
    assert (await client.get(FIELDS)).json() == [field]


async def test_key_is_unique_in_the_organization_and_stays(
    client: httpx.AsyncClient, board: dict[str, Any], foreign_field: UUID
) -> None:
    body = {"field_key": "secret", "board_ids": [board["id"]]}
    answers = await asyncio.gather(*(client.post(FIELDS, json=body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409], "the other organization's is apart"
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"field_key_taken"}
    (field,) = (await client.get(FIELDS)).json()
    assert (await redefine(client, field, field_key="other")).status_code == 400


async def test_change_tells_null_from_not_sent(client: httpx.AsyncClient, board: dict[str, Any]) -> None:
    field = await define(
        client, board, label="Ticket", validation_regex="[A-Z]+", description="d", default_value="A", required=True
    )
    changed = (await redefine(client, field, label="No.")).json()
    assert changed["updated_at"] > field["updated_at"]
    assert changed == field | {"label": "No.", "updated_at": changed["updated_at"]}
    nothing = {"label": None, "validation_regex": None, "description": None, "default_value": None}
    cleared = (await redefine(client, field, **nothing)).json()
    assert cleared == field | nothing | {"label": "ticket", "updated_at": cleared["updated_at"]}


async def test_change_of_its_boards_is_a_change_of_the_field(
    client: httpx.AsyncClient, board: dict[str, Any], second: dict[str, Any]
) -> None:
    # The board that comes first in their order is added to the field as the second.
    field, other = await define(client, second), await define(client, board, "other")
    boards = sorted([second["id"], board["id"]])
    changed = (await redefine(client, field, board_ids=boards[::-1])).json()
    assert changed == field | {"board_ids": boards, "updated_at": changed["updated_at"]}
    assert changed["updated_at"] > field["updated_at"]
    assert (await client.get(FIELDS)).json() == [changed, other]


async def test_default_has_to_fit_what_the_field_becomes(client: httpx.AsyncClient, board: dict[str, Any]) -> None:
    field = await define(client, board, default_value="seven")
    refused = await redefine(client, field, field_type="integer")
    assert [error["pointer"] for error in refused.json()["errors"]] == ["/default_value"]
    assert (await redefine(client, field, field_type="integer", default_value=7)).json()["default_value"] == 7
    moment = {"field_type": "date_time", "default_value": "2026-11-23T12:00:00+02:00"}
    assert (await redefine(client, field, **moment)).json()["default_value"] == "2026-11-23T10:00:00Z"


async def test_owners_and_admins_define_and_members_read(
    client: httpx.AsyncClient, board: dict[str, Any], second: dict[str, Any], staff: Staff, database_url: str
) -> None:
    field = await define(client, board)
    elsewhere = await define(client, second, "elsewhere")
    both = await define(client, board, "both", board_ids=[board["id"], second["id"]])
    tasks = f"{BOARDS}/{board['id']}/tasks"
    await client.post(tasks, json={"title": "t"})
    (listed,) = (await client.get(tasks)).json()["items"]
    assert listed["custom_field_values"] == {"both": None, "ticket": None}
    staff.i_am("admin")
    assert (await redefine(client, field, label="by an admin")).status_code == 200
    become(database_url, "member")
    assert (await client.get(FIELDS)).json() == []
    grant(database_url, board["id"], reads=True, writes=True)
    shown = (await client.get(FIELDS)).json()
    assert [(found["field_key"], found["board_ids"]) for found in shown] == [
        ("ticket", [board["id"]]),
        ("both", [board["id"]]),
    ]
    become(database_url, "member", reads=True, writes=True)
    assert [found["id"] for found in (await client.get(FIELDS)).json()] == [field["id"], elsewhere["id"], both["id"]]
    for refused in (
        await client.post(FIELDS, json={"field_key": "mine", "board_ids": [board["id"]]}),
        await redefine(client, field, label="mine"),
        await client.delete(f"{FIELDS}/{field['id']}"),
    ):
        assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_agent_reads_the_fields_of_its_board_alone(
    client: httpx.AsyncClient, board: dict[str, Any], second: dict[str, Any], signed_in: SignIn
) -> None:
    field = await define(client, board, board_ids=[board["id"], second["id"]])
    await define(client, second, "elsewhere")
    agent = await signed_in(await register(client, board))
    assert (await agent.get(FIELDS)).json() == [field | {"board_ids": [board["id"]]}]
    assert (await agent.delete(f"{FIELDS}/{field['id']}")).json()["code"] == "people_only"


async def test_another_organizations_field_is_not_there(
    client: httpx.AsyncClient, board: dict[str, Any], stranger: Stranger, foreign_field: UUID, database_url: str
) -> None:
    url = f"{FIELDS}/{foreign_field}"
    assert (await client.get(FIELDS)).json() == []
    assert (await client.get(url)).status_code == 404
    assert (await client.patch(url, json={"label": "mine"})).status_code == 404
    assert (await client.delete(url)).status_code == 404
    field = await define(client, board)
    for refused in (
        await client.post(FIELDS, json={"field_key": "k", "board_ids": [str(stranger.board)]}),
        await redefine(client, field, board_ids=[board["id"], str(stranger.board)]),
    ):
        assert (refused.status_code, refused.json()["code"]) == (400, "unknown_reference")
    tasks = await client.post(
        f"{BOARDS}/{board['id']}/tasks", json={"title": "t", "custom_field_values": {"secret": "x"}}
    )
    assert tasks.json()["errors"][0]["pointer"] == "/custom_field_values/secret"
    assert query(database_url, "SELECT label FROM custom_fields WHERE id = :id", id=foreign_field) == [("Secret",)]


async def test_organization_has_so_many_fields_at_most(
    client: httpx.AsyncClient, board: dict[str, Any], foreign_field: UUID, database_url: str
) -> None:
    """Others' do not count."""
    query(
        database_url,
        "INSERT INTO custom_fields (id, organization_id, field_key, label, field_type)"
        " SELECT gen_random_uuid(), :organization, 'f' || n, '', 'text' FROM generate_series(2, :most) AS n",
        organization=board["organization_id"],
        most=MAX_FIELDS,
    )
    answers = await asyncio.gather(
        *(client.post(FIELDS, json={"field_key": key, "board_ids": [board["id"]]}) for key in "abc")
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert {answer.json().get("code") for answer in answers} == {None, "too_many_custom_fields"}


async def test_values_go_with_the_definition_and_hide_with_the_board(
    client: httpx.AsyncClient, board: dict[str, Any], second: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    field = await define(client, board)
    task = (await client.post(tasks_url, json={"title": "t", "custom_field_values": {"ticket": "A-1"}})).json()

    async def values() -> dict[str, Any]:
        return (await client.get(f"{tasks_url}/{task['id']}")).json()["custom_field_values"]

    assert (await redefine(client, field, board_ids=[second["id"]])).json()["board_ids"] == [second["id"]]
    assert await values() == {}
    assert [listed["custom_field_values"] for listed in (await client.get(tasks_url)).json()["items"]] == [{}]
    refused = await client.patch(f"{tasks_url}/{task['id']}", json={"custom_field_values": {"ticket": "A-2"}})
    assert refused.json()["errors"][0]["pointer"] == "/custom_field_values/ticket"
    assert (await redefine(client, field, field_type="integer")).json()["code"] == "custom_field_in_use", (
        "it comes back"
    )
    await redefine(client, field, board_ids=[second["id"], board["id"]])
    assert await values() == {"ticket": "A-1"}
    assert (await client.delete(f"{FIELDS}/{field['id']}")).status_code == 204
    assert (await client.delete(f"{FIELDS}/{field['id']}")).status_code == 404
    assert await values() == {}
    assert query(database_url, "SELECT count(*) FROM custom_field_values") == [(0,)]


@pytest.mark.parametrize(
    ("defined", "value", "changes", "status"),
    [
        ({}, "seven", {"field_type": "integer"}, 409),
        ({}, "seven", {"field_type": "text_long"}, 200),
        ({}, "https://deck.example", {"field_type": "url"}, 200),
        ({}, "2026-11-23T12:00:00+02:00", {"field_type": "date_time"}, 409),
        ({"field_type": "text_long"}, "x" * 501, {"field_type": "text"}, 409),
        ({"field_type": "decimal"}, 1.5, {"field_type": "integer"}, 409),
        ({"field_type": "integer"}, 1, {"field_type": "boolean"}, 409),
        ({"field_type": "boolean"}, True, {"field_type": "decimal"}, 409),
        ({"field_type": "integer"}, 1, {"field_type": "json"}, 200),
        ({}, "A-1", {"validation_regex": "[a-z]+"}, 409),
        ({}, "A-1", {"validation_regex": "[A-Z]-[0-9]+"}, 200),
        ({"validation_regex": "A.*"}, "A-1", {"validation_regex": None}, 200),
        ({}, "A-1", {"required": True, "default_value": "B", "description": "d"}, 200),
    ],
)
async def test_change_under_which_a_value_would_not_stand_is_refused(
    client: httpx.AsyncClient,
    board: dict[str, Any],
    tasks_url: str,
    defined: dict[str, Any],
    value: object,
    changes: dict[str, Any],
    status: int,
) -> None:
    field, other = await define(client, board, **defined), await define(client, board, "other")
    for given in (value, None):
        sent = {"ticket": given, "other": "a value that would stand under nothing"}
        await client.post(tasks_url, json={"title": "t", "custom_field_values": sent})
    answer = await redefine(client, field, **changes)
    assert answer.status_code == status, answer.text
    if status == 409:
        assert answer.json()["code"] == "custom_field_in_use"
        assert (await client.get(FIELDS)).json() == [field, other]
    shown = [task["custom_field_values"]["ticket"] for task in (await client.get(tasks_url)).json()["items"]]
    assert shown == [None, value]


async def test_field_of_a_deleted_board_stays_without_it(client: httpx.AsyncClient, board: dict[str, Any]) -> None:
    field = await define(client, board)
    assert (await client.delete(f"{BOARDS}/{board['id']}")).status_code == 204
    assert (await client.get(FIELDS)).json() == [field | {"board_ids": []}]

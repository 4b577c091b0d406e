"""The examples of the OpenAPI document, sent to the application as they are: the interactive page offers them."""

from typing import Any

import httpx
import pytest
from litestar import Litestar
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.openapi.examples import examples_of
from tests.conftest import client_of
from tests.integration.conftest import Staff
from tests.support.api import FIELDS, register
from tests.support.database import query
from tests.support.furnished import People, ids_for_paths
from tests.support.openapi import Operation, api, resolved
from tests.support.operations import KINDS

# What cannot be left out and is not known before: whoever tries it puts one of his in, as in the path.
PUT_IN = {
    ("set_active_organization", "organization_id"),
    ("create_custom_field", "board_ids"),
    ("accept_invite", "token"),
}


def bodies(operation: Operation) -> list[Any]:
    content = operation.described.get("requestBody", {}).get("content", {}).get("application/json", {})
    given = [resolved(one)["value"] for one in content.get("examples", {}).values()]
    return given or ([content["example"]] if "example" in content else [])


async def test_every_example_does_what_it_is_an_example_of(
    app: Litestar, client: httpx.AsyncClient, staff: Staff, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each by itself, on an organization with one of everything, since none is stored."""
    ids = await ids_for_paths(client, staff, "fore")
    # The other task waits for it, and the other field has values.
    ids["task_id"] = ids["depends_on_task_ids"]
    field = {"field_key": "unused", "board_ids": [ids["board_id"]]}
    ids["task_custom_field_definition_id"] = (await client.post(FIELDS, json=field)).json()["id"]
    agent = await register(client, {"id": ids["board_id"]})
    query(database_url, "UPDATE agents SET is_board_lead = false")
    query(database_url, "UPDATE agents SET is_board_lead = true WHERE id = :id", id=agent["id"])
    people = People(database_url)
    they = people.user()
    people.organization(they)
    async with client_of(app, people.token(they).secret) as theirs:
        invite = (await theirs.post("/api/v1/organizations/me/invites", json={"invited_email": "a@b.example"})).json()
    own = {**ids, "token": invite["token"], "board_ids": [ids["board_id"]]}
    monkeypatch.setattr(AsyncSession, "commit", AsyncSession.rollback)
    tried, wrong = set(), []
    for operation in api():
        for body in bodies(operation):
            tried.add(operation.id)
            put_in = {name: own[name] for known, name in PUT_IN if known == operation.id}
            assert not {name for name in body if name in KINDS} - put_in.keys(), operation.id
            is_agents = operation.path.startswith("/api/v1/agent/")
            signed_in = {"Authorization": f"Bearer {agent['token']}"} if is_agents else {}
            answer = await client.request(
                operation.method, operation.path.format(**ids), json={**body, **put_in}, headers=signed_in
            )
            if answer.status_code >= 300:
                wrong.append((operation.id, body, answer.text))
    assert not wrong
    assert len(tried) >= 38


STRING = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        (STRING, "Mot juste"),
        ({"anyOf": [{"type": "null"}, STRING]}, "Mot juste"),
        ({**STRING, "maxLength": 3}, "Mot"),
        ({**STRING, "minLength": 12}, "Mot juste..."),
        ({**STRING, "format": "date-time"}, "2026-11-23T10:00:00Z"),
        ({**STRING, "format": "date"}, "2026-11-23"),
        ({**STRING, "format": "time"}, "10:00:00Z"),
        ({**STRING, "format": "duration"}, "PT1H"),
        ({**STRING, "format": "decimal"}, "1.5"),
        ({**STRING, "contentEncoding": "base64"}, "YWJj"),
        ({**STRING, "examples": ["mot"]}, "mot"),
        ({**STRING, "pattern": "^x$"}, "Mot juste"),
        ({"enum": ["a", "b"]}, "a"),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "maximum": -5}, -5),
        ({"type": "number", "exclusiveMinimum": 1}, 2),
        ({"type": "boolean"}, False),
        ({"type": "object"}, {}),
        ({"type": "array", "items": STRING}, ["Mot juste"]),
        ({"type": "array", "minItems": 2}, ["Mot juste", "Mot juste"]),
        ({"type": "array"}, ["Mot juste"]),
        ({"type": "null"}, None),
        ({}, "Mot juste"),
    ],
    ids=str,
)
def test_field_that_nobody_has_thought_of_has_an_example_by_its_type(schema: dict[str, Any], expected: object) -> None:
    assert examples_of({"MottoCreate": {"properties": {"mot_juste": schema}}})["MottoCreate"]["mot_juste"] == expected


@pytest.mark.parametrize(
    ("name", "schema", "expected"),
    [
        ("title", {"type": "integer"}, 1),
        ("name", {**STRING, "format": "date-time"}, "2026-11-23T10:00:00Z"),
        ("status", {"enum": ["open", "shut"]}, "open"),
        ("value", {**STRING, "maxLength": 5}, "Value"),
        ("confidence", {"type": "boolean"}, False),
    ],
)
def test_field_of_a_known_name_that_is_something_else_has_an_example_by_its_type(
    name: str, schema: dict[str, Any], expected: object
) -> None:
    assert examples_of({"MottoCreate": {"properties": {name: schema}}})["MottoCreate"][name] == expected


def test_what_is_sent_names_nothing_that_it_can_do_without() -> None:
    named = {"type": "string", "format": "uuid"}
    grant = {"properties": {"board_id": named}, "required": ["board_id"]}
    many = {"type": "array", "items": {"$ref": "#/components/schemas/Grant"}}
    fields: dict[str, Any] = {
        "must_id": named,
        "one_id": {"anyOf": [named, {"type": "null"}]},
        "ids": {"type": "array", "items": named},
    }
    sent: dict[str, Any] = {
        "properties": {**fields, "grants": many},
        "required": ["must_id"],
        "additionalProperties": False,
    }
    examples = examples_of({"Grant": grant, "GrantsCreate": sent, "GrantsRead": {"properties": sent["properties"]}})
    assert examples["GrantsCreate"].keys() == {"must_id"}
    assert examples["GrantsRead"].keys() == sent["properties"].keys()

"""What tasks have in custom fields: which values, defaults, what a change leaves, races with definitions, cost."""

import asyncio
import json
import time
from typing import Any

import httpx
import pytest
from litestar import Litestar

from app.models import FieldType
from app.services.custom_field_values import MAX_OF_TASK
from tests.support.api import FIELDS, define, redefine
from tests.support.database import holding, query
from tests.support.sent_statements import statements

LOCK_FIELD = "SELECT FROM custom_fields WHERE id = :id FOR UPDATE"


async def create(client: httpx.AsyncClient, url: str, /, **values: Any) -> httpx.Response:
    return await client.post(url, json={"title": "t", "custom_field_values": values})


def pointers(response: httpx.Response) -> list[str]:
    assert response.status_code == 400, response.text
    return [error["pointer"] for error in response.json()["errors"]]


DEEP: Any = 1
for _ in range(16):
    DEEP = [DEEP]


KEPT = [
    ("text", "x" * 500, "x" * 500),
    ("text", "", ""),
    ("text_long", "é\n" * 10_000, "é\n" * 10_000),
    ("integer", 2**53 - 1, 2**53 - 1),
    ("integer", -(2**53) + 1, -(2**53) + 1),
    ("decimal", 0.1, 0.1),
    ("decimal", 123456789012.345, 123456789012.345),
    ("decimal", 999999999999999, 999999999999999),
    ("decimal", 5.0, 5),
    ("decimal", -0.0, 0),
    ("decimal", 1e14, 100000000000000),
    ("decimal", 1e-12, 1e-12),
    ("boolean", False, False),
    ("date", "2028-02-29", "2028-02-29"),
    ("date_time", "2026-11-23T12:00:00.5+02:00", "2026-11-23T10:00:00.500000Z"),
    ("date_time", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"),
    ("url", "https://deck.example:8443/a?b=c#d", "https://deck.example:8443/a?b=c#d"),
    ("url", "http://[::1]/", "http://[::1]/"),
    ("json", {"b": [1, 1e308, 2**70, None], "a": 0.1}, {"b": [1, 1e308, 2**70, None], "a": 0.1}),
    ("json", False, False),
    ("json", DEEP, DEEP),
]


@pytest.fixture
async def of_each_type(client: httpx.AsyncClient, board: dict[str, Any]) -> None:
    """The board has a field of each type, whose key is the type."""
    for field_type in FieldType:
        await define(client, board, field_type, field_type=field_type)


@pytest.mark.usefixtures("of_each_type")
async def test_value_is_read_back_as_it_was_sent_or_in_its_one_form(client: httpx.AsyncClient, tasks_url: str) -> None:
    for field_type, value, kept in KEPT:
        created = await create(client, tasks_url, **{field_type: value})
        assert created.status_code == 201, (field_type, value, created.text)
        shown = created.json()["custom_field_values"][field_type]
        assert (shown, type(shown)) == (kept, type(kept))
        # Byte for byte, as its ETag tells.
        assert (await client.get(created.headers["location"])).text == created.text
        # What is shown may be sent back.
        again = await client.patch(created.headers["location"], json={"custom_field_values": {field_type: shown}})
        assert again.json()["custom_field_values"] == created.json()["custom_field_values"]
        # Byte for byte: a list reads the values by another statement.
        assert again.text in (await client.get(tasks_url)).text


REFUSED = [
    ("text", 1),
    ("text", "x" * 501),
    ("text", ["x"]),
    ("text_long", "x" * 20_001),
    ("integer", 1.0),
    ("integer", True),
    ("integer", "1"),
    ("integer", 2**53),
    ("integer", 10**300),
    ("decimal", "1.5"),
    ("decimal", False),
    ("decimal", 10**15),
    ("decimal", 10**300),
    ("decimal", 1e308),
    ("decimal", 0.1 + 0.2),
    ("decimal", 1e-13),
    ("boolean", 0),
    ("boolean", "true"),
    ("date", "2027-02-29"),
    ("date", "20270201"),
    ("date", "2027-02-01T00:00:00Z"),
    ("date", 20270201),
    ("date_time", "2026-11-23T12:00:00"),
    ("date_time", "2026-11-23"),
    ("date_time", "0001-01-01T00:00:00+01:00"),
    ("date_time", 1700000000),
    ("url", "ftp://deck.example"),
    ("url", "javascript:alert(1)"),
    ("url", "https://"),
    ("url", "https://user:secret@deck.example/"),
    ("url", "https://deck.example/a b"),
    ("url", "https://deck.example/\n"),
    ("url", "https://deck.example/" + "x" * 2_048),
    ("json", {"a": "x" * 10_000}),
    ("json", [DEEP]),
]


@pytest.mark.usefixtures("of_each_type")
async def test_value_of_another_kind_is_400_and_named(client: httpx.AsyncClient, tasks_url: str) -> None:
    task = (await create(client, tasks_url)).json()
    for field_type, value in REFUSED:
        sent = {field_type: value}
        assert pointers(await create(client, tasks_url, **sent)) == [f"/custom_field_values/{field_type}"], sent
        patched = await client.patch(f"{tasks_url}/{task['id']}", json={"custom_field_values": sent})
        assert pointers(patched) == [f"/custom_field_values/{field_type}"], sent


@pytest.mark.usefixtures("of_each_type")
async def test_what_cannot_be_kept_is_400_never_500(client: httpx.AsyncClient, tasks_url: str) -> None:
    for value in ("1e400", "1" * 5_000, '"\\ud800"', '"\\u0000"', "[" * 40 + "]" * 40, "NaN"):
        for field_type in ("text", "decimal", "json"):
            body = f'{{"title": "t", "custom_field_values": {{"{field_type}": {value}}}}}'
            refused = await client.post(tasks_url, content=body, headers={"content-type": "application/json"})
            assert refused.status_code == 400, (field_type, value, refused.text)


async def test_every_problem_is_named_at_once(client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str) -> None:
    await define(client, board, "count", field_type="integer")
    await define(client, board, "owner", required=True)
    assert sorted(pointers(await create(client, tasks_url, count="1", colour="red"))) == [
        "/custom_field_values/colour",
        "/custom_field_values/count",
        "/custom_field_values/owner",
    ]


async def test_pattern_holds_the_whole_text(client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str) -> None:
    await define(client, board, validation_regex="[A-Z]+-[0-9]+")
    assert (await create(client, tasks_url, ticket="DECK-7")).status_code == 201
    for value in ("DECK-7 ", "a DECK-7", "DECK-7\n", ""):
        assert pointers(await create(client, tasks_url, ticket=value)) == ["/custom_field_values/ticket"]


async def test_no_pattern_hangs_the_server(client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str) -> None:
    field = await define(client, board, field_type="text_long")
    for pattern in ("(a+)+", "(a|a|aa)*b?c", "(.*.*)*=", "((((.*a){5}){5}){5}){3}", "(a?){500}a{500}"):
        assert (await redefine(client, field, validation_regex=pattern)).status_code == 200
        # The time that this thread has worked: the pattern is matched here, and the rest is waiting.
        began = time.thread_time()
        assert pointers(await create(client, tasks_url, ticket="a" * 1_999 + "!")) == ["/custom_field_values/ticket"]
        assert pointers(await create(client, tasks_url, ticket="a" * 2_001)) == ["/custom_field_values/ticket"]
        assert time.thread_time() - began < 1, pattern


async def test_defaults_and_required_fields_of_a_new_task(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str
) -> None:
    old = (await create(client, tasks_url)).json()
    await define(client, board, "count", field_type="integer", default_value=0, required=True)
    await define(client, board, "flag", field_type="boolean", default_value=False)
    await define(client, board, "owner", required=True)
    assert pointers(await create(client, tasks_url)) == ["/custom_field_values/owner"]
    assert pointers(await create(client, tasks_url, owner=None)) == ["/custom_field_values/owner"]
    created = (await create(client, tasks_url, owner="Bosun", flag=None)).json()
    assert created["custom_field_values"] == {"count": 0, "flag": None, "owner": "Bosun"}
    assert (await create(client, tasks_url, owner="Bosun")).json()["custom_field_values"]["flag"] is False
    url = f"{tasks_url}/{old['id']}"
    unset = {"count": None, "flag": None, "owner": None}
    assert (await client.get(url)).json()["custom_field_values"] == unset, "defaults are for new tasks"
    assert (await client.patch(url, json={"title": "x"})).json()["custom_field_values"] == unset


async def test_change_merges_and_null_clears_unless_required(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    for key in ("a", "b"):
        await define(client, board, key)
    await define(client, board, "c", required=True)
    task = (await create(client, tasks_url, a="1", b="2", c="3")).json()
    url = f"{tasks_url}/{task['id']}"

    async def patch(**values: Any) -> httpx.Response:
        return await client.patch(url, json={"custom_field_values": values})

    changed = (await patch(a="9")).json()
    assert changed["custom_field_values"] == {"a": "9", "b": "2", "c": "3"}
    assert changed["updated_at"] > task["updated_at"], "a change of the task"
    assert (await patch(b=None)).json()["custom_field_values"] == {"a": "9", "b": None, "c": "3"}
    assert query(database_url, "SELECT value::text FROM custom_field_values ORDER BY 1") == [('"3"',), ('"9"',)]
    assert pointers(await patch(a="lost", c=None)) == ["/custom_field_values/c"]
    unchanged = await client.patch(url, json={"custom_field_values": None})
    assert unchanged.json()["custom_field_values"] == {"a": "9", "b": None, "c": "3"}
    assert (await patch()).json()["custom_field_values"] == {"a": "9", "b": None, "c": "3"}
    events = (await client.get("/api/v1/activity")).json()["items"]
    assert ("task.updated", "custom_field_values") in [(event["event_type"], event["message"]) for event in events]


async def test_two_changes_of_different_fields_both_stay(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str
) -> None:
    for n in range(4):
        await define(client, board, f"f{n}")
    url = f"{tasks_url}/{(await create(client, tasks_url)).json()['id']}"
    bodies = [{"custom_field_values": {f"f{n}": str(n)}} for n in range(4)]
    answers = await asyncio.gather(*(client.patch(url, json=body) for body in bodies))
    assert {answer.status_code for answer in answers} == {200}
    assert (await client.get(url)).json()["custom_field_values"] == {f"f{n}": str(n) for n in range(4)}


async def test_values_of_a_task_are_limited_together(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str
) -> None:
    for n in range(4):
        await define(client, board, f"f{n}", field_type="text_long")
    large = {f"f{n}": "x" * 20_000 for n in range(4)}
    assert pointers(await create(client, tasks_url, **large)) == ["/custom_field_values"]
    created = await create(client, tasks_url, **{key: large[key] for key in ("f0", "f1", "f2")})
    last = {"custom_field_values": {"f3": large["f3"]}}
    assert pointers(await client.patch(created.headers["location"], json=last)) == ["/custom_field_values"]
    room = MAX_OF_TASK - len(json.dumps({**large, "f3": ""}, separators=(",", ":")))
    assert (await create(client, tasks_url, **{**large, "f3": "x" * room})).status_code == 201
    assert pointers(await create(client, tasks_url, **{**large, "f3": "x" * (room + 1)})) == ["/custom_field_values"]
    many = {f"k{n}": None for n in range(201)}
    assert pointers(await create(client, tasks_url, **many)) == ["/custom_field_values"]


async def race(database_url: str, field: dict[str, Any], *requests: Any) -> list[httpx.Response]:
    """The answers to requests that come one after the other to a field that something else holds."""
    tasks = []
    with holding(database_url, LOCK_FIELD, id=field["id"]) as wait_for_waiters:
        for count, request in enumerate(requests, start=1):
            tasks.append(asyncio.create_task(request))
            await asyncio.to_thread(wait_for_waiters, count)
    return await asyncio.gather(*tasks)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"field_type": "integer"}, "custom_field_in_use"),
        ({"validation_regex": "[0-9]+"}, "custom_field_in_use"),
        ({"label": "No."}, None),
    ],
)
async def test_definition_that_changes_after_a_value_was_written_sees_it(
    client: httpx.AsyncClient,
    board: dict[str, Any],
    tasks_url: str,
    database_url: str,
    changes: dict[str, Any],
    code: str | None,
) -> None:
    field = await define(client, board)
    created, changed = await race(
        database_url, field, create(client, tasks_url, ticket="A-1"), redefine(client, field, **changes)
    )
    assert (created.status_code, changed.json().get("code")) == (201, code)
    assert created.json()["custom_field_values"] == {"ticket": "A-1"}


async def test_value_that_waited_for_a_definition_follows_what_it_became(
    client: httpx.AsyncClient, board: dict[str, Any], second: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    task = (await create(client, tasks_url)).json()

    async def patched() -> httpx.Response:
        return await client.patch(f"{tasks_url}/{task['id']}", json={"custom_field_values": {"ticket": "A-1"}})

    for changes in ({"field_type": "integer"}, {"validation_regex": "[a-z]"}, {"board_ids": [second["id"]]}):
        field = await define(client, board)
        changed, late, too_late = await race(
            database_url,
            field,
            redefine(client, field, **changes),
            create(client, tasks_url, ticket="A-1"),
            patched(),
        )
        assert changed.status_code == 200
        assert pointers(late) == pointers(too_late) == ["/custom_field_values/ticket"]
        await client.delete(f"{FIELDS}/{field['id']}")
    assert query(database_url, "SELECT count(*) FROM custom_field_values") == [(0,)]


async def test_field_that_is_deleted_meanwhile_leaves_no_value(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    field = await define(client, board)
    delete = client.delete(f"{FIELDS}/{field['id']}")
    deleted, late = await race(database_url, field, delete, create(client, tasks_url, ticket="A-1"))
    assert (deleted.status_code, pointers(late)) == (204, ["/custom_field_values/ticket"])
    field = await define(client, board)
    delete = client.delete(f"{FIELDS}/{field['id']}")
    created, deleted = await race(database_url, field, create(client, tasks_url, ticket="A-1"), delete)
    assert (created.status_code, deleted.status_code) == (201, 204)
    assert query(database_url, "SELECT count(*) FROM custom_field_values") == [(0,)]


async def test_tasks_are_listed_in_as_many_statements_however_many_fields(
    app: Litestar, client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    await create(client, tasks_url)
    costs = await statements(app, client, tasks_url), await statements(app, client, FIELDS)
    assert costs == (5, 3)
    for n in range(20):
        await define(client, board, f"f{n}", default_value=f"v{n}")
    for _ in range(9):
        await create(client, tasks_url)
    assert (await statements(app, client, tasks_url), await statements(app, client, FIELDS)) == costs
    listed = (await client.get(tasks_url)).json()["items"]
    assert [set(task["custom_field_values"].values()) for task in listed] == [{f"v{n}" for n in range(20)}] * 9 + [
        {None}
    ]

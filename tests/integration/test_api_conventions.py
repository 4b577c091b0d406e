"""What holds for every operation: its query parameters, its conditions."""

import asyncio
import base64
import re
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import msgspec
import pytest
from litestar import Litestar
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from app.db.plugin import DatabasePlugin
from app.models import Board, Task
from app.repositories.search import matches
from tests.integration.conftest import Staff
from tests.migrations.conftest import holding
from tests.support.furnished import ids_for_paths
from tests.support.sent_statements import statements_of


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("state=done", "state"),
        ("limit=5&page=2", "page"),
        ("Limit=5", "Limit"),
        ("limit=5&limit=6", "limit"),
        ("status=done&status=inbox", "status"),
        ("offset=null", "offset"),
        ("unassigned=NULL", "unassigned"),
        ("assigned_agent_id=Null", "assigned_agent_id"),
        ("=", ""),
    ],
)
async def test_parameter_that_is_not_known_or_not_alone_is_named(
    client: httpx.AsyncClient, tasks_url: str, query: str, named: str
) -> None:
    response = await client.get(f"{tasks_url}?{query}")
    assert response.status_code == 400
    assert [error["pointer"] for error in response.json()["errors"]] == [named]


async def test_operation_without_parameters_takes_none(client: httpx.AsyncClient, board: dict[str, Any]) -> None:
    url = f"/api/v1/boards/{board['id']}"
    for response in (await client.get(f"{url}?x=1"), await client.patch(f"{url}?x=1", json={"name": "Other"})):
        assert response.status_code == 400
        assert response.json()["errors"] == [
            {"pointer": "x", "detail": "This operation has no such parameter. It knows none."}
        ]
    assert (await client.get(url)).json() == board


async def test_methods_of_a_path_are_told_to_everybody(app: Litestar, client: httpx.AsyncClient) -> None:
    for path, item in app.openapi_schema.to_schema()["paths"].items():
        if not path.startswith("/api/v1/"):
            continue
        url = re.sub(r"\{\w+\}", str(uuid4()), path)
        told = await client.options(url, headers={"Authorization": ""})
        assert told.status_code == 204, (path, told.text)
        methods = {method.upper() for method in item} | {"OPTIONS"} | ({"HEAD"} if "get" in item else set())
        assert set(told.headers["allow"].split(", ")) == methods, path
        refused = await client.request("TRACE", url)
        assert (refused.status_code, set(refused.headers["allow"].split(", "))) == (405, methods)


async def etag(client: httpx.AsyncClient, url: str) -> str:
    return (await client.get(url)).headers["etag"]


async def test_representation_has_a_tag_that_changes_with_it(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str
) -> None:
    made = await client.post(tasks_url, json={"title": "Splice"})
    url = f"{tasks_url}/{made.json()['id']}"
    assert made.headers["etag"] == await etag(client, url)
    changed = await client.patch(url, json={"title": "Splice it"})
    assert changed.headers["etag"] == await etag(client, url) != made.headers["etag"]
    tag = (await client.post("/api/v1/tags", json={"name": "urgent"})).json()
    await client.patch(url, json={"tag_ids": [tag["id"]]})
    assert await etag(client, url) != changed.headers["etag"]


async def test_what_the_client_has_is_not_sent_again(client: httpx.AsyncClient, tasks_url: str) -> None:
    first = await client.get(tasks_url)
    for sent in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
        again = await client.get(tasks_url, headers={"If-None-Match": sent})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]
    await client.post(tasks_url, json={"title": "Splice"})
    assert (await client.get(tasks_url, headers={"If-None-Match": first.headers["etag"]})).status_code == 200


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_change_is_refused_where_the_client_saw_something_older(
    client: httpx.AsyncClient, tasks_url: str, method: str
) -> None:
    task = (await client.post(tasks_url, json={"title": "Splice"})).json()
    url = f"{tasks_url}/{task['id']}"
    seen = await etag(client, url)
    await client.patch(url, json={"priority": "high"})
    body: dict[str, Any] = {"json": {"title": "Lost"}} if method == "PATCH" else {}
    refused = await client.request(method, url, headers={"If-Match": seen}, **body)
    assert (refused.status_code, refused.json()["code"]) == (412, "precondition_failed")
    assert refused.json()["etag"] == await etag(client, url)
    assert (await client.get(url)).json()["title"] == "Splice"
    accepted = await client.request(method, url, headers={"If-Match": f'"x", {await etag(client, url)}'}, **body)
    assert accepted.status_code in {200, 204}


async def test_weak_tag_matches_nothing(client: httpx.AsyncClient, tasks_url: str) -> None:
    task = (await client.post(tasks_url, json={"title": "Splice"})).json()
    url = f"{tasks_url}/{task['id']}"
    response = await client.patch(url, json={"title": "x"}, headers={"If-Match": f"W/{await etag(client, url)}"})
    assert response.status_code == 412


async def test_condition_on_what_is_not_there_is_a_404(client: httpx.AsyncClient, tasks_url: str) -> None:
    response = await client.patch(f"{tasks_url}/{uuid4()}", json={"title": "x"}, headers={"If-Match": "*"})
    assert response.status_code == 404


async def test_of_two_changes_of_what_both_saw_one_is_refused(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    task = (await client.post(tasks_url, json={"title": "Splice"})).json()
    for url, name in ((f"{tasks_url}/{task['id']}", "title"), (f"/api/v1/boards/{board['id']}", "name")):
        seen = {"If-Match": await etag(client, url)}
        with holding(database_url, "SELECT 1 FROM boards FOR UPDATE") as wait:
            both = [asyncio.create_task(client.patch(url, json={name: value}, headers=seen)) for value in "AB"]
            await asyncio.to_thread(wait, 2)
        assert sorted([(await response).status_code for response in both]) == [200, 412], url


async def test_every_change_of_what_can_be_read_can_be_conditional(
    app: Litestar, client: httpx.AsyncClient, staff: Staff
) -> None:
    """Each path that is read and changed, with a tag that is not its own, and then with its own."""
    made = await ids_for_paths(client, staff, "fore")
    document = app.openapi_schema.to_schema()
    tried = []
    for path, item in document["paths"].items():
        for method in {"patch", "delete"} & item.keys():
            # What agents have under a second path is read and changed by the same handlers.
            if "get" not in item or path.startswith("/api/v1/agent/"):
                continue
            url = path.format(**made)
            tried.append((method, path))
            body: dict[str, Any] = {"json": {}} if method == "patch" else {}
            stale = await client.request(method, url, headers={"If-Match": '"x"'}, **body)
            assert stale.status_code == 412, (method, path, stale.text)
            if method == "patch":
                assert stale.json()["etag"] == await etag(client, url)
                fresh = await client.request(method, url, headers={"If-Match": stale.json()["etag"]}, **body)
                assert fresh.status_code == 200, (method, path, fresh.text)
    assert len(tried) >= 16


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("title", ["A", "B", "C", "D", "E"]),
        ("-title", ["E", "D", "C", "B", "A"]),
        ("created_at", ["C", "A", "E", "B", "D"]),
        ("priority,title", ["C", "A", "E", "B", "D"]),
        ("-priority,title", ["B", "D", "A", "E", "C"]),
        ("due_at,title", ["B", "A", "C", "D", "E"]),
        ("-due_at,-title", ["E", "D", "C", "A", "B"]),
        ("-due_at, created_at", ["C", "E", "D", "A", "B"]),
    ],
)
async def test_list_is_sorted_as_asked_on_every_page(
    client: httpx.AsyncClient, tasks_url: str, sort: str, expected: list[str]
) -> None:
    for title, priority, due_at in (
        ("C", "low", None),
        ("A", "medium", "2026-12-02T00:00:00Z"),
        ("E", "medium", None),
        ("B", "high", "2026-12-01T00:00:00Z"),
        ("D", "high", None),
    ):
        body = {"title": title, "priority": priority, "due_at": due_at}
        assert (await client.post(tasks_url, json=body)).status_code == 201
    listed = (await client.get(tasks_url, params={"sort": sort})).json()["items"]
    assert [task["title"] for task in listed] == expected
    assert await pages(client, tasks_url, sort) == expected


async def pages(client: httpx.AsyncClient, url: str, sort: str) -> list[str]:
    """The titles of all pages of two, each by the link to it."""
    found: list[str] = []
    following: str | None = f"{url}?{urlencode({'sort': sort, 'limit': 2})}"
    while following:
        response = await client.get(following)
        assert response.status_code == 200, response.text
        found += [item["title"] for item in response.json()["items"]]
        following = response.links.get("next", {}).get("url")
    return found


@pytest.mark.parametrize(
    "sort", ["colour", "title,title", "title,-title", "-", ",", "--title", "title desc", "board_id"]
)
async def test_list_that_cannot_be_sorted_so_says_how_it_can(
    client: httpx.AsyncClient, tasks_url: str, sort: str
) -> None:
    response = await client.get(tasks_url, params={"sort": sort})
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["pointer"] == "sort"
    assert "created_at, updated_at, title, status, priority, due_at" in error["detail"]


async def test_empty_cursor_is_the_first_page_of_which_nothing_is_counted(
    app: Litestar, client: httpx.AsyncClient, tasks_url: str
) -> None:
    for title in "ABC":
        await client.post(tasks_url, json={"title": title})
    for url, sort in ((tasks_url, {"sort": "title"}), ("/api/v1/activity", {})):
        counted = (await client.get(url, params={**sort, "limit": 2})).json()
        async with statements_of(app) as seen:
            first = (await client.get(url, params={**sort, "limit": 2, "cursor": ""})).json()
        assert first == {**counted, "total": None}
        assert not any("count(" in statement.lower() for statement in seen)


async def test_cursor_of_another_order_or_with_other_values_is_refused(
    client: httpx.AsyncClient, tasks_url: str
) -> None:
    for title in "ABC":
        await client.post(tasks_url, json={"title": title})
    page = (await client.get(tasks_url, params={"sort": "title", "limit": 1})).json()
    assert (await client.get(tasks_url, params={"cursor": page["next_cursor"]})).status_code == 400
    list_name, keys, values = msgspec.msgpack.decode(base64.urlsafe_b64decode(page["next_cursor"] + "=="))
    forgeries: list[Any] = [[], values[:1], [1, values[1]], [None, values[1]], [values[0], "x"], [[], {}]]
    for forged in forgeries:
        packed = msgspec.msgpack.encode([list_name, keys, forged])
        cursor = base64.urlsafe_b64encode(packed).decode().rstrip("=")
        response = await client.get(tasks_url, params={"sort": "title", "cursor": cursor})
        assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor")


async def test_search_finds_words_by_their_stems_in_title_and_description(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str
) -> None:
    for title, description in (("Splice the mainbrace", None), ("Paint", "The splices, too"), ("Rest", None)):
        await client.post(tasks_url, json={"title": title, "description": description})

    async def found(url: str, search: str, name: str) -> list[str]:
        response = await client.get(url, params={"search": search, "sort": name})
        assert response.status_code == 200, response.text
        return [item[name] for item in response.json()["items"]]

    assert await found(tasks_url, "splicing", "title") == ["Paint", "Splice the mainbrace"]
    assert await found(tasks_url, '"splice the mainbrace"', "title") == ["Splice the mainbrace"]
    assert await found(tasks_url, "splice -paint", "title") == ["Splice the mainbrace"]
    assert await found(tasks_url, "rest or paint", "title") == ["Paint", "Rest"]
    assert await found(tasks_url, "' & | ! :* (", "title") == []
    assert await found("/api/v1/boards", "working", "name") == [board["name"]]
    assert await found("/api/v1/boards", "play", "name") == []


@pytest.mark.parametrize("table", ["tasks", "boards"])
async def test_search_is_answered_by_an_index(app: Litestar, client: httpx.AsyncClient, table: str) -> None:
    title, rest = {"tasks": (Task.title, Task.description), "boards": (Board.name, Board.description)}[table]
    async with app.plugins.get(DatabasePlugin).engine.connect() as connection:
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        condition = matches(title, rest, "word").compile(
            dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}
        )
        plan = (await connection.execute(text(f"EXPLAIN SELECT 1 FROM {table} WHERE {condition}"))).scalars().all()
    assert any(f"ix_{table}_search" in line for line in plan), plan

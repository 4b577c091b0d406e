"""Lists: their order on every page, cursors, and search."""

import base64
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
import pytest
from litestar import Litestar
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

from app.db.plugin import DatabasePlugin
from app.models import Board, Task
from app.repositories.search import matches
from tests.support.api import AGENTS, BOARDS, GROUPS, MEMBERS
from tests.support.sent_statements import statements_of


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("title", ["A", "B", "C", "D", "E"]),
        ("-title", ["E", "D", "C", "B", "A"]),
        ("created_at", ["C", "A", "E", "B", "D"]),
        ("priority", ["C", "A", "E", "B", "D"]),
        ("-status", ["D", "B", "E", "A", "C"]),
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
    for limit in (1, 2):
        assert await pages(client, tasks_url, sort, limit) == expected


async def pages(client: httpx.AsyncClient, url: str, sort: str, limit: int) -> list[str]:
    """The titles of all pages, each by the link to it."""
    found: list[str] = []
    following: str | None = f"{url}?{urlencode({'sort': sort, 'limit': limit})}"
    while following:
        response = await client.get(following)
        assert response.status_code == 200, response.text
        found += [item["title"] for item in response.json()["items"]]
        following = response.links.get("next", {}).get("url")
    return found


@pytest.mark.parametrize(
    "sort", ["colour", "title,title", "title,-title", "-", ",", "--title", "title desc", "board_id"]
)
async def test_wrong_sort_is_refused_with_the_fields_to_sort_by(
    client: httpx.AsyncClient, tasks_url: str, sort: str
) -> None:
    response = await client.get(tasks_url, params={"sort": sort})
    assert response.status_code == 400
    (error,) = response.json()["errors"]
    assert error["pointer"] == "sort"
    assert "created_at, updated_at, title, status, priority, due_at" in error["detail"]


async def test_each_list_is_sorted_by_its_own_fields_and_names_them(
    client: httpx.AsyncClient, crew: dict[str, Any]
) -> None:
    board = f"{BOARDS}/{crew['id']}"
    for url, fields in (
        (BOARDS, "updated_at, name"),
        (GROUPS, "updated_at, name"),
        ("/api/v1/tags", "updated_at, name"),
        (AGENTS, "updated_at, name, last_seen_at"),
        (f"{board}/approvals", "resolved_at, confidence"),
        (f"{board}/webhooks", "updated_at, description"),
        (MEMBERS, ""),
    ):
        sortable = ", ".join(filter(None, ["created_at", fields]))
        assert (await client.get(url, params={"sort": sortable})).status_code == 200, url
        refused = await client.get(url, params={"sort": "colour"})
        assert f"between: {sortable};" in refused.json()["errors"][0]["detail"], url


async def test_empty_cursor_gives_the_first_page_without_counting(
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


async def test_total_is_that_of_the_whole_list_on_each_page_and_beyond_the_end(
    client: httpx.AsyncClient, tasks_url: str
) -> None:
    for url in (tasks_url, "/api/v1/tags"):
        empty = (await client.get(url)).json()
        assert (empty["items"], empty["total"]) == ([], 0)
    for title in ("mast", "rope", "sail"):
        await client.post(tasks_url, json={"title": title})
    # A list of rows, with a condition, and one of entities.
    for url, query, total in ((tasks_url, {"search": "mast or sail"}, 2), ("/api/v1/boards", {}, 1)):
        for offset, shown in ((0, min(total, 2)), (total - 1, 1), (total, 0), (total + 5, 0)):
            page = (await client.get(url, params={**query, "limit": 2, "offset": offset})).json()
            assert (len(page["items"]), page["total"]) == (shown, total), (url, offset)


async def test_cursor_of_another_order_or_with_other_values_is_refused(
    client: httpx.AsyncClient, tasks_url: str
) -> None:
    for title in "ABC":
        await client.post(tasks_url, json={"title": title})
    page = (await client.get(tasks_url, params={"sort": "title", "limit": 1})).json()
    rest = (await client.get(tasks_url, params={"sort": "title", "limit": 2, "cursor": page["next_cursor"]})).json()
    assert ([item["title"] for item in rest["items"]], rest["total"], rest["next_cursor"]) == (["B", "C"], None, None)
    assert (await client.get(tasks_url, params={"cursor": page["next_cursor"]})).status_code == 400
    list_name, keys, values = msgspec.msgpack.decode(base64.urlsafe_b64decode(page["next_cursor"] + "=="))
    places: list[Any] = [[], values[:1], [1, values[1]], [None, values[1]], [values[0], "x"], [[], {}]]
    for forged in ([list_name, keys, values, "more"], *([list_name, keys, place] for place in places)):
        packed = msgspec.msgpack.encode(forged)
        cursor = base64.urlsafe_b64encode(packed).decode().rstrip("=")
        response = await client.get(tasks_url, params={"sort": "title", "cursor": cursor})
        assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor")
        assert [error["pointer"] for error in response.json()["errors"]] == ["cursor"]


async def test_cursor_with_a_moment_of_no_zone_is_refused(client: httpx.AsyncClient, tasks_url: str) -> None:
    for title in "AB":
        await client.post(tasks_url, json={"title": title})
    page = (await client.get(tasks_url, params={"limit": 1})).json()
    list_name, keys, values = msgspec.msgpack.decode(base64.urlsafe_b64decode(page["next_cursor"] + "=="))
    packed = msgspec.msgpack.encode([list_name, keys, ["2026-01-01T00:00:00", values[1]]])
    response = await client.get(tasks_url, params={"cursor": base64.urlsafe_b64encode(packed).decode().rstrip("=")})
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

"""Conditional requests: a tag that changes with what it is of, and a change that is refused because of one."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.conftest import Staff
from tests.support.database import holding
from tests.support.furnished import ids_for_paths
from tests.support.openapi import document

# One of these can be changed of whatever can be changed.
CHANGES = {"name": "Aft", "title": "Aft", "description": "aft", "status": "approved", "role": "admin"}


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


async def test_every_change_of_what_can_be_read_can_be_conditional(client: httpx.AsyncClient, staff: Staff) -> None:
    """Each path that is read and changed, with a tag that is not its own, and then with its own."""
    made = await ids_for_paths(client, staff, "fore")
    tried = []
    for path, item in document()["paths"].items():
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


async def test_answer_to_a_change_is_what_is_read_next(client: httpx.AsyncClient, staff: Staff) -> None:
    """The answer has the time of the change, too."""
    made = await ids_for_paths(client, staff, "fore")
    tried = []
    for path, item in document()["paths"].items():
        if not {"get", "patch"} <= item.keys() or path.startswith("/api/v1/agent/"):
            continue
        body = item["patch"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        name = next(name for name in CHANGES if name in document()["components"]["schemas"][body]["properties"])
        changed = await client.patch(path.format(**made), json={name: CHANGES[name]})
        assert changed.json()[name] == CHANGES[name], (path, changed.text)
        assert (await client.get(path.format(**made))).json() == changed.json(), path
        tried.append(path)
    assert len(tried) >= 9

"""`Idempotency-Key`: what is sent again is answered again, and done once."""

import asyncio
import base64
from typing import Any

import httpx
import pytest
from litestar import Litestar

from app.repositories.idempotency import KEPT_FOR
from tests.integration.conftest import AGENTS, SignIn, register
from tests.migrations.conftest import holding, query

KEY = {"Idempotency-Key": "0b6c1f4e-8a1d-4f0e-9f7d-9d8f1b1f6b1a"}


async def count(client: httpx.AsyncClient, url: str) -> int:
    return int((await client.get(url)).json()["total"])


async def test_request_that_is_sent_again_has_the_same_answer_and_is_done_once(
    client: httpx.AsyncClient, tasks_url: str
) -> None:
    first = await client.post(tasks_url, json={"title": "Splice"}, headers=KEY)
    assert (first.status_code, "idempotent-replayed" in first.headers) == (201, False)
    again = await client.post(tasks_url, json={"title": "Splice"}, headers=KEY)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")
    assert again.content == first.content
    for name in ("location", "etag", "content-type"):
        assert again.headers[name] == first.headers[name]
    assert await count(client, tasks_url) == 1


async def test_another_key_or_none_is_another_request(client: httpx.AsyncClient, tasks_url: str) -> None:
    for headers in (KEY, {"Idempotency-Key": "another"}, {}, {}):
        assert (await client.post(tasks_url, json={"title": "Splice"}, headers=headers)).status_code == 201
    assert await count(client, tasks_url) == 4


async def test_key_of_another_request_is_refused(client: httpx.AsyncClient, tasks_url: str) -> None:
    await client.post(tasks_url, json={"title": "Splice"}, headers=KEY)
    for url, body in ((tasks_url, {"title": "Other"}), ("/api/v1/tags", {"name": "Splice"})):
        refused = await client.post(url, json=body, headers=KEY)
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


async def test_key_is_each_callers_own(
    client: httpx.AsyncClient, crew: dict[str, Any], signed_in: SignIn, tasks_url: str
) -> None:
    agent = await signed_in(await register(client, crew))
    for caller in (client, agent):
        response = await caller.post(tasks_url, json={"title": "Splice"}, headers=KEY)
        assert (response.status_code, "idempotent-replayed" in response.headers) == (201, False)


async def test_request_that_failed_may_be_sent_again(client: httpx.AsyncClient, tasks_url: str) -> None:
    wrong = await client.post(tasks_url, json={"title": ""}, headers=KEY)
    assert wrong.status_code == 400
    right = await client.post(tasks_url, json={"title": "Splice"}, headers=KEY)
    assert (right.status_code, "idempotent-replayed" in right.headers) == (201, False)


async def test_second_request_is_refused_while_the_first_is_carried_out(
    client: httpx.AsyncClient, board: dict[str, Any], tasks_url: str, database_url: str
) -> None:
    body = {"title": "Splice", "status": "in_progress"}
    with holding(database_url, "SELECT 1 FROM boards FOR UPDATE") as wait:
        first = asyncio.create_task(client.post(tasks_url, json=body, headers=KEY))
        await asyncio.to_thread(wait, 1)
        second = await client.post(tasks_url, json=body, headers=KEY)
        assert (second.status_code, second.json()["code"]) == (409, "idempotency_key_in_flight")
    assert (await first).status_code == 201
    assert (await client.post(tasks_url, json=body, headers=KEY)).headers["idempotent-replayed"] == "true"
    assert await count(client, tasks_url) == 1


async def test_answer_is_kept_for_a_day_and_then_forgotten(
    client: httpx.AsyncClient, tasks_url: str, database_url: str
) -> None:
    await client.post(tasks_url, json={"title": "Splice"}, headers=KEY)
    age = "UPDATE idempotent_responses SET created_at = now() - CAST(:age AS interval)"
    query(database_url, age, age=f"{KEPT_FOR.total_seconds() - 60} s")
    assert "idempotent-replayed" in (await client.post(tasks_url, json={"title": "Splice"}, headers=KEY)).headers
    query(database_url, age, age=f"{KEPT_FOR.total_seconds() + 60} s")
    fresh = await client.post(tasks_url, json={"title": "Splice"}, headers=KEY)
    assert (fresh.status_code, "idempotent-replayed" in fresh.headers) == (201, False)
    query(database_url, age, age=f"{KEPT_FOR.total_seconds() + 60} s")
    await client.post(tasks_url, json={"title": "Splice"}, headers={"Idempotency-Key": "later"})
    assert query(database_url, "SELECT count(*) FROM idempotent_responses") == [(1,)]


async def test_token_that_is_shown_once_is_replayed_but_not_to_be_read_in_the_database(
    client: httpx.AsyncClient, crew: dict[str, Any], database_url: str
) -> None:
    body = {"name": "Bosun", "board_id": crew["id"]}
    first = await client.post(AGENTS, json=body, headers=KEY)
    again = await client.post(AGENTS, json=body, headers=KEY)
    assert again.json() == first.json()
    assert (again.headers["cache-control"], first.json()["token"][:4]) == ("no-store", "pla_")
    ((stored,),) = query(database_url, "SELECT response FROM idempotent_responses")
    token = first.json()["token"].encode()
    assert token not in bytes(stored)
    assert base64.b64encode(token) not in bytes(stored)


async def test_answer_that_cannot_be_opened_is_as_if_it_were_not_there(
    client: httpx.AsyncClient, tasks_url: str, database_url: str
) -> None:
    await client.post(tasks_url, json={"title": "Splice"}, headers=KEY)
    query(database_url, "UPDATE idempotent_responses SET response = response || '\\x00'::bytea")
    response = await client.post(tasks_url, json={"title": "Splice"}, headers=KEY)
    assert (response.status_code, "idempotent-replayed" in response.headers) == (201, False)


@pytest.mark.parametrize("key", ["", " ", "a b", "é", "x" * 256])
async def test_key_is_visible_ascii(client: httpx.AsyncClient, tasks_url: str, key: str) -> None:
    response = await client.post(tasks_url, json={"title": "x"}, headers={"Idempotency-Key": key.encode()})
    assert response.status_code == 400
    assert response.json()["errors"][0]["pointer"] == "Idempotency-Key"


async def test_other_methods_know_no_key(app: Litestar, client: httpx.AsyncClient, tasks_url: str) -> None:
    task = (await client.post(tasks_url, json={"title": "Splice"})).json()
    url = f"{tasks_url}/{task['id']}"
    for title in ("A", "B"):
        assert (await client.patch(url, json={"title": title}, headers=KEY)).json()["title"] == title

"""Tags: their slug and colour, the tasks that they count, and whose they are."""

from typing import Any
from uuid import uuid4

import httpx

from tests.integration.conftest import Stranger


async def test_tag_gets_a_slug_and_a_plain_colour(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/v1/tags", json={"name": "Straße & Brücke", "color": "#AABBCC"})
    tag = response.json()
    assert (response.status_code, tag["slug"], tag["color"], tag["task_count"]) == (201, "strasse-brucke", "aabbcc", 0)
    assert (await client.get(response.headers["location"])).json() == tag
    assert (await client.post("/api/v1/tags", json={"name": "strasse brucke"})).json()["code"] == "slug_taken"
    assert (await client.post("/api/v1/tags", json={"name": "日本"})).json()["errors"][0]["pointer"] == "/slug"
    given = await client.post("/api/v1/tags", json={"name": "日本", "slug": "nihon"})
    assert (given.status_code, given.json()["slug"]) == (201, "nihon")
    taken = await client.patch(f"/api/v1/tags/{given.json()['id']}", json={"slug": "strasse-brucke"})
    assert (taken.status_code, taken.json()["code"]) == (409, "slug_taken")
    for wrong in ("red", "#12345", "12345g"):
        assert (await client.post("/api/v1/tags", json={"name": "x", "color": wrong})).status_code == 400


async def test_tag_counts_its_tasks_and_is_taken_off_when_deleted(client: httpx.AsyncClient, tasks_url: str) -> None:
    tag = (await client.post("/api/v1/tags", json={"name": "Rope"})).json()
    task = (await client.post(tasks_url, json={"title": "t", "tag_ids": [tag["id"]]})).json()
    assert (await client.get("/api/v1/tags")).json()["items"][0]["task_count"] == 1
    changed = await client.patch(f"/api/v1/tags/{tag['id']}", json={"name": "Line", "color": "#FFFFFF"})
    assert (changed.json()["name"], changed.json()["color"], changed.json()["slug"]) == ("Line", "ffffff", "rope")
    assert (await client.delete(f"/api/v1/tags/{tag['id']}")).status_code == 204
    assert (await client.get(f"{tasks_url}/{task['id']}")).json()["tags"] == []


async def test_strangers_tag_is_404(client: httpx.AsyncClient, me: dict[str, Any], stranger: Stranger) -> None:
    for tag_id in (stranger.tag, uuid4()):
        url = f"/api/v1/tags/{tag_id}"
        for response in (await client.get(url), await client.patch(url, json={"name": "n"}), await client.delete(url)):
            assert response.status_code == 404

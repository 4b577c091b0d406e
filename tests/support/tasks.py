"""What several tests need of tasks."""

from typing import Any

import httpx
from litestar import Litestar

from tests.support.sent_statements import statements_of


async def create(client: httpx.AsyncClient, url: str, title: str = "task", **fields: Any) -> dict[str, Any]:
    response = await client.post(url, json={"title": title, **fields})
    assert response.status_code == 201, response.text
    return response.json()


async def patch(client: httpx.AsyncClient, url: str, task: dict[str, Any], **changes: Any) -> httpx.Response:
    return await client.patch(f"{url}/{task['id']}", json=changes)


async def statements(app: Litestar, client: httpx.AsyncClient, url: str) -> int:
    """How many a GET sends."""
    async with statements_of(app) as seen:
        response = await client.get(url)
    assert response.status_code == 200
    return len(seen)

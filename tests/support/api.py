"""The API's paths, and what tests make by them to start from."""

from typing import Any

import httpx

ACTIVITY = "/api/v1/activity"
AGENTS = "/api/v1/agents"
BOARDS = "/api/v1/boards"
DASHBOARD = "/api/v1/metrics/dashboard"
GROUPS = "/api/v1/board-groups"
ME = "/api/v1/users/me"
TOKENS = f"{ME}/tokens"
ORGANIZATION = "/api/v1/organizations/me"
FIELDS = f"{ORGANIZATION}/custom-fields"
INVITES = f"{ORGANIZATION}/invites"
MEMBERS = f"{ORGANIZATION}/members"
# What a board has to have.
MINIMAL = {"name": "Deck", "slug": "deck", "description": ""}


async def create(client: httpx.AsyncClient, url: str, **fields: Any) -> dict[str, Any]:
    response = await client.post(url, json=fields)
    assert response.status_code == 201, response.text
    return response.json()


async def create_task(client: httpx.AsyncClient, url: str, title: str = "task", **fields: Any) -> dict[str, Any]:
    return await create(client, url, title=title, **fields)


async def patch_task(client: httpx.AsyncClient, url: str, task: dict[str, Any], **changes: Any) -> httpx.Response:
    return await client.patch(f"{url}/{task['id']}", json=changes)


async def register(client: httpx.AsyncClient, board: dict[str, Any] | None, **fields: Any) -> dict[str, Any]:
    """Register an agent."""
    return await create(client, AGENTS, **{"name": "Bosun", "board_id": board["id"] if board else None, **fields})


async def issue(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    """Issue a personal access token."""
    return await create(client, TOKENS, **{"name": "Laptop", **fields})


async def define(
    client: httpx.AsyncClient, board: dict[str, Any], key: str = "ticket", **fields: Any
) -> dict[str, Any]:
    """Define a custom field."""
    return await create(client, FIELDS, **{"field_key": key, "board_ids": [board["id"]], **fields})


async def redefine(client: httpx.AsyncClient, field: dict[str, Any], **changes: Any) -> httpx.Response:
    return await client.patch(f"{FIELDS}/{field['id']}", json=changes)


async def dashboard(client: httpx.AsyncClient, **params: Any) -> dict[str, Any]:
    response = await client.get(DASHBOARD, params=params)
    assert response.status_code == 200, response.text
    return response.json()

"""What several tests need of custom fields."""

from typing import Any

import httpx

FIELDS = "/api/v1/organizations/me/custom-fields"


BOARDS = "/api/v1/boards"


async def define(
    client: httpx.AsyncClient, board: dict[str, Any], key: str = "ticket", **fields: Any
) -> dict[str, Any]:
    response = await client.post(FIELDS, json={"field_key": key, "board_ids": [board["id"]], **fields})
    assert response.status_code == 201, response.text
    return response.json()


async def change(client: httpx.AsyncClient, field: dict[str, Any], **changes: Any) -> httpx.Response:
    return await client.patch(f"{FIELDS}/{field['id']}", json=changes)

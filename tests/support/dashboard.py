"""What several tests need of dashboard."""

from typing import Any

import httpx

DASHBOARD = "/api/v1/metrics/dashboard"


async def dashboard(client: httpx.AsyncClient, **params: Any) -> dict[str, Any]:
    response = await client.get(DASHBOARD, params=params)
    assert response.status_code == 200, response.text
    return response.json()

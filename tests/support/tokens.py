"""What several tests need of tokens."""

from typing import Any

import httpx

TOKENS = "/api/v1/users/me/tokens"


ME = "/api/v1/users/me"


async def issue(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await client.post(TOKENS, json={"name": "Laptop", **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()

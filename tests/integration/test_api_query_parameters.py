"""Query parameters: one that is not known, repeated, null or no number is named."""

from typing import Any

import httpx
import pytest

from tests.support.api import BOARDS


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


@pytest.mark.parametrize("text", ["1e2", "100.0", "1_0", " 5", "+5", "٣", "0x10", ""])
async def test_number_is_written_in_digits(client: httpx.AsyncClient, text: str) -> None:
    answer = await client.get(BOARDS, params={"limit": text})
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == ["limit"]

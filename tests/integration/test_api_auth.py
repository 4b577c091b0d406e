"""Sign-in: which header lets in, and the first request, which makes the user."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from litestar import Litestar

from tests.conftest import client_of
from tests.support.database import query


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic dDo=", "Bearer \xff\xfe", "wrong"],
)
async def test_without_the_right_token_everything_is_401(app: Litestar, header: str | None) -> None:
    wrong = header is not None and header.startswith("Bearer ") and header != "Bearer "
    challenge = 'Bearer error="invalid_token"' if wrong else "Bearer"
    async with client_of(app, token=None) as client:
        headers = [] if header is None else [(b"authorization", header.encode("latin-1"))]
        operations = [("GET", "users/me"), ("POST", "boards"), ("DELETE", f"tags/{uuid4()}")]
        for method, path in ((method, f"/api/v1/{path}") for method, path in operations):
            response = await client.request(method, path, headers=headers, content=b"{no json")
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == challenge
            assert response.headers["content-type"].startswith("application/problem+json")


async def test_bearer_is_read_in_any_case(app: Litestar, settings: Any) -> None:
    async with client_of(app, token=None) as client:
        token = settings.local_auth_token.reveal()
        assert (await client.get("/api/v1/users/me", headers={"Authorization": f"bEARER  {token}"})).status_code == 200


async def test_first_requests_at_once_make_one_user_and_one_organization(
    client: httpx.AsyncClient, database_url: str
) -> None:
    answers = await asyncio.gather(*(client.get("/api/v1/users/me") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert query(database_url, "SELECT name FROM organizations") == [("Personal",)]
    assert query(database_url, "SELECT role FROM organization_members") == [("owner",)]

"""Whose address a server takes for the client's: what a trusted proxy says, and nothing that a client says."""

from pathlib import Path

import httpx
import pytest

from tests.conftest import TOKEN
from tests.support.processes import environment, serving

HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("trusted", "said", "expected"),
    [
        (None, "203.0.113.7", "127.0.0.1"),
        ("10.0.0.0/8", "203.0.113.7", "127.0.0.1"),
        ("127.0.0.0/8, 10.0.0.0/8", "192.0.2.1, 203.0.113.7, 10.1.2.3", "203.0.113.7"),
    ],
)
def test_address_is_that_of_whom_no_trusted_proxy_speaks_for(
    database_url: str, tmp_path: Path, trusted: str | None, said: str, expected: str
) -> None:
    env = environment(DATABASE_URL=database_url, TRUSTED_PROXIES=trusted)
    with serving(env, tmp_path / "log") as server, httpx.Client(base_url=server.url, headers=HEADERS) as client:
        server.wait_until_ready()
        board = client.post("/api/v1/boards", json={"name": "b", "slug": "b", "description": ""}).json()
        webhook = client.post(f"/api/v1/boards/{board['id']}/webhooks", json={"description": "ci"}).json()
        sent = client.post(webhook["endpoint_path"], json={}, headers={"X-Forwarded-For": said})
        assert client.get(sent.headers["location"]).json()["source_ip"] == expected

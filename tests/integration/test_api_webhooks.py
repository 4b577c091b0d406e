"""Webhooks: who may make them, who may send to them, and what is kept of what was sent."""

import asyncio
import hashlib
import hmac
from typing import Any, cast
from uuid import UUID, uuid4

import httpx
import pytest
from litestar import Litestar

from app.services import webhooks
from tests.conftest import client_of
from tests.integration.conftest import Stranger
from tests.support.api import AGENTS, BOARDS, register
from tests.support.boards import become, grant
from tests.support.database import holding, insert, query

SECRET = "between you and me"


@pytest.fixture
def url(board: dict[str, Any]) -> str:
    return f"{BOARDS}/{board['id']}/webhooks"


async def create(client: httpx.AsyncClient, url: str, **fields: Any) -> dict[str, Any]:
    response = await client.post(url, json={"description": "deploys", **fields})
    assert response.status_code == 201, response.text
    assert response.headers["location"] == response.json()["endpoint_path"]
    return response.json()


@pytest.fixture
async def webhook(client: httpx.AsyncClient, url: str) -> dict[str, Any]:
    return await create(client, url)


@pytest.fixture
async def sender(app: Litestar) -> Any:
    """Somebody without a token."""
    async with client_of(app, token=None) as connected:
        yield connected


def signature(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def kept(client: httpx.AsyncClient, webhook: dict[str, Any]) -> list[dict[str, Any]]:
    """Newest first."""
    return (await client.get(f"{webhook['endpoint_path']}/payloads")).json()["items"]


async def test_webhook_is_made_read_changed_and_deleted(
    client: httpx.AsyncClient, board: dict[str, Any], url: str
) -> None:
    made = await create(client, url)
    assert (made["board_id"], made["enabled"], made["has_secret"]) == (board["id"], True, False)
    assert (made["signature_header"], made["endpoint_url"]) == ("X-Signature-256", None)
    one = made["endpoint_path"]
    assert one == f"{url}/{made['id']}"
    assert (await client.get(one)).json() == made
    assert (await client.get(url)).json()["items"] == [made]
    changed = await client.patch(one, json={"description": "releases", "enabled": False})
    assert (changed.json()["description"], changed.json()["enabled"]) == ("releases", False)
    assert (await client.delete(one)).status_code == 204
    assert (await client.get(one)).status_code == 404


async def test_secret_is_never_shown(client: httpx.AsyncClient, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = await create(client, url, secret=SECRET)
    assert made["has_secret"] is True
    unsigned = await client.post(made["endpoint_path"], content=b"{}")
    other = await client.patch(made["endpoint_path"], json={"secret": "another secret"})
    shown = [
        *(response.text for response in (unsigned, other, await client.get(url), await client.get("/api/v1/activity"))),
        *capsys.readouterr(),
    ]
    assert not [text for text in shown if SECRET in text or "another secret" in text]
    removed = await client.patch(made["endpoint_path"], json={"secret": None})
    assert removed.json()["has_secret"] is False


@pytest.mark.parametrize(
    "fields",
    [
        {"description": " "},
        {"secret": ""},
        {"secret": "a\x00b"},
        {"signature_header": "X Signature"},
        {"signature_header": "X-Signature\r\nEvil: 1"},
        {"signature_header": ""},
        {"url": "x"},
    ],
)
async def test_what_a_webhook_cannot_be_is_refused(
    client: httpx.AsyncClient, url: str, webhook: dict[str, Any], fields: dict[str, Any]
) -> None:
    assert (await client.post(url, json={"description": "x", **fields})).status_code == 400
    assert (await client.patch(webhook["endpoint_path"], json=fields)).status_code == 400


async def test_header_of_the_signature_is_the_usual_one_where_none_is_named(
    client: httpx.AsyncClient, url: str
) -> None:
    made = await create(client, url, signature_header=None)
    other = (await client.patch(made["endpoint_path"], json={"signature_header": "X-Mine"})).json()
    again = (await client.patch(made["endpoint_path"], json={"signature_header": None})).json()
    assert [webhook["signature_header"] for webhook in (made, other, again)] == [
        "X-Signature-256",
        "X-Mine",
        "X-Signature-256",
    ]


async def test_webhook_is_for_an_agent_of_its_board(client: httpx.AsyncClient, crew: dict[str, Any], url: str) -> None:
    agent, loner = await register(client, crew), await register(client, None, name="Loner")
    made = await create(client, url, agent_id=agent["id"])
    for agent_id in (loner["id"], str(uuid4())):
        for refused in (
            await client.patch(made["endpoint_path"], json={"agent_id": agent_id}),
            await client.post(url, json={"description": "x", "agent_id": agent_id}),
        ):
            assert (refused.status_code, refused.json()["code"]) == (400, "unknown_reference")
    assert (await client.delete(f"{AGENTS}/{agent['id']}")).status_code == 204
    assert (await client.get(made["endpoint_path"])).json()["agent_id"] is None


async def test_readers_of_the_board_see_webhooks_and_writers_change_them(
    client: httpx.AsyncClient, board: dict[str, Any], url: str, webhook: dict[str, Any], database_url: str
) -> None:
    become(database_url, "member")
    for request in (client.get(url), client.get(webhook["endpoint_path"]), client.post(url, json={"description": "x"})):
        assert (await request).status_code == 404
    grant(database_url, board["id"], reads=True, writes=False)
    assert (await client.get(f"{webhook['endpoint_path']}/payloads")).status_code == 200
    for request in (client.post(url, json={"description": "x"}), client.delete(webhook["endpoint_path"])):
        assert (await request).status_code == 403


async def test_another_organizations_webhook_is_not_there(
    client: httpx.AsyncClient, stranger: Stranger, board: dict[str, Any], webhook: dict[str, Any], database_url: str
) -> None:
    on_board = {"organization_id": stranger.organization, "board_id": stranger.board}
    theirs = insert(database_url, "board_webhooks", **on_board, description="x")
    for path in (f"{BOARDS}/{stranger.board}/webhooks/{theirs}", f"{BOARDS}/{board['id']}/webhooks/{theirs}"):
        for request in (client.get(path), client.patch(path, json={}), client.delete(path)):
            assert (await request).status_code == 404


async def test_anybody_sends_and_readers_of_the_board_read_it(
    client: httpx.AsyncClient, sender: httpx.AsyncClient, webhook: dict[str, Any]
) -> None:
    sent = {"release": "1.4", "ok": [True, None, 1.5]}
    received = await sender.post(f"{webhook['endpoint_path']}?source=ci&source=cd", json=sent)
    assert received.status_code == 201, received.text
    answer = received.json()
    assert answer == {
        "ok": True,
        "board_id": webhook["board_id"],
        "webhook_id": webhook["id"],
        "payload_id": answer["payload_id"],
    }
    assert (await sender.get(received.headers["location"])).status_code == 401
    (listed,) = await kept(client, webhook)
    assert (await client.get(received.headers["location"])).json() == listed
    assert (listed["payload"], listed["content_type"]) == (sent, "application/json")
    assert listed["source_ip"] == "127.0.0.1"
    (event, *_) = (await client.get("/api/v1/activity")).json()["items"]
    assert (event["event_type"], event["message"]) == ("webhook.received", "deploys")


@pytest.mark.parametrize(
    ("body", "payload"),
    [
        (b'{"number": 123456789012345678901234567890}', {"number": 123456789012345678901234567890}),
        (b'"\\u0000"', "\x00"),
        (b'"\\ud800"', '"\\ud800"'),
        (b"[1e999]", [float("inf")]),
        (b"not JSON", "not JSON"),
        (b"a=1&b=2", "a=1&b=2"),
        (b"\xff\xfe\x00", "\ufffd\ufffd\x00"),
        (b"", None),
        (b"  \n", None),
        (b"null", None),
        (b"[" * 100_000, "[" * 100_000),
        (b'{"a": 1', '{"a": 1'),
    ],
)
async def test_whatever_is_sent_is_kept_and_shown(
    client: httpx.AsyncClient, sender: httpx.AsyncClient, webhook: dict[str, Any], body: bytes, payload: object
) -> None:
    response = await sender.post(webhook["endpoint_path"], content=body)
    assert response.status_code == 201, response.text
    assert [found["payload"] for found in await kept(client, webhook)] == [payload]


@pytest.mark.parametrize("as_sent", ["{}", "sha256={}", "SHA256={}", " {} "])
async def test_signed_delivery_is_taken_however_it_is_written(
    client: httpx.AsyncClient, sender: httpx.AsyncClient, url: str, as_sent: str
) -> None:
    webhook = await create(client, url, secret=SECRET, signature_header="X-Hub-Signature")
    headers = {"x-hub-SIGNATURE": as_sent.format(signature(b"{}").upper() if "SHA" in as_sent else signature(b"{}"))}
    response = await sender.post(webhook["endpoint_path"], content=b"{}", headers=headers)
    assert response.status_code == 201, response.text
    assert "x-hub-signature" not in (await kept(client, webhook))[0]["headers"]


@pytest.mark.parametrize(
    "given", [None, "", "sha256=", signature(b"{} "), signature(b"{}", "other"), signature(b"{}")[:-1], "é", "z" * 64]
)
async def test_delivery_without_the_right_signature_is_refused(
    client: httpx.AsyncClient, sender: httpx.AsyncClient, url: str, given: str | None
) -> None:
    webhook = await create(client, url, secret=SECRET)
    headers = [] if given is None else [(b"X-Signature-256", given.encode())]
    response = await sender.post(webhook["endpoint_path"], content=b"{}", headers=headers)
    assert (response.status_code, response.json()["code"]) == (403, "invalid_signature")
    assert await kept(client, webhook) == []


async def test_disabled_webhook_is_gone_for_its_senders(
    client: httpx.AsyncClient, sender: httpx.AsyncClient, url: str
) -> None:
    webhook = await create(client, url, enabled=False)
    response = await sender.post(webhook["endpoint_path"], json={})
    assert (response.status_code, response.json()["code"]) == (410, "webhook_disabled")


async def test_sender_does_not_learn_of_webhooks_elsewhere(
    client: httpx.AsyncClient, sender: httpx.AsyncClient, stranger: Stranger, webhook: dict[str, Any], database_url: str
) -> None:
    for path in (
        f"{BOARDS}/{webhook['board_id']}/webhooks/{uuid4()}",
        f"{BOARDS}/{stranger.board}/webhooks/{webhook['id']}",
    ):
        assert (await sender.post(path, json={})).status_code == 404
    assert query(database_url, "SELECT 1 FROM rate_limits") == []


async def test_body_is_at_most_a_mebibyte(
    client: httpx.AsyncClient, sender: httpx.AsyncClient, webhook: dict[str, Any]
) -> None:
    async def in_pieces() -> Any:
        for _ in range(17):
            yield b"x" * 65536

    path = webhook["endpoint_path"]
    assert (await sender.post(path, content=b"x" * (1024 * 1024 + 1))).status_code == 413
    assert (await sender.post(path, content=in_pieces())).status_code == 413
    assert (await sender.post(path, content=b"x" * 1024 * 1024)).status_code == 201
    assert len(await kept(client, webhook)) == 1


async def test_credentials_among_the_headers_are_not_kept(
    client: httpx.AsyncClient, sender: httpx.AsyncClient, url: str
) -> None:
    webhook = await create(client, url, signature_header="X-Hub-Mac")
    credentials = ("Authorization", "Cookie", "X-Api-Key", "X-Gitlab-Token", "X-Hub-Signature", "Proxy-Authorization")
    headers = dict.fromkeys((*credentials, "X-Hub-Mac"), "s3cret") | {"X-Event": "push", "User-Agent": "ci"}
    await sender.post(webhook["endpoint_path"], json={}, headers=headers)
    (found,) = await kept(client, webhook)
    assert (found["headers"]["x-event"], found["headers"]["user-agent"]) == ("push", "ci")
    assert "s3cret" not in str(found)


async def test_sixty_a_minute_are_taken_from_one_address(
    client: httpx.AsyncClient, sender: httpx.AsyncClient, url: str, webhook: dict[str, Any], database_url: str
) -> None:
    path = webhook["endpoint_path"]
    query(database_url, "TRUNCATE rate_limits")
    assert (await sender.post(path, json={})).status_code == 201
    query(database_url, "UPDATE rate_limits SET count = 59")
    assert (await sender.post(path, json={})).status_code == 201
    refused = await sender.post(path, json={})
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_requests")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    another = await create(client, url)
    assert (await sender.post(another["endpoint_path"], json={})).status_code == 201
    query(database_url, "UPDATE rate_limits SET began_at = began_at - interval '61 seconds'")
    assert (await sender.post(path, json={})).status_code == 201


async def test_each_address_is_counted_by_itself(app: Litestar, webhook: dict[str, Any], database_url: str) -> None:
    """A request by a Unix socket has none."""
    for address in (("192.0.2.1", 1), ("192.0.2.2", 1), None):
        transport = httpx.ASGITransport(cast("Any", app), client=cast("Any", address))
        async with httpx.AsyncClient(transport=transport, base_url="http://plimsoll.test") as sender:
            assert (await sender.post(webhook["endpoint_path"], json={})).status_code == 201
    assert query(database_url, "SELECT count FROM rate_limits") == [(1,)] * 3


async def test_deliveries_that_are_refused_count_too(
    client: httpx.AsyncClient, sender: httpx.AsyncClient, url: str, database_url: str
) -> None:
    webhook = await create(client, url, secret=SECRET)
    for _ in range(3):
        assert (await sender.post(webhook["endpoint_path"], json={})).status_code == 403
    assert query(database_url, "SELECT count FROM rate_limits") == [(3,)]


async def test_of_two_at_the_limit_one_is_taken(
    sender: httpx.AsyncClient, webhook: dict[str, Any], database_url: str
) -> None:
    path = webhook["endpoint_path"]
    await sender.post(path, json={})
    query(database_url, "UPDATE rate_limits SET count = 59")
    with holding(database_url, "SELECT 1 FROM rate_limits FOR UPDATE") as wait:
        both = [asyncio.create_task(sender.post(path, json={})) for _ in range(2)]
        await asyncio.to_thread(wait, 2)
    assert sorted([(await response).status_code for response in both]) == [201, 429]


async def test_counts_that_nobody_needs_are_forgotten(
    client: httpx.AsyncClient, sender: httpx.AsyncClient, webhook: dict[str, Any], database_url: str
) -> None:
    old = "INSERT INTO rate_limits SELECT decode(md5(n::text), 'hex'), now() - interval '2 hours', 1"
    query(database_url, f"{old} FROM generate_series(1, 30) AS n")
    await sender.post(webhook["endpoint_path"], json={})
    assert query(database_url, "SELECT count(*) FROM rate_limits") == [(30 - 20 + 1,)]


async def test_delivery_to_a_webhook_that_goes_in_the_meantime_is_not_there(
    sender: httpx.AsyncClient, webhook: dict[str, Any], database_url: str
) -> None:
    with holding(database_url, "DELETE FROM board_webhooks") as wait:
        delivery = asyncio.create_task(sender.post(webhook["endpoint_path"], json={}))
        await asyncio.to_thread(wait, 1)
    assert (await delivery).status_code == 404


async def test_agent_reads_what_came_in_as_much_as_it_wants(
    client: httpx.AsyncClient, sender: httpx.AsyncClient, crew: dict[str, Any], signed_in: Any, url: str
) -> None:
    webhook = await create(client, url)
    received = (await sender.post(webhook["endpoint_path"], json={"release": "1.4"})).json()
    agent = await signed_in(await register(client, crew))
    path = f"/api/v1/agent/boards/{crew['id']}/webhooks/{webhook['id']}/payloads/{received['payload_id']}"
    assert (await agent.get(path)).json()["payload"] == {"release": "1.4"}
    assert (await agent.get(f"{path}?max_chars=5")).json()["payload"] == '{"rel'
    assert (await agent.get(f"{path}?max_chars=0")).status_code == 400
    assert (await agent.get(f"{path[:-1]}0" if path[-1] != "0" else f"{path[:-1]}1")).status_code == 404


def test_limit_is_the_contracts() -> None:
    assert (webhooks.PER_ADDRESS.times, webhooks.PER_ADDRESS.window.total_seconds()) == (60, 60)


async def test_endpoint_url_is_absolute_where_the_base_is_known(
    app: Litestar, client: httpx.AsyncClient, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.state, "public_base_url", "https://plimsoll.example.com")
    made = await create(client, url)
    assert made["endpoint_url"] == f"https://plimsoll.example.com{made['endpoint_path']}"
    assert UUID(made["id"])

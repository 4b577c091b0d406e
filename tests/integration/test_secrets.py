"""What a server writes, at the level that writes the most: none of the secrets that it was told or gave out, no SQL."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import make_url

from tests.conftest import TOKEN
from tests.support.database import query
from tests.support.oidc_issuer import AUDIENCE, Issuer, issuing
from tests.support.processes import environment, run, serving
from tests.support.waiting import PATIENCE

_SQL = re.compile(r"\b(SELECT\s|INSERT INTO|UPDATE \w+ SET|DELETE FROM|BEGIN\b|COMMIT\b|ROLLBACK\b)")
_PASSWORD = "database-password-5f1c"
_KEY = "sealing-key-" * 5 + "8d2e"


class Secrets:
    """Makes secrets, and keeps those that are given out, by what they are."""

    def __init__(self) -> None:
        self.known = {"shared token": TOKEN, "database password": _PASSWORD, "sealing key": _KEY}

    def new(self, what: str) -> str:
        return self.keep(what, f"{uuid4().hex}-{uuid4().hex}")

    def keep(self, what: str, secret: str) -> str:
        self.known[what] = secret
        return secret

    def found_in(self, text: str) -> list[str]:
        return [what for what, secret in self.known.items() if any(form in text for form in _forms(secret))]


def _forms(secret: str) -> Iterator[str]:
    """Yield the secret as it is, its hash, and its Base64."""
    yield secret
    yield hashlib.sha256(secret.encode()).hexdigest()
    yield base64.b64encode(secret.encode()).decode().rstrip("=")


@pytest.fixture
def secret_url(database_url: str) -> str:
    return make_url(database_url).set(password=_PASSWORD).render_as_string(hide_password=False)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as answering:
        yield answering


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_log_has_no_secret_and_no_sql(
    secret_url: str, database_url: str, tmp_path: Path, issuer: Issuer, log_format: str
) -> None:
    secrets = Secrets()
    modes = {
        "json": {"AUTH_MODE": "local"},
        "console": {"AUTH_MODE": "oidc", "OIDC_ISSUER": issuer.url, "OIDC_AUDIENCE": AUDIENCE},
    }
    verbose = {"LOG_LEVEL": "DEBUG", "LOG_REQUESTS": "true", "LOG_FORMAT": log_format}
    env = environment(DATABASE_URL=secret_url, SECRET_KEY=_KEY, **verbose, **modes[log_format])
    token = TOKEN if log_format == "json" else secrets.keep("JWT", issuer.token())
    with (
        serving(env, tmp_path / "log") as server,
        httpx.Client(base_url=f"{server.url}/api/v1", timeout=PATIENCE) as client,
    ):
        server.wait_until_ready()
        strangers(client, secrets, issuer)
        client.headers["Authorization"] = f"Bearer {token}"
        board = made(client, "/boards", name="Deck", slug="deck", description="")["id"]
        tokens(client, secrets, board)
        webhooks(client, secrets, board)
        invites(client, secrets)
        wrong_bodies(client, secrets, board)
        failures(client, secrets, database_url)
        assert server.stop() is not None
    text = server.log
    assert "unexpected error" in text, "something was logged at all"
    assert "POST /api/v1/boards HTTP/1.1" in text
    assert secrets.found_in(text) == []
    assert _SQL.findall(text) == []


@pytest.mark.parametrize("command", [("status",), ("doctor",), ("upgrade", "--no-prompt")])
def test_commands_do_not_show_the_password(database_url: str, command: tuple[str, ...]) -> None:
    url = make_url(database_url).set(password=_PASSWORD, host="127.0.0.1", port=1, query={})
    env = environment(
        DATABASE_URL=url.render_as_string(hide_password=False), DB_CONNECT_TIMEOUT="0.2", LOG_LEVEL="DEBUG"
    )
    done = run("litestar", "database", *command, env=env)
    assert done.returncode != 0
    assert Secrets().found_in(done.stdout + done.stderr) == []


def made(client: httpx.Client, path: str, **fields: object) -> dict[str, Any]:
    answer = client.post(path, json=fields)
    assert answer.status_code in {200, 201}, answer.text
    found: dict[str, Any] = answer.json()
    return found


def strangers(client: httpx.Client, secrets: Secrets, issuer: Issuer) -> None:
    """Sign in with unknown tokens in each form."""
    forged = issuer.token(aud="another")
    for what, header, value in (
        ("wrong token", "Authorization", "Bearer {}"),
        ("wrong personal token", "Authorization", "Bearer plp_{}"),
        ("wrong agent's token", "X-Agent-Token", "pla_{}"),
        ("wrong scheme", "Authorization", "Basic {}"),
    ):
        sent = {header: value.format(secrets.new(what))}
        assert client.get("/users/me", headers=sent).status_code == 401
    sent = {"Authorization": f"Bearer {secrets.keep('JWT for another', forged)}"}
    assert client.get("/users/me", headers=sent).status_code == 401
    assert client.get("/users/me", params={"access_token": secrets.new("token in a query")}).status_code == 401


def tokens(client: httpx.Client, secrets: Secrets, board: str) -> None:
    personal = secrets.keep("personal token", made(client, "/users/me/tokens", name="Laptop")["token"])
    assert client.get("/users/me", headers={"Authorization": f"Bearer {personal}"}).status_code == 200
    agent = made(client, "/agents", name="Bosun", board_id=board)
    secrets.keep("agent's first token", agent["token"])
    renewed = secrets.keep("agent's token", made(client, f"/agents/{agent['id']}/token")["token"])
    kept = {"X-Agent-Token": renewed, "Idempotency-Key": secrets.new("idempotency key")}
    with httpx.Client(base_url=client.base_url, headers=kept, timeout=PATIENCE) as acting:
        for _ in range(2):
            assert acting.post("/agent/heartbeat").status_code == 200
        assert acting.get("/users/me").status_code == 403


def webhooks(client: httpx.Client, secrets: Secrets, board: str) -> None:
    secret = secrets.new("webhook's secret")
    webhook = made(client, f"/boards/{board}/webhooks", description="ci", secret=secret)
    url, body = str(client.base_url.join(webhook["endpoint_path"])), b'{"a": 1}'
    signature = secrets.keep("signature", hmac.digest(secret.encode(), body, "sha256").hex())
    for sent, status in ((signature, 201), (secrets.new("wrong signature"), 403)):
        headers = {
            "X-Signature-256": f"sha256={sent}",
            "Authorization": f"Bearer {secrets.new(f'sender token {status}')}",
            "Cookie": f"session={secrets.new(f'cookie {status}')}",
        }
        query = {"key": secrets.new(f"key in the sender's query {status}")}
        answer = httpx.post(url, content=body, headers=headers, params=query)
        assert answer.status_code == status, answer.text


def invites(client: httpx.Client, secrets: Secrets) -> None:
    invite = made(client, "/organizations/me/invites", invited_email="ann@example.com")
    secrets.keep("invite's token", invite["token"])
    assert client.get("/organizations/me/invites").status_code == 200
    for token in (invite["token"], f"pli_{secrets.new('wrong invite')}"):
        assert client.post("/organizations/invites/accept", json={"token": token}).status_code >= 400


def wrong_bodies(client: httpx.Client, secrets: Secrets, board: str) -> None:
    secret = secrets.new("what a wrong body holds")
    for body in ({"secret": [secret]}, {secret: 1}, {"description": secret * 100}, {"description": f"{secret}\0"}):
        assert client.post(f"/boards/{board}/webhooks", json=body).status_code == 400
    assert client.post(f"/boards/{board}/webhooks", content=f'{{"secret": "{secret}').status_code == 400


def failures(client: httpx.Client, secrets: Secrets, database_url: str) -> None:
    """Errors of the database that nobody has thought of, with secrets among the parameters."""
    query(database_url, "ALTER TABLE board_webhooks RENAME COLUMN secret TO hidden")
    query(database_url, "ALTER TABLE personal_tokens RENAME COLUMN scope TO extent")
    board = client.get("/boards").json()["items"][0]["id"]
    body = {"description": "ci", "secret": secrets.new("secret that is not stored")}
    for path, sent in ((f"/boards/{board}/webhooks", body), ("/users/me/tokens", {"name": secrets.new("name")})):
        assert client.post(path, json=sent).status_code == 500
    sent = {"Authorization": f"Bearer plp_{secrets.new('token that cannot be looked for')}"}
    assert client.get("/users/me", headers=sent).status_code == 500

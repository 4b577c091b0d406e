"""AUTH_MODE=oidc: whom the tokens of a real issuer let in."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from litestar import Litestar

from app.asgi import create_app
from app.core import oidc
from app.core.config import AuthMode, Secret
from tests.conftest import TOKEN, client_of, settings_for, started
from tests.integration.conftest import register
from tests.integration.oidc_issuer import AUDIENCE, Issuer, issuing
from tests.integration.sse import reading
from tests.migrations.conftest import query

ME = "/api/v1/users/me"
TOKENS = "/api/v1/users/me/tokens"


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as found:
        yield found


@pytest.fixture
async def app(database_url: str, issuer: Issuer) -> AsyncIterator[Litestar]:
    settings = settings_for(
        database_url,
        auth_mode=AuthMode.OIDC,
        oidc_issuer=issuer.url,
        oidc_audience=(AUDIENCE, "another"),
        secret_key=Secret(TOKEN),
        local_auth_token=None,
    )
    async with started(create_app(settings)) as application:
        yield application


async def status(app: Litestar, token: str) -> int:
    async with client_of(app, token) as client:
        return (await client.get(ME)).status_code


async def test_first_sign_in_makes_the_user_with_an_organization_and_the_next_finds_him(
    app: Litestar, issuer: Issuer, database_url: str
) -> None:
    async with client_of(app, issuer.token()) as client:
        answers = await asyncio.gather(*(client.get(ME) for _ in range(5)))
        (me,) = {answer.text for answer in answers}
        assert (answers[0].json()["name"], answers[0].json()["email"]) == ("Ishmael", "ishmael@example.org")
        assert (await client.get("/api/v1/organizations/me")).json()["name"] == "Personal"
        await client.patch(ME, json={"name": "Call me so"})
    async with client_of(app, issuer.token(aud=["another", "x"])) as later:
        assert (await later.get(ME)).json()["name"] == "Call me so"
        assert (await later.get(ME)).text != me
    assert query(database_url, "SELECT subject FROM users") == [(f"{issuer.url}#ishmael",)]
    assert issuer.asked == {"/.well-known/openid-configuration": 1, "/keys": 1}
    async with client_of(app, issuer.token(sub="queequeg", email_verified=False)) as other:
        assert (await other.get(ME)).json()["email"] is None


async def test_personal_tokens_and_agents_tokens_go_on_and_the_shared_one_does_not(
    app: Litestar, issuer: Issuer
) -> None:
    assert await status(app, TOKEN) == 401
    async with client_of(app, issuer.token()) as client:
        made = (await client.post(TOKENS, json={"name": "Laptop"})).json()
        agent = await register(client, None)
    assert await status(app, made["token"]) == 200
    async with client_of(app, agent["token"]) as bosun:
        assert (await bosun.get("/api/v1/agents")).status_code == 200


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"aud": "somebody-else"},
        {"aud": None},
        {"sub": None},
        {"sub": 7},
        {"sub": "nul\0"},
        {"sub": "surrogate\ud800"},
        {"exp": None},
        {"exp": datetime.now(UTC) - HOUR},
        {"exp": 10**20},
        {"nbf": datetime.now(UTC) + HOUR},
        {"iat": datetime.now(UTC) + HOUR},
    ],
    ids=lambda claims: str(next(iter(claims.items())))[:40],
)
async def test_token_with_a_wrong_claim_lets_nobody_in(
    app: Litestar, issuer: Issuer, claims: dict[str, Any], database_url: str
) -> None:
    async with client_of(app, issuer.token(**claims)) as client:
        answer = await client.get(ME)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert query(database_url, "SELECT count(*) FROM users") == [(0,)]


async def test_token_that_is_signed_in_another_way_lets_nobody_in(app: Litestar, issuer: Issuer) -> None:
    public = jwt.PyJWK(issuer.answers["/keys"]["keys"][0]).key
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body, signature = issuer.token().split(".")
    other_body = issuer.token(sub="captain").split(".")[1]
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signed = part(b'{"alg":"HS256","typ":"JWT","kid":"first"}') + "." + body
    confused = signed + "." + part(hmac.sign(signed.encode(), pem))
    unsigned = jwt.encode(claims, None, "none", headers={"kid": "first"})
    for token in (
        confused,
        unsigned,
        f"{head}.{other_body}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}",
        issuer.token(algorithm="RS512"),
        issuer.token(headers={"kid": "unknown"}),
        issuer.token(headers={"crit": ["exp2"]}),
        part(b'{"alg":' + b"[" * 20_000) + ".ey.ey",
        part(b'{"alg":"RS256","kid":["first"]}') + ".ey.ey",
        part(b'{"alg":' + b"9" * 5000 + b"}") + ".ey.ey",
        "ey.ey.ey",
        "..",
    ):
        assert await status(app, token) == 401, token
    assert await status(app, issuer.token()) == 200


async def test_new_key_is_found_when_its_id_is_first_seen_and_others_cost_the_issuer_nothing(
    app: Litestar, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await status(app, issuer.token()) == 200
    issuer.add_key("second", elliptic=True)
    second = issuer.token("second", "ES256")
    assert await status(app, second) == 401, "asked just before"
    monkeypatch.setattr(oidc, "_COOLDOWN", 0.0)
    assert await status(app, second) == 200
    monkeypatch.setattr(oidc, "_COOLDOWN", 3600.0)
    asked = issuer.asked["/keys"]
    for number in range(5):
        assert await status(app, issuer.token(headers={"kid": f"made up {number}"})) == 401
    assert issuer.asked["/keys"] == asked == 2


async def test_key_that_is_withdrawn_is_good_no_longer_once_the_keys_are_read_anew(
    app: Litestar, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer.add_key("second")
    assert await status(app, issuer.token()) == 200
    issuer.answers["/keys"]["keys"].pop(0)
    monkeypatch.setattr(oidc, "_COOLDOWN", 0.0)
    monkeypatch.setattr(oidc, "_FRESH_FOR", 0.0)
    assert await status(app, issuer.token()) == 401
    assert await status(app, issuer.token("second")) == 200


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/keys", None),
        ("/keys", b"no json"),
        ("/keys", {"keys": [1]}),
        ("/keys", []),
        ("/.well-known/openid-configuration", None),
        ("/.well-known/openid-configuration", {"issuer": "https://elsewhere.example", "jwks_uri": "x"}),
        ("/.well-known/openid-configuration", {"jwks_uri": "x"}),
    ],
)
async def test_issuer_that_does_not_answer_well_is_a_503_until_it_does_and_known_keys_go_on(
    app: Litestar, issuer: Issuer, path: str, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, issuer.answers[path] = issuer.answers[path], answer
    async with client_of(app, issuer.token()) as client:
        failed = [await client.get(ME) for _ in range(3)]
        assert {(one.status_code, one.json()["code"]) for one in failed} == {(503, "service_unavailable")}
        assert issuer.asked.total() <= 2
        issuer.answers[path] = good
        monkeypatch.setattr(oidc, "_COOLDOWN", 0.0)
        assert (await client.get(ME)).status_code == 200
        issuer.answers[path] = answer
        monkeypatch.setattr(oidc, "_FRESH_FOR", 0.0)
        assert (await client.get(ME)).status_code == 200


async def test_stream_ends_with_the_token_that_opened_it(
    app: Litestar, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.streams._ADMITTED_FOR", 0.0)
    async with client_of(app, issuer.token()) as client:
        body = {"name": "Deck", "slug": "deck", "description": ""}
        board = (await client.post("/api/v1/boards", json=body)).json()
    expires_at = datetime.now(UTC) + timedelta(seconds=oidc._LEEWAY)
    async with reading(app, f"/api/v1/boards/{board['id']}/tasks/stream", token=issuer.token(exp=expires_at)) as stream:
        monkeypatch.setattr("app.services.identity.datetime", _Later)
        assert await stream.block() is None


class _Later(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> datetime:
        return datetime.now(tz) + HOUR


async def test_no_token_of_the_issuer_is_in_the_log(
    app: Litestar, issuer: Issuer, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = issuer.token(aud="somebody-else"), issuer.token()
    assert (await status(app, bad), await status(app, good)) == (401, 200)
    log = capsys.readouterr().err
    assert "InvalidAudienceError" in log
    for token in (bad, good):
        assert not any(part in log for part in token.split("."))

"""AUTH_MODE=oidc: whom the tokens of a real issuer let in."""

import asyncio
import base64
import gzip
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import RSAAlgorithm
from litestar import Litestar

from app.asgi import create_app
from app.core import oidc
from app.core.identity import IssuerUnreachableError
from app.core.settings import AuthMode, Settings
from app.postgres.secret import Secret
from tests.conftest import TOKEN, client_of, settings_for, started
from tests.support.api import ME, TOKENS, register
from tests.support.database import query
from tests.support.oidc_issuer import AUDIENCE, Issuer, issuing
from tests.support.sse import reading
from tests.support.waiting import PATIENCE


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with issuing() as found:
        yield found


# To load the authorities' certificates takes longer than most of these tests, whose issuers have no TLS.
_tls = cache(httpx.create_ssl_context)


@pytest.fixture(autouse=True)
async def reading_ends(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Nobody goes on reading the keys of an issuer that is gone."""
    made: list[oidc.Issuer] = []

    class Noted(oidc.Issuer):
        def __init__(self, settings: Settings) -> None:
            super().__init__(settings)
            made.append(self)

    monkeypatch.setattr(oidc, "Issuer", Noted)
    monkeypatch.setattr(httpx, "create_ssl_context", _tls)
    yield
    for one in made:
        if one._next_reading is not None:
            one._next_reading.cancel()
        if one._reading is not None:
            one._reading.cancel()


def settings_of(database_url: str, issuer: Issuer, **fields: Any) -> Settings:
    return settings_for(
        database_url,
        auth_mode=AuthMode.OIDC,
        oidc_issuer=issuer.url,
        oidc_audience=(AUDIENCE, "another"),
        secret_key=Secret(TOKEN),
        local_auth_token=None,
        **fields,
    )


@pytest.fixture
async def app(database_url: str, issuer: Issuer) -> AsyncIterator[Litestar]:
    async with started(create_app(settings_of(database_url, issuer))) as application:
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
    for number, is_verified in enumerate((False, "false", 0, [])):
        async with client_of(app, issuer.token(sub=f"queequeg {number}", email_verified=is_verified)) as other:
            assert (await other.get(ME)).json()["email"] is None
    async with client_of(app, issuer.token(sub="nameless", name=5, email=["a@example.org"])) as other:
        assert (await other.get(ME)).json()["name"] is None


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


WRONG_CLAIMS: list[dict[str, Any]] = [
    {"iss": "https://elsewhere.example"},
    {"iss": None},
    {"aud": "somebody-else"},
    {"aud": None},
    {"sub": None},
    {"sub": 7},
    {"sub": ""},
    {"sub": " "},
    {"sub": ["ishmael"]},
    {"sub": "nul\0"},
    {"sub": "surrogate\ud800"},
    {"exp": None},
    {"exp": datetime.now(UTC) - HOUR},
    {"exp": 10**20},
    {"exp": 10**400},
    {"exp": float("inf")},
    {"exp": float("nan")},
    {"exp": str(int((datetime.now(UTC) + HOUR).timestamp()))},
    {"exp": True},
    {"exp": [1]},
    {"nbf": "1"},
    {"nbf": float("-inf")},
    {"iat": "1"},
    {"iat": {}},
    {"jti": 5},
    {"aud": 5},
    {"aud": [{}]},
    {"aud": {"plimsoll": 1}},
    {"nbf": datetime.now(UTC) + HOUR},
    {"iat": datetime.now(UTC) + HOUR},
]


async def test_token_with_a_wrong_claim_lets_nobody_in(app: Litestar, issuer: Issuer, database_url: str) -> None:
    for claims in WRONG_CLAIMS:
        async with client_of(app, issuer.token(**claims)) as client:
            answer = await client.get(ME)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), claims
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
    unsigned = jwt.encode(claims, "", "none", headers={"kid": "first"})
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


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.01)


async def test_keys_are_read_anew_by_themselves_and_one_that_is_withdrawn_is_good_no_longer(
    app: Litestar, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "_FRESH_FOR", 0.05)
    issuer.add_key("second")
    assert await status(app, issuer.token()) == 200
    keys = issuer.answers["/keys"]["keys"]
    issuer.answers["/keys"] = {"keys": keys[1:]}
    # The one under way may have begun before that.
    asked = issuer.asked["/keys"]
    await until(lambda: issuer.asked["/keys"] >= asked + 3)
    assert await status(app, issuer.token()) == 401
    assert await status(app, issuer.token("second")) == 200


@pytest.fixture
def held(issuer: Issuer) -> Iterator[threading.Event]:
    """Until it is set, the issuer that `hold` was called for says nothing when it is asked for its keys."""
    event = threading.Event()
    yield event
    event.set()


def hold(issuer: Issuer, held: threading.Event) -> None:
    keys = json.dumps(issuer.answers["/keys"]).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        held.wait()
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(keys)

    issuer.answers["/keys"] = answer


async def test_nobody_whose_key_is_known_waits_for_an_issuer_that_hangs(
    app: Litestar, issuer: Issuer, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "_FRESH_FOR", 0.01)
    monkeypatch.setattr(oidc, "_FETCH_TIMEOUT", 3600.0)
    hold_later = issuer.asked["/keys"] + 1
    assert await status(app, issuer.token()) == 200
    hold(issuer, held)
    await until(lambda: issuer.asked["/keys"] > hold_later)
    asked = issuer.asked["/keys"]
    assert [await status(app, issuer.token(sub=f"sailor {number}")) for number in range(5)] == [200] * 5
    assert not held.is_set()
    assert issuer.asked["/keys"] <= asked + 1


async def test_first_sign_ins_wait_for_one_reading_together(
    app: Litestar, issuer: Issuer, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "_FETCH_TIMEOUT", 3600.0)
    hold(issuer, held)
    first = [asyncio.create_task(status(app, issuer.token())) for _ in range(10)]
    await until(lambda: issuer.asked["/keys"] == 1)
    assert not any(task.done() for task in first)
    held.set()
    assert await asyncio.gather(*first) == [200] * 10
    assert issuer.asked == {"/.well-known/openid-configuration": 1, "/keys": 1}


async def test_who_waits_for_the_issuer_takes_no_place_of_others(
    database_url: str, issuer: Issuer, held: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "_COOLDOWN", 0.0)
    monkeypatch.setattr(oidc, "_FETCH_TIMEOUT", 3600.0)
    async with started(create_app(settings_of(database_url, issuer, max_concurrent_requests=2))) as app:
        async with client_of(app, issuer.token()) as client:
            token = (await client.post(TOKENS, json={"name": "Laptop"})).json()["token"]
        hold(issuer, held)
        unknown = issuer.token(headers={"kid": "unknown"})
        waiting = [asyncio.create_task(status(app, unknown)) for _ in range(20)]
        await until(lambda: issuer.asked["/keys"] == 2)
        assert await status(app, token) == 200
        assert await status(app, issuer.token()) == 200
        assert not any(task.done() for task in waiting)
        held.set()
        # They come back to two places all at once.
        assert set(await asyncio.gather(*waiting)) <= {401, 503}
        assert issuer.asked["/keys"] == 2


DISCOVERY = "/.well-known/openid-configuration"
GZIPPED = gzip.compress(b" " * 50 * 2**20)


def redirect(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(302)
    handler.send_header("Location", "/elsewhere")
    handler.end_headers()


def gzipped(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.end_headers()
    handler.wfile.write(GZIPPED)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/keys", None),
        ("/keys", redirect),
        ("/keys", gzipped),
        ("/keys", b"no json"),
        ("/keys", b""),
        ("/keys", b"\xff"),
        ("/keys", []),
        ("/keys", {"keys": None}),
        ("/keys", {"keys": []}),
        ("/keys", {"keys": [1, None, "first", [], {}]}),
        ("/keys", {"keys": [{"kid": ["first"], "kty": "RSA"}, {"kid": {}, "kty": "RSA"}]}),
        ("/keys", {"keys": [{"kid": "first", "kty": "RSA", "n": "AA", "e": "AA"}]}),
        ("/keys", {"keys": [{"kid": "first", "kty": "RSA", "n": "!!", "e": 5}]}),
        ("/keys", {"keys": [{"kid": "first", "kty": "RSA", "n": "_" * 10_000, "e": "AQAB"}]}),
        ("/keys", {"keys": [{"kid": "first", "kty": {}, "alg": []}]}),
        ("/keys", {"keys": [{"kid": "first", "kty": "oct", "k": "AA"}]}),
        ("/keys", b'{"keys":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        ("/keys", b'{"keys":[' + b'{"a":' * 40_000),
        (DISCOVERY, None),
        (DISCOVERY, redirect),
        (DISCOVERY, {"issuer": "https://elsewhere.example", "jwks_uri": "x"}),
        (DISCOVERY, {"jwks_uri": "x"}),
        (DISCOVERY, ("file:///etc/passwd",)),
        (DISCOVERY, ("http://[",)),
        (DISCOVERY, ("http://127.0.0.1:99999999/",)),
        (DISCOVERY, ("\0",)),
        (DISCOVERY, (5,)),
        (DISCOVERY, (["x"],)),
    ],
    # The same in every worker, and short.
    ids=lambda value: getattr(value, "__name__", str(value))[:40],
)
async def test_answer_that_holds_no_keys_is_as_none_and_known_keys_go_on(
    issuer: Issuer, path: str, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if isinstance(answer, tuple):
        answer = {"issuer": issuer.url, "jwks_uri": answer[0]}
    checking = oidc.Issuer(settings_of("postgresql://nobody@127.0.0.1/nothing", issuer))
    good, issuer.answers[path] = issuer.answers[path], answer
    for _ in range(3):
        with pytest.raises(IssuerUnreachableError):
            await checking.identify(issuer.token())
    assert issuer.asked.total() <= 2
    issuer.answers[path] = good
    monkeypatch.setattr(oidc, "_COOLDOWN", 0.0)
    assert (await checking.identify(issuer.token())).name == "Ishmael"
    issuer.answers[path] = answer
    asked = issuer.asked[path]
    with pytest.raises(IssuerUnreachableError):
        await checking.identify(issuer.token(headers={"kid": "unknown"}))
    assert issuer.asked[path] > asked
    assert (await checking.identify(issuer.token())).name == "Ishmael"


async def test_issuer_that_cannot_be_reached_is_a_503_until_it_can(
    app: Litestar, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, issuer.answers["/keys"] = issuer.answers["/keys"], None
    async with client_of(app, issuer.token()) as client:
        failed = await client.get(ME)
        assert (failed.status_code, failed.json()["code"]) == (503, "service_unavailable")
        issuer.answers["/keys"] = good
        monkeypatch.setattr(oidc, "_COOLDOWN", 0.0)
        assert (await client.get(ME)).status_code == 200


async def test_issuer_that_answers_without_end_is_left_to_itself(
    app: Litestar, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By drips, which no limit on each read would end, and with as much as there is, which is not read."""
    monkeypatch.setattr(oidc, "_COOLDOWN", 0.0)
    good, sent, left = issuer.answers["/keys"], 0, threading.Event()

    def endless(handler: BaseHTTPRequestHandler, part: bytes, pause: float) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.end_headers()
        with suppress(OSError):
            while sent < 600 * 2**20:
                sent += handler.wfile.write(part)
                time.sleep(pause)
        left.set()

    for part, pause, patience in ((b" ", 0.01, 0.3), (b" " * 2**20, 0.0, 3600.0)):
        monkeypatch.setattr(oidc, "_FETCH_TIMEOUT", patience)
        issuer.answers["/keys"] = partial(endless, part=part, pause=pause)
        assert await status(app, issuer.token()) == 503
        assert await asyncio.to_thread(left.wait, PATIENCE)
        left.clear()
    assert sent < 50 * 2**20
    monkeypatch.setattr(oidc, "_FETCH_TIMEOUT", 3600.0)
    issuer.answers["/keys"] = good
    assert await status(app, issuer.token()) == 200


async def test_malformed_key_is_none_of_the_others_fault(app: Litestar, issuer: Issuer) -> None:
    keys = issuer.answers["/keys"]["keys"]
    private = RSAAlgorithm.to_jwk(rsa.generate_private_key(public_exponent=65537, key_size=2048), as_dict=True)
    malformed = [
        None,
        {"kid": "first", "kty": "XX"},
        {"kid": [], "kty": "RSA"},
        {"kid": "bad", "kty": "RSA", "n": "AA"},
    ]
    keys[:] = [*malformed, *keys, {"kid": "private", **private}]
    assert await status(app, issuer.token()) == 200
    for key_id in ("bad", "private"):
        assert await status(app, issuer.token(headers={"kid": key_id})) == 401


async def test_stream_ends_with_the_token_that_opened_it(
    app: Litestar, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.streams._ADMITTED_FOR", 0.0)
    async with client_of(app, issuer.token()) as client:
        body = {"name": "Deck", "slug": "deck", "description": ""}
        board = (await client.post("/api/v1/boards", json=body)).json()
    expires_at = datetime.now(UTC) + timedelta(seconds=oidc._LEEWAY)
    async with reading(app, f"/api/v1/boards/{board['id']}/tasks/stream", token=issuer.token(exp=expires_at)) as stream:
        monkeypatch.setattr("app.services.callers.datetime", _Later)
        assert await stream.block() is None


class _Later(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> Self:
        return cls.fromtimestamp((datetime.now(UTC) + HOUR).timestamp(), tz)


async def test_no_token_of_the_issuer_is_in_the_log(
    app: Litestar, issuer: Issuer, capsys: pytest.CaptureFixture[str]
) -> None:
    bad, good = issuer.token(aud="somebody-else"), issuer.token()
    assert (await status(app, bad), await status(app, good)) == (401, 200)
    log = capsys.readouterr().err
    assert "InvalidAudienceError" in log
    for token in (bad, good):
        assert not any(part in log for part in token.split("."))

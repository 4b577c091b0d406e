"""An OpenID Connect issuer on this machine: its discovery document, its keys, and the tokens that it signs."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "plimsoll"


class Issuer:
    """`answers` says what is served at each path, and `asked` how often it was asked for; both may be changed.

    What is a function serves the path by itself.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: Counter[str] = Counter()
        self.answers: dict[str, Any] = {
            "/.well-known/openid-configuration": {"issuer": url, "jwks_uri": f"{url}/keys"},
            "/keys": {"keys": []},
        }
        self._private: dict[str, Any] = {}
        self.add_key("first")

    def add_key(self, key_id: str, *, elliptic: bool = False, **fields: str) -> None:
        """Publishes a key, with which it can sign from now on."""
        if elliptic:
            curve = ec.generate_private_key(ec.SECP256R1())
            self._private[key_id] = curve
            public = json.loads(ECAlgorithm.to_jwk(curve.public_key()))
        else:
            key = _rsa_key(key_id)
            self._private[key_id] = key
            public = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
        self.answers["/keys"]["keys"].append({"kid": key_id, "use": "sig", **public, **fields})

    def token(
        self, key_id: str = "first", algorithm: str = "RS256", headers: dict[str, Any] | None = None, **claims: Any
    ) -> str:
        """Of Ishmael, good for five minutes unless the claims say something else; one that is None is left out."""
        now = datetime.now(UTC)
        every = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "ishmael",
            "iat": now,
            "exp": now + timedelta(minutes=5),
            "name": "Ishmael",
            "email": "ishmael@example.org",
            **claims,
        }
        kept = {name: value for name, value in every.items() if value is not None}
        return jwt.encode(kept, self._private[key_id], algorithm, headers={"kid": key_id, **(headers or {})})


@cache
def _rsa_key(key_id: str) -> rsa.RSAPrivateKey:
    """Return the key of this id, which is made once for all issuers, because that takes a tenth of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@contextmanager
def issuing() -> Iterator[Issuer]:
    """An issuer that answers until the end."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuer.asked[self.path] += 1
            answer = issuer.answers.get(self.path)
            if callable(answer):
                answer(self)
                return
            self.send_response(404 if answer is None else 200)
            self.end_headers()
            self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer = Issuer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()

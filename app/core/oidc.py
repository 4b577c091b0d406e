"""Tokens of an OpenID Connect issuer: JWTs (RFC 7519), checked with the keys that the issuer publishes (RFC 7517).

Nothing is fetched from where a token says, only from the issuer of the settings. What comes from there is read in a
task of its own, for all requests together: none waits for it whose key is known.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from contextvars import Context
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any

import httpx
import jwt
import msgspec
import structlog

from app.core.config import Settings
from app.core.identity import Identity, InvalidJWTError, IssuerUnreachableError

_DISCOVERY = "/.well-known/openid-configuration"
# Seconds: for all that the issuer answers, between two times that it is asked, until keys are read anew, and by which
# the two clocks may differ.
_PATIENCE = 5.0
_COOLDOWN = 10.0
_FRESH_FOR = 3600.0
_LEEWAY = 30
# Of one answer. Issuers have some ten keys, of less than 1 KiB each, or 3 with their certificates.
_MOST_BYTES = 256 * 1024
# What OpenSSL checks at most; it takes 1 ms.
_MOST_KEY_BITS = 16_384
_MAX_TEXT = 2000
_REQUIRED = ["iss", "sub", "aud", "exp"]
_TIMES = ("exp", "nbf", "iat")

log = structlog.stdlib.get_logger(__name__)
# By id, and then by algorithm. One that has no id is there as None.
Keys = dict[str | None, dict[str, jwt.PyJWK]]
Waiting = Callable[[], AbstractAsyncContextManager[None]]


class _Configuration(msgspec.Struct):
    issuer: str
    jwks_uri: str


class _KeySet(msgspec.Struct):
    keys: list[Any]


class Issuer:
    """The issuer of the settings, with its keys, which are read when they are first needed, and then kept fresh."""

    def __init__(self, settings: Settings) -> None:
        assert settings.oidc_issuer is not None, "AUTH_MODE is oidc"
        self._url = settings.oidc_issuer
        self._audience = settings.oidc_audience
        self._algorithms = settings.oidc_algorithms
        self._keys: Keys = {}
        self._is_reachable = False
        self._tried_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self._next_reading: asyncio.TimerHandle | None = None

    async def identify(self, token: str, waiting: Waiting = nullcontext) -> Identity:
        """Return whom the token names; the issuer is waited for, where that must be, within the context `waiting`.

        Raises InvalidJWTError and IssuerUnreachableError.
        """
        try:
            header = jwt.get_unverified_header(token)
        except jwt.PyJWTError as exc:
            raise InvalidJWTError(type(exc).__name__) from None
        algorithm = str(header.get("alg"))
        if algorithm not in self._algorithms:
            raise InvalidJWTError("the algorithm is not one of OIDC_ALGORITHMS")
        key = await self._key(header.get("kid"), algorithm, waiting)
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._url,
                leeway=_LEEWAY,
                options={"require": _REQUIRED},
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError) as exc:
            # The others are what the library lets through of claims that it does not expect.
            raise InvalidJWTError(type(exc).__name__) from None
        return _identity(claims)

    async def _key(self, key_id: str | None, algorithm: str, waiting: Waiting) -> jwt.PyJWK:
        """Return the key; wait for the issuer only where it is not known.

        Raises InvalidJWTError where there is none for this algorithm, and IssuerUnreachableError.
        """
        if key_id not in self._keys:
            async with waiting():
                await self._read_now_and_then()
        if key_id not in self._keys and not self._is_reachable:
            raise IssuerUnreachableError
        key = self._keys.get(key_id, {}).get(algorithm)
        if key is None:
            raise InvalidJWTError("the issuer has no such key")
        return key

    async def _read_now_and_then(self) -> None:
        """Wait until the keys have been read anew, unless that was just tried.

        So tokens with made-up key ids cost the issuer nothing.
        """
        if self._reading is None or self._reading.done():
            if time.monotonic() - self._tried_at < _COOLDOWN:
                return
            self._start_reading()
        assert self._reading is not None, "started above"
        await asyncio.shield(self._reading)

    def _start_reading(self) -> None:
        if self._reading is None or self._reading.done():
            self._tried_at = time.monotonic()
            # Of no request, in the log either.
            self._reading = asyncio.create_task(self._read(), context=Context())

    async def _read(self) -> None:
        """Read the keys. Where that fails the known ones go on being good."""
        try:
            async with asyncio.timeout(_PATIENCE):
                found = await self._fetch_keys()
            # In a thread, since it may be much to compute.
            self._keys = await asyncio.to_thread(_usable_keys, found, self._algorithms)
            self._is_reachable = True
        except Exception as exc:  # noqa: BLE001 - whatever the issuer sends
            self._is_reachable = False
            log.error("the keys of the issuer cannot be read", issuer=self._url, error=type(exc).__name__)
        if self._next_reading is not None:
            self._next_reading.cancel()
        if self._keys:
            wait = _FRESH_FOR if self._is_reachable else _COOLDOWN
            self._next_reading = asyncio.get_running_loop().call_later(wait, self._start_reading)

    async def _fetch_keys(self) -> list[Any]:
        # Reading the certificates of the authorities takes 50 ms.
        tls = await asyncio.to_thread(httpx.create_ssl_context)
        async with httpx.AsyncClient(verify=tls, timeout=None, headers={"Accept-Encoding": "identity"}) as client:  # noqa: S113
            text = await _fetch(client, self._url.rstrip("/") + _DISCOVERY)
            configuration = msgspec.json.decode(text, type=_Configuration)
            if configuration.issuer != self._url:
                raise ValueError("another issuer answers there")
            if self._url.startswith("https:") and not configuration.jwks_uri.startswith("https:"):
                raise ValueError("its keys could be anybody's")
            return msgspec.json.decode(await _fetch(client, configuration.jwks_uri), type=_KeySet).keys


async def _fetch(client: httpx.AsyncClient, url: str) -> bytes:
    """Return the body. Raises HTTPError, and ValueError where it is longer than any document of an issuer."""
    body = bytearray()
    async with client.stream("GET", url) as response:
        response.raise_for_status()
        # As it comes: what is unpacked has no limit.
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _MOST_BYTES:
                raise ValueError("it is too long")
    return bytes(body)


def _usable_keys(published: Iterable[Any], algorithms: Iterable[str]) -> Keys:
    """Return those that check signatures. A key without an id is the one that is meant where there is no other.

    Raises ValueError where there is none: that is not what an issuer publishes.
    """
    keys: Keys = {}
    for one in published:
        if not isinstance(one, dict) or one.get("use", "sig") != "sig" or not isinstance(one.get("kid"), str | None):
            continue
        for algorithm in algorithms:
            if (key := _usable_key(one, algorithm)) is not None:
                keys.setdefault(one.get("kid"), {})[algorithm] = key
    if not keys:
        raise ValueError("there is no usable key")
    if len(keys) == 1:
        keys[None] = next(iter(keys.values()))
    return keys


def _usable_key(published: dict[str, Any], algorithm: str) -> jwt.PyJWK | None:
    if published.get("alg", algorithm) != algorithm:
        return None
    try:
        key = jwt.PyJWK(published, algorithm)
    except Exception:  # noqa: BLE001 - one that is malformed is none of the others' fault
        return None
    is_public = hasattr(key.key, "verify")
    return key if is_public and getattr(key.key, "key_size", 0) <= _MOST_KEY_BITS else None


def _identity(claims: dict[str, Any]) -> Identity:
    """Return whom the claims name. Raises InvalidJWTError."""
    try:
        if not all(_is_time(claims[name]) for name in _TIMES if name in claims):
            raise InvalidJWTError("one of its times is no number")
        expires_at = datetime.fromtimestamp(claims["exp"], UTC) + timedelta(seconds=_LEEWAY)
    except (ValueError, OverflowError, OSError):
        raise InvalidJWTError("its expiry is no time") from None
    # Two issuers may give one subject to two people (OpenID Connect Core, 5.7).
    subject = _text(f"{claims['iss']}#{claims['sub']}")
    if subject is None or not claims["sub"].strip():
        raise InvalidJWTError("its subject is no text")
    # Some issuers write a truth value as a text.
    is_verified = claims.get("email_verified", True) in (True, "true")
    email = _text(claims.get("email")) if is_verified else None
    return Identity(subject, _text(claims.get("name")), email, expires_at)


def _is_time(value: object) -> bool:
    """Return whether it is a NumericDate (RFC 7519, section 2)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _text(value: object) -> str | None:
    """Return the value where it is a text that PostgreSQL can hold, and not too long; None otherwise."""
    if not isinstance(value, str) or len(value) > _MAX_TEXT or "\0" in value:
        return None
    return None if any("\ud800" <= character <= "\udfff" for character in value) else value

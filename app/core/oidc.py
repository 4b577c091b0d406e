"""Tokens of an OpenID Connect issuer: JWTs (RFC 7519), checked with the keys that the issuer publishes (RFC 7517).

Keys are fetched only from the issuer of the settings, never from an address in a token. They are fetched in a task that
all requests share; a request whose key is known does not wait for it.
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

from app.core.identity import Identity, InvalidJWTError, IssuerUnreachableError
from app.core.settings import Settings

_DISCOVERY = "/.well-known/openid-configuration"
# Seconds: for all answers of the issuer together, between two attempts to fetch, until keys are fetched again, and by
# which the clocks may differ.
_FETCH_TIMEOUT = 5.0
_COOLDOWN = 10.0
_FRESH_FOR = 3600.0
_LEEWAY = 30
# The size of one answer. Issuers have about ten keys of less than 1 KiB each, or 3 KiB with their certificates.
_MAX_BYTES = 256 * 1024
# The largest key that OpenSSL accepts; a check takes 1 ms.
_MAX_KEY_BITS = 16_384
_MAX_TEXT = 2000
_REQUIRED = ["iss", "sub", "aud", "exp"]
_TIMES = ("exp", "nbf", "iat")

log = structlog.stdlib.get_logger(__name__)
# By key id, and then by algorithm. The id of a key without one is None.
Keys = dict[str | None, dict[str, jwt.PyJWK]]
Waiting = Callable[[], AbstractAsyncContextManager[None]]


class _Configuration(msgspec.Struct):
    issuer: str
    jwks_uri: str


class _KeySet(msgspec.Struct):
    keys: list[Any]


class Issuer:
    """The issuer of the settings. Its keys are fetched when they are first needed, and then kept fresh."""

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
        """Return the identity that the token proves.

        If its key has to be fetched, the wait is within the context `waiting`. Raises InvalidJWTError and
        IssuerUnreachableError.
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
            # The library raises the other errors for claims of unexpected types.
            raise InvalidJWTError(type(exc).__name__) from None
        return _identity(claims)

    async def _key(self, key_id: str | None, algorithm: str, waiting: Waiting) -> jwt.PyJWK:
        """Return the key; wait for the issuer only if the key is not known.

        Raises InvalidJWTError if there is none for this algorithm, and IssuerUnreachableError.
        """
        if key_id not in self._keys:
            async with waiting():
                await self._refresh()
        if key_id not in self._keys and not self._is_reachable:
            raise IssuerUnreachableError
        key = self._keys.get(key_id, {}).get(algorithm)
        if key is None:
            raise InvalidJWTError("the issuer has no such key")
        return key

    async def _refresh(self) -> None:
        """Wait until the keys have been fetched again, unless that was tried a moment ago.

        So tokens with invented key ids cost the issuer nothing.
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
            # An empty context: the task belongs to no request, and logs no request id.
            self._reading = asyncio.create_task(self._read(), context=Context())

    async def _read(self) -> None:
        """Fetch the keys. If that fails, the known ones remain valid."""
        try:
            async with asyncio.timeout(_FETCH_TIMEOUT):
                found = await self._fetch_keys()
            # In a thread: parsing many keys takes long.
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
        # In a thread: loading the authorities' certificates takes 50 ms.
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
    """Return the body. Raises HTTPError, and ValueError if it is longer than any document of an issuer."""
    body = bytearray()
    async with client.stream("GET", url) as response:
        response.raise_for_status()
        # Raw, because a compressed body could unpack to any size.
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _MAX_BYTES:
                raise ValueError("it is too long")
    return bytes(body)


def _usable_keys(published: Iterable[Any], algorithms: Iterable[str]) -> Keys:
    """Return the keys that verify signatures. If there is one key only, it is also used for tokens without a key id.

    Raises ValueError if there is none: every issuer publishes at least one.
    """
    keys: Keys = {}
    for jwk in published:
        if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig" or not isinstance(jwk.get("kid"), str | None):
            continue
        for algorithm in algorithms:
            if (key := _usable_key(jwk, algorithm)) is not None:
                keys.setdefault(jwk.get("kid"), {})[algorithm] = key
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
    except Exception:  # noqa: BLE001 - a malformed key must not keep the others out
        return None
    is_public = hasattr(key.key, "verify")
    return key if is_public and getattr(key.key, "key_size", 0) <= _MAX_KEY_BITS else None


def _identity(claims: dict[str, Any]) -> Identity:
    """Return the identity that the claims name. Raises InvalidJWTError."""
    try:
        if not all(_is_time(claims[name]) for name in _TIMES if name in claims):
            raise InvalidJWTError("one of its times is no number")
        expires_at = datetime.fromtimestamp(claims["exp"], UTC) + timedelta(seconds=_LEEWAY)
    except (ValueError, OverflowError, OSError):
        raise InvalidJWTError("its expiry is no time") from None
    # Two issuers may give the same subject to different people (OpenID Connect Core, 5.7).
    subject = _text(f"{claims['iss']}#{claims['sub']}")
    if subject is None or not claims["sub"].strip():
        raise InvalidJWTError("its subject is no text")
    # Some issuers write a boolean as a string.
    is_verified = claims.get("email_verified", True) in (True, "true")
    email = _text(claims.get("email")) if is_verified else None
    return Identity(subject, _text(claims.get("name")), email, expires_at)


def _is_time(value: object) -> bool:
    """Return whether it is a NumericDate (RFC 7519, section 2)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _text(value: object) -> str | None:
    """Return the value if it is a text that PostgreSQL can store, and not too long; otherwise None."""
    if not isinstance(value, str) or len(value) > _MAX_TEXT or "\0" in value:
        return None
    return None if any("\ud800" <= character <= "\udfff" for character in value) else value

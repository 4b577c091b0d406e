"""Tokens of an OpenID Connect issuer: JWTs (RFC 7519), checked with the keys that the issuer publishes (RFC 7517).

Nothing is fetched from where a token says, only from the issuer of the settings.
"""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import structlog

from app.core.config import Settings
from app.core.identity import Identity, InvalidJWTError, IssuerUnreachableError

_DISCOVERY = "/.well-known/openid-configuration"
# Seconds: for an answer of the issuer, between two looks for a key that is not known, until keys are read anew, and by
# which the two clocks may differ.
_PATIENCE = 5.0
_COOLDOWN = 10.0
_FRESH_FOR = 3600.0
_LEEWAY = 30
_MAX_TEXT = 2000
_REQUIRED = ["iss", "sub", "aud", "exp"]

log = structlog.stdlib.get_logger(__name__)


class Issuer:
    """The issuer of the settings, with its keys, which are read when they are first needed."""

    def __init__(self, settings: Settings) -> None:
        assert settings.oidc_issuer is not None, "AUTH_MODE is oidc"
        self._url = settings.oidc_issuer
        self._audience = settings.oidc_audience
        self._algorithms = settings.oidc_algorithms
        self._keys: dict[str | None, dict[str, Any]] = {}
        self._read_at = self._tried_at = float("-inf")
        self._reading = asyncio.Lock()

    async def identify(self, token: str) -> Identity:
        """Raises InvalidJWTError and IssuerUnreachableError."""
        try:
            header = jwt.get_unverified_header(token)
            algorithm = str(header.get("alg"))
            if algorithm not in self._algorithms:
                raise InvalidJWTError("the algorithm is not one of OIDC_ALGORITHMS")
            key = await self._key(header.get("kid"), algorithm)
            claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=self._audience,
                issuer=self._url,
                leeway=_LEEWAY,
                options={"require": _REQUIRED},
            )
        except jwt.PyJWTError as exc:
            raise InvalidJWTError(type(exc).__name__) from None
        return _identity(claims)

    async def _key(self, key_id: str | None, algorithm: str) -> jwt.PyJWK:
        """Raises PyJWTError and InvalidJWTError where there is none for this algorithm, and IssuerUnreachableError."""
        if key_id not in self._keys or time.monotonic() - self._read_at > _FRESH_FOR:
            await self._refresh(key_id)
        key = self._keys.get(key_id)
        if key is None or key.get("alg", algorithm) != algorithm:
            raise InvalidJWTError("the issuer has no such key")
        return jwt.PyJWK(key, algorithm)

    async def _refresh(self, key_id: str | None) -> None:
        """Reads the keys anew, now and then at most: tokens with made-up key ids cost the issuer nothing.

        While it cannot be reached the known keys go on being good.
        """
        async with self._reading:
            if time.monotonic() - self._tried_at < _COOLDOWN:
                if not self._keys:
                    raise IssuerUnreachableError
                return
            self._tried_at = time.monotonic()
            try:
                self._keys = await self._read_keys()
                self._read_at = self._tried_at
            except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError) as exc:
                log.error("the keys of the issuer cannot be read", issuer=self._url, error=type(exc).__name__)
                if key_id not in self._keys:
                    raise IssuerUnreachableError from None

    async def _read_keys(self) -> dict[str | None, dict[str, Any]]:
        """By key id. One that has none is there as None, too, if it is the only one."""
        async with httpx.AsyncClient(timeout=_PATIENCE) as client:
            configuration = (await client.get(self._url.rstrip("/") + _DISCOVERY)).raise_for_status().json()
            if configuration["issuer"] != self._url:
                raise ValueError("another issuer answers there")
            keys = (await client.get(configuration["jwks_uri"])).raise_for_status().json()["keys"]
        signing = [key for key in keys if key.get("use", "sig") == "sig"]
        by_id: dict[str | None, dict[str, Any]] = {key.get("kid"): key for key in signing}
        if len(signing) == 1:
            by_id[None] = signing[0]
        return by_id


def _identity(claims: dict[str, Any]) -> Identity:
    """Raises InvalidJWTError."""
    try:
        expires_at = datetime.fromtimestamp(claims["exp"], UTC) + timedelta(seconds=_LEEWAY)
    except (ValueError, OverflowError, OSError):
        raise InvalidJWTError("its expiry is no time") from None
    # Two issuers may give one subject to two people (OpenID Connect Core, 5.7).
    subject = _text(f"{claims['iss']}#{claims['sub']}")
    if subject is None:
        raise InvalidJWTError("its subject is no text")
    email = None if claims.get("email_verified") is False else _text(claims.get("email"))
    return Identity(subject, _text(claims.get("name")), email, expires_at)


def _text(value: object) -> str | None:
    """A text that PostgreSQL can hold, and a person may have."""
    if not isinstance(value, str) or len(value) > _MAX_TEXT or "\0" in value:
        return None
    return None if any("\ud800" <= character <= "\udfff" for character in value) else value

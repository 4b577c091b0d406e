"""Tokens: generating, hashing and comparing them."""

import base64
import binascii
import hashlib
import hmac
import secrets
from uuid import UUID

AGENT_TOKEN_PREFIX = "pla_"  # noqa: S105 - no secret
INVITE_TOKEN_PREFIX = "pli_"  # noqa: S105 - no secret
PERSONAL_TOKEN_PREFIX = "plp_"  # noqa: S105 - no secret
_TOKEN_BYTES = 48
_PREFIXED_TOKEN_BYTES = 32
_INVITE_SEED_BYTES = 32
_UUID_BYTES = 16


def new_token() -> str:
    """Return 64 random URL-safe characters (384 bits)."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def new_agent_token() -> str:
    """Return `pla_` and 43 random URL-safe characters (256 bits)."""
    return AGENT_TOKEN_PREFIX + secrets.token_urlsafe(_PREFIXED_TOKEN_BYTES)


def new_personal_token() -> str:
    """Return `plp_` and 43 random URL-safe characters (256 bits)."""
    return PERSONAL_TOKEN_PREFIX + secrets.token_urlsafe(_PREFIXED_TOKEN_BYTES)


def new_invite_seed() -> bytes:
    """Return 256 random bits."""
    return secrets.token_bytes(_INVITE_SEED_BYTES)


class InviteTokens:
    """The tokens of invites, which can be shown again while they are valid, and are not stored.

    A hash could not be shown again, and a stored token would let in everybody who reads the database or a backup. So
    the row has a random seed, and the token is derived from it with a key that is not in the database: `pli_`, and the
    invite's id with the HMAC-SHA256 (256 bits) of id and seed. Neither the seed nor the key alone gives a token. A new
    key changes all tokens: those already sent become invalid, and the list shows the new ones.
    """

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def make(self, invite_id: UUID, seed: bytes) -> str:
        code = hmac.digest(self._key, b"invite" + invite_id.bytes + seed, "sha256")
        # 48 bytes: there is no padding.
        return INVITE_TOKEN_PREFIX + base64.urlsafe_b64encode(invite_id.bytes + code).decode()

    @staticmethod
    def invite_id(token: str) -> UUID | None:
        """Return the invite that the token names, which `make` then proves; None if it is no invite token."""
        try:
            packed = base64.urlsafe_b64decode(token.removeprefix(INVITE_TOKEN_PREFIX))
            return UUID(bytes=packed[:_UUID_BYTES])
        except (binascii.Error, ValueError):
            return None


def token_hash(token: str) -> bytes:
    """Return the SHA-256 of the token, which is stored. A random token cannot be guessed from it."""
    return _digest(token)


def tokens_equal(left: str, right: str) -> bool:
    """Return whether the two are equal, in a time that reveals neither where nor at what length they differ."""
    return hmac.compare_digest(_digest(left), _digest(right))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()

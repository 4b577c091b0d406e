"""Tokens: making, hashing and comparing them (pure functions), and the one that dev makes for itself."""

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from uuid import UUID

AGENT_TOKEN_PREFIX = "pla_"  # noqa: S105 - no secret
INVITE_TOKEN_PREFIX = "pli_"  # noqa: S105 - no secret
PERSONAL_TOKEN_PREFIX = "plp_"  # noqa: S105 - no secret
_TOKEN_BYTES = 48
_PREFIXED_TOKEN_BYTES = 32
_INVITE_SEED_BYTES = 32
_UUID_BYTES = 16
_FILE_MODE = 0o600


def new_token() -> str:
    """64 URL-safe characters, 384 bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def new_agent_token() -> str:
    """`pla_` and 43 URL-safe characters, 256 bits."""
    return AGENT_TOKEN_PREFIX + secrets.token_urlsafe(_PREFIXED_TOKEN_BYTES)


def new_personal_token() -> str:
    """`plp_` and 43 URL-safe characters, 256 bits."""
    return PERSONAL_TOKEN_PREFIX + secrets.token_urlsafe(_PREFIXED_TOKEN_BYTES)


def new_invite_seed() -> bytes:
    """256 bits."""
    return secrets.token_bytes(_INVITE_SEED_BYTES)


class InviteTokens:
    """The tokens of invites, which are shown for as long as they are good and stored nowhere.

    A hash could not be shown again, and a token that is stored would let in whoever reads the database or a backup.
    So the row has a random seed, and the token is made of it with a key that the database has not: `pli_`, and the
    invite's id with the HMAC-SHA256 (256 bits) of id and seed. Neither the seed nor the key alone makes one. With
    another key all tokens are other ones: those that were sent are worth nothing, and the list shows the new ones.
    """

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def make(self, invite_id: UUID, seed: bytes) -> str:
        code = hmac.digest(self._key, b"invite" + invite_id.bytes + seed, "sha256")
        # 48 bytes: there is no padding.
        return INVITE_TOKEN_PREFIX + base64.urlsafe_b64encode(invite_id.bytes + code).decode()

    @staticmethod
    def invite_id(token: str) -> UUID | None:
        """The invite that it says it is of, which `make` proves; None where it is no such token at all."""
        try:
            packed = base64.urlsafe_b64decode(token.removeprefix(INVITE_TOKEN_PREFIX))
            return UUID(bytes=packed[:_UUID_BYTES])
        except (binascii.Error, ValueError):
            return None


def token_hash(token: str) -> bytes:
    """What is stored of a token that is random enough not to be guessed from it: its SHA-256."""
    return _digest(token)


def tokens_equal(left: str, right: str) -> bool:
    """Compares in a time that tells nothing of where, or at what length, the two differ."""
    return hmac.compare_digest(_digest(left), _digest(right))


def kept_token(path: Path) -> str:
    """The token in the file `path`, made there (mode 0600) at the first call; safe to call from several processes.

    Raises OSError where the file can be neither read nor made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    if not path.exists():
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
        with os.fdopen(descriptor, "w") as file:
            file.write(new_token())
        try:
            # A link, not a rename: of several first processes one wins, and the others read what it wrote.
            os.link(draft, path)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()

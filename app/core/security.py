"""Tokens: making, hashing and comparing them (pure functions), and the one that dev makes for itself."""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

AGENT_TOKEN_PREFIX = "pla_"  # noqa: S105 - no secret
_TOKEN_BYTES = 48
_AGENT_TOKEN_BYTES = 32
_FILE_MODE = 0o600


def new_token() -> str:
    """64 URL-safe characters, 384 bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def new_agent_token() -> str:
    """`pla_` and 43 URL-safe characters, 256 bits."""
    return AGENT_TOKEN_PREFIX + secrets.token_urlsafe(_AGENT_TOKEN_BYTES)


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

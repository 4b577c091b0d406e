"""Encryption of stored content that a reader of the database must not see."""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class Seal:
    """AES-256-GCM with a key derived from the service's secret and from what only the caller knows."""

    def __init__(self, secret: str, caller_secret: bytes) -> None:
        self._cipher = AESGCM(hmac.new(secret.encode(), b"seal" + caller_secret, hashlib.sha256).digest())

    def encrypt(self, content: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, None)

    def decrypt(self, sealed: bytes) -> bytes | None:
        """Return the content; None if another key sealed it, or it was changed."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except InvalidTag:
            return None

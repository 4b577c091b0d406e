"""Sealing what is stored but not for whoever reads the database."""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


class Seal:
    """AES-256-GCM with a key of its own, made of the service's secret and of what only the caller knows."""

    def __init__(self, secret: str, known: bytes) -> None:
        self._cipher = AESGCM(hmac.new(secret.encode(), b"seal" + known, hashlib.sha256).digest())

    def close(self, content: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, content, None)

    def open(self, sealed: bytes) -> bytes | None:
        """None where it was sealed with another key, or is no longer whole."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None)
        except InvalidTag:
            return None

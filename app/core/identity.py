"""Whom a token of an OpenID Connect issuer names, or why it names nobody."""

from datetime import datetime
from typing import NamedTuple


class InvalidJWTError(Exception):
    """The token lets nobody in; the text says why, and holds nothing of it."""


class IssuerUnreachableError(Exception):
    """The issuer's keys could not be read, and none is known that would do."""


class Identity(NamedTuple):
    """Whom a token names: `subject` is unique among all issuers. Until `expires_at` the token is good."""

    subject: str
    name: str | None
    email: str | None
    expires_at: datetime

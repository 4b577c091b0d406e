"""The identity that a token of an OpenID Connect issuer proves, and the errors if it proves none."""

from datetime import datetime
from typing import NamedTuple


class InvalidJWTError(Exception):
    """The token is not valid; the text says why, and holds no part of the token."""


class IssuerUnreachableError(Exception):
    """The issuer's keys could not be read, and no known key fits the token."""


class Identity(NamedTuple):
    """The person whom a token names. `subject` is unique among all issuers. The token is valid until `expires_at`."""

    subject: str
    name: str | None
    email: str | None
    expires_at: datetime

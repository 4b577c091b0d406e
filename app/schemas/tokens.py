"""Personal access tokens."""

from typing import Literal
from uuid import UUID

import msgspec

from app.schemas.shared_types import Moment, Name, Request

TokenScope = Literal["read", "write"]


class PersonalTokenCreate(Request):
    """A new token. Without `expires_at` it is valid until it is revoked."""

    name: Name
    scope: TokenScope = "write"
    expires_at: Moment | None = None


class PersonalTokenRead(msgspec.Struct, kw_only=True):
    """A token without its secret. `last_used_at` is exact to the minute."""

    id: UUID
    name: str
    scope: TokenScope
    expires_at: Moment | None
    last_used_at: Moment | None
    created_at: Moment


class PersonalTokenWithSecret(PersonalTokenRead, kw_only=True):
    """A token with its secret (`token`), which is shown only here."""

    token: str

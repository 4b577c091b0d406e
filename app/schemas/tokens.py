"""Personal access tokens."""

from typing import Literal
from uuid import UUID

import msgspec

from app.schemas.fields import Moment, Name, Request

Scope = Literal["read", "write"]


class PersonalTokenCreate(Request):
    """Without `expires_at` it is good until it is revoked."""

    name: Name
    scope: Scope = "write"
    expires_at: Moment | None = None


class PersonalTokenRead(msgspec.Struct, kw_only=True):
    """`last_used_at` is to the minute."""

    id: UUID
    name: str
    scope: Scope
    expires_at: Moment | None
    last_used_at: Moment | None
    created_at: Moment


class PersonalTokenWithSecret(PersonalTokenRead, kw_only=True):
    """`token` is shown here and never again."""

    token: str

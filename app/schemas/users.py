"""The signed-in user."""

from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from app.schemas.shared_types import LongText, Name, Request, ShortText


class UserRead(msgspec.Struct, kw_only=True):
    id: UUID
    email: str | None
    name: str | None
    preferred_name: str | None
    pronouns: str | None
    timezone: str | None
    notes: str | None
    context: str | None
    is_super_admin: bool


class UserUpdate(Request):
    name: Name | UnsetType | None = UNSET
    preferred_name: ShortText | UnsetType | None = UNSET
    pronouns: ShortText | UnsetType | None = UNSET
    timezone: ShortText | UnsetType | None = UNSET
    notes: LongText | UnsetType | None = UNSET
    context: LongText | UnsetType | None = UNSET

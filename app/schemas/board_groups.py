"""Board groups."""

from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from app.schemas.shared_types import LongText, Moment, Name, Request, Slug


class BoardGroupCreate(Request):
    name: Name
    slug: Slug
    description: LongText | None = None


class BoardGroupUpdate(Request):
    name: Name | UnsetType = UNSET
    slug: Slug | UnsetType = UNSET
    description: LongText | UnsetType | None = UNSET


class BoardGroupRead(msgspec.Struct, kw_only=True):
    id: UUID
    organization_id: UUID
    name: str
    slug: str
    description: str | None
    created_at: Moment
    updated_at: Moment

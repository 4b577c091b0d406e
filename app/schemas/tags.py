"""Tags."""

from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from app.schemas.shared_types import Color, LongText, Moment, Name, Request, Slug, Update


class TagCreate(Request):
    """A new tag. Without a slug, one is made from the name."""

    name: Name
    slug: Slug | None = None
    color: Color = "9e9e9e"
    description: LongText | None = None


class TagUpdate(Update):
    null_clears = frozenset({"description"})

    name: Name | UnsetType | None = UNSET
    slug: Slug | UnsetType | None = UNSET
    color: Color | UnsetType | None = UNSET
    description: LongText | UnsetType | None = UNSET


class TagRef(msgspec.Struct, kw_only=True):
    id: UUID
    name: str
    slug: str
    color: str


class TagRead(msgspec.Struct, kw_only=True):
    id: UUID
    organization_id: UUID
    name: str
    slug: str
    color: str
    description: str | None
    task_count: int
    created_at: Moment
    updated_at: Moment

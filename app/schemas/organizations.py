"""Organizations and their members."""

from datetime import datetime
from uuid import UUID

import msgspec

from app.schemas.fields import Name, Request


class OrganizationCreate(Request):
    name: Name


class OrganizationActiveUpdate(Request):
    organization_id: UUID


class OrganizationRead(msgspec.Struct, kw_only=True):
    id: UUID
    name: str
    created_at: datetime
    updated_at: datetime


class OrganizationListItem(msgspec.Struct, kw_only=True):
    id: UUID
    name: str
    role: str
    is_active: bool


class OrganizationUserRead(msgspec.Struct, kw_only=True):
    id: UUID
    email: str | None
    name: str | None
    preferred_name: str | None


class OrganizationBoardAccessRead(msgspec.Struct, kw_only=True):
    id: UUID
    board_id: UUID
    can_read: bool
    can_write: bool
    created_at: datetime
    updated_at: datetime


class OrganizationMemberRead(msgspec.Struct, kw_only=True):
    id: UUID
    organization_id: UUID
    user_id: UUID
    role: str
    all_boards_read: bool
    all_boards_write: bool
    created_at: datetime
    updated_at: datetime
    user: OrganizationUserRead | None
    board_access: list[OrganizationBoardAccessRead]

"""Organizations."""

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

"""Organizations."""

from uuid import UUID

import msgspec

from app.schemas.members import OrganizationRole
from app.schemas.shared_types import Moment, Name, Request


class OrganizationCreate(Request):
    name: Name


class OrganizationActiveUpdate(Request):
    organization_id: UUID


class OrganizationRead(msgspec.Struct, kw_only=True):
    id: UUID
    name: str
    created_at: Moment
    updated_at: Moment


class OrganizationListItem(msgspec.Struct, kw_only=True):
    id: UUID
    name: str
    role: OrganizationRole
    is_active: bool

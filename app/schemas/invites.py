"""Invites into an organization."""

from uuid import UUID

import msgspec

from app.schemas.members import AccessSpecs, OrganizationRole
from app.schemas.shared_types import Email, Moment, Request, ShortText


class OrganizationInviteCreate(Request):
    invited_email: Email
    role: OrganizationRole = "member"
    all_boards_read: bool = False
    all_boards_write: bool = False
    board_access: AccessSpecs = []


class OrganizationInviteAccept(Request):
    token: ShortText


class OrganizationInviteRead(msgspec.Struct, kw_only=True):
    """An invite. `token` is valid once, until `expires_at`. It is empty for an admin if the invite makes an owner."""

    id: UUID
    organization_id: UUID
    invited_email: str
    role: OrganizationRole
    all_boards_read: bool
    all_boards_write: bool
    token: str
    expires_at: Moment
    created_by_user_id: UUID | None
    accepted_by_user_id: UUID | None
    accepted_at: Moment | None
    created_at: Moment
    updated_at: Moment

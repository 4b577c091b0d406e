"""Members of an organization, and what they may do on its boards."""

from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.schemas.shared_types import Moment, Request

OrganizationRole = Literal["owner", "admin", "member"]


class OrganizationBoardAccessSpec(Request):
    """Access to one board. `can_write` includes reading; without both there is no access."""

    board_id: UUID
    can_read: bool = True
    can_write: bool = False


AccessSpecs = Annotated[list[OrganizationBoardAccessSpec], Meta(max_length=1000)]


class OrganizationMemberUpdate(Request):
    """A change of a member. A null `role` changes nothing."""

    role: OrganizationRole | UnsetType | None = UNSET


class OrganizationMemberAccessUpdate(Request):
    """A member's whole access, which replaces the previous one: what is not sent is not granted."""

    all_boards_read: bool = False
    all_boards_write: bool = False
    board_access: AccessSpecs = []


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
    created_at: Moment
    updated_at: Moment


class OrganizationMemberRead(msgspec.Struct, kw_only=True):
    """A member. Owners and admins may read and write all boards, whatever access they were given."""

    id: UUID
    organization_id: UUID
    user_id: UUID
    role: OrganizationRole
    all_boards_read: bool
    all_boards_write: bool
    created_at: Moment
    updated_at: Moment
    user: OrganizationUserRead | None
    board_access: list[OrganizationBoardAccessRead]

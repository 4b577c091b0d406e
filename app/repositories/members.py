"""Members of an organization, and the boards that they were given."""

from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import joinedload, selectinload

from app.core.errors import ConflictError
from app.core.pagination import Slice, Window
from app.models import BoardAccess, OrganizationMember, Role
from app.repositories.base import REREAD, ConstraintErrors, Repository
from app.repositories.keyset import read_slice
from app.repositories.sorting import Ordering

_ORDER = Ordering("members", OrganizationMember, newest_first=False)
_USER_AND_GRANTS = (joinedload(OrganizationMember.user), selectinload(OrganizationMember.board_access))


class AlreadyMemberError(ConflictError):
    code = "already_member"
    default_detail = "You are a member of this organization already."


class Grant(NamedTuple):
    """The right to read or write one board; writing includes reading."""

    board_id: UUID
    can_read: bool
    can_write: bool

    @property
    def grants_nothing(self) -> bool:
        return not self.can_read


class MemberRepository(Repository[OrganizationMember]):
    model_type = OrganizationMember
    constraint_errors: ClassVar[ConstraintErrors] = {
        "uq_organization_members_organization_id_user_id": AlreadyMemberError
    }

    async def page(self, organization_id: UUID, window: Window) -> Slice:
        """Return the members of the organization with their users and grants, oldest first."""
        statement = select(OrganizationMember).where(OrganizationMember.organization_id == organization_id)
        return await read_slice(self.session, statement.options(*_USER_AND_GRANTS), _ORDER, window)

    async def get_with_grants(self, organization_id: UUID, member_id: UUID) -> OrganizationMember:
        """Return the member with their user and grants, as they are now. Raises NotFoundError."""
        return await self.get_one(
            organization_id=organization_id, id=member_id, load=_USER_AND_GRANTS, execution_options=REREAD
        )

    async def list_of_user(self, user_id: UUID) -> Sequence[OrganizationMember]:
        """Return the user's place in each of their organizations."""
        return await self.get_many(user_id=user_id)

    async def has_other_owner(self, member: OrganizationMember) -> bool:
        is_other = OrganizationMember.id != member.id
        return await self.exists(is_other, organization_id=member.organization_id, role=Role.OWNER)

    async def replace_grants(self, member: OrganizationMember, grants: Iterable[Grant]) -> None:
        await self.session.execute(delete(BoardAccess).where(BoardAccess.organization_member_id == member.id))
        self.add_grants(member, grants)

    def add_grants(self, member: OrganizationMember, grants: Iterable[Grant]) -> None:
        of_member = {"organization_id": member.organization_id, "organization_member_id": member.id}
        self.session.add_all(BoardAccess(**of_member, **grant._asdict()) for grant in grants)

"""Members of an organization, and the boards that they were given."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.orm import joinedload, selectinload

from app.core.errors import ConflictError
from app.core.paging import Slice, Window
from app.models import BoardAccess, OrganizationMember, Role
from app.repositories.base import Repository
from app.repositories.constraints import translating
from app.repositories.keyset import read_slice
from app.repositories.sorting import Ordering

_ORDER = Ordering("members", OrganizationMember, newest_first=False)
_WHOLE = (joinedload(OrganizationMember.user), selectinload(OrganizationMember.board_access))


class AlreadyMemberError(ConflictError):
    code = "already_member"
    default_detail = "You are a member of this organization already."


class Grant(NamedTuple):
    """What somebody may do on one board; writing includes reading."""

    board_id: UUID
    can_read: bool
    can_write: bool

    @property
    def grants_nothing(self) -> bool:
        return not (self.can_read or self.can_write)


class MemberRepository(Repository[OrganizationMember]):
    model_type = OrganizationMember

    async def store(self, member: OrganizationMember) -> OrganizationMember:
        """Raises AlreadyMemberError."""
        with translating("uq_organization_members_organization_id_user_id", AlreadyMemberError):
            self.session.add(member)
            await self.session.flush()
        return member

    async def page(self, organization_id: UUID, window: Window) -> Slice:
        statement = (
            select(OrganizationMember).where(OrganizationMember.organization_id == organization_id).options(*_WHOLE)
        )
        return await read_slice(self.session, statement, _ORDER, window)

    async def find(self, organization_id: UUID, member_id: UUID) -> OrganizationMember | None:
        """With his user and board access, which `populate_existing` loads also where the row is known already."""
        statement = (
            select(OrganizationMember)
            .where(OrganizationMember.organization_id == organization_id, OrganizationMember.id == member_id)
            .options(*_WHOLE)
            .execution_options(populate_existing=True)
        )
        return (await self.session.scalars(statement)).one_or_none()

    async def of_user(self, user_id: UUID) -> Sequence[OrganizationMember]:
        """His place in each of his organizations."""
        statement = select(OrganizationMember).where(OrganizationMember.user_id == user_id)
        return (await self.session.scalars(statement.order_by(OrganizationMember.organization_id))).all()

    async def has_other_owner(self, member: OrganizationMember) -> bool:
        others = (
            OrganizationMember.organization_id == member.organization_id,
            OrganizationMember.role == Role.OWNER,
            OrganizationMember.id != member.id,
        )
        return bool(await self.session.scalar(select(func.count()).where(*others)))

    async def replace_grants(self, member: OrganizationMember, grants: Iterable[Grant]) -> None:
        """Takes away the grants that the member has, and gives him these."""
        await self.session.execute(delete(BoardAccess).where(BoardAccess.organization_member_id == member.id))
        await self.add_grants(member, grants)

    async def add_grants(self, member: OrganizationMember, grants: Iterable[Grant]) -> None:
        of_him = {"organization_id": member.organization_id, "organization_member_id": member.id}
        self.session.add_all(BoardAccess(**of_him, **grant._asdict()) for grant in grants)
        await self.session.flush()

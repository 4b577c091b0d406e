"""Organizations and memberships."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import joinedload, selectinload

from app.models import Organization, OrganizationMember, Role, User
from app.repositories.base import Repository
from app.repositories.keyset import Ordering, Slice, Window, read_slice

_MEMBERS = Ordering("members", OrganizationMember.created_at, OrganizationMember.id, newest_first=False)
_WHOLE = (joinedload(OrganizationMember.user), selectinload(OrganizationMember.board_access))


class OrganizationRepository(Repository[Organization]):
    model_type = Organization

    async def create_owned(self, organization: Organization, user_id: UUID) -> Organization:
        """Stores the organization with this user as its owner, and makes it his active one."""
        stored = await self.add(organization, auto_refresh=False)
        self.session.add(OrganizationMember(organization_id=stored.id, user_id=user_id, role=Role.OWNER))
        await self.session.flush()
        await self.activate(user_id, stored.id)
        return stored

    async def activate(self, user_id: UUID, organization_id: UUID) -> None:
        await self.session.execute(
            update(User).where(User.id == user_id).values(active_organization_id=organization_id)
        )

    async def list_of_user(self, user_id: UUID) -> Sequence[tuple[Organization, str]]:
        """His organizations with his role in each, oldest first."""
        statement = (
            select(Organization, OrganizationMember.role)
            .join(OrganizationMember, OrganizationMember.organization_id == Organization.id)
            .where(OrganizationMember.user_id == user_id)
            .order_by(Organization.created_at, Organization.id)
        )
        return [(row[0], row[1]) for row in await self.session.execute(statement)]

    async def find_of_user(self, user_id: UUID, organization_id: UUID) -> Organization | None:
        statement = (
            select(Organization)
            .join(OrganizationMember, OrganizationMember.organization_id == Organization.id)
            .where(OrganizationMember.user_id == user_id, Organization.id == organization_id)
        )
        return (await self.session.scalars(statement)).one_or_none()

    async def lock(self, organization_id: UUID) -> None:
        """Until the transaction ends, nobody else gets this lock; rows that refer to the organization can be added."""
        statement = select(Organization.id).where(Organization.id == organization_id)
        await self.session.execute(statement.with_for_update(key_share=True))

    async def lock_owned_by(self, user_id: UUID) -> list[UUID]:
        """The organizations of which he is an owner, locked against a second owner leaving at the same time."""
        statement = (
            select(Organization.id)
            .join(OrganizationMember, OrganizationMember.organization_id == Organization.id)
            .where(OrganizationMember.user_id == user_id, OrganizationMember.role == Role.OWNER)
            .order_by(Organization.id)
            .with_for_update(of=Organization, key_share=True)
        )
        return list((await self.session.scalars(statement)).all())

    async def others_in(self, organization_ids: Sequence[UUID], user_id: UUID) -> dict[UUID, tuple[int, int]]:
        """How many other members, and how many other owners, each of these organizations has."""
        owners = func.count().filter(OrganizationMember.role == Role.OWNER)
        statement = (
            select(OrganizationMember.organization_id, func.count(), owners)
            .where(OrganizationMember.organization_id.in_(organization_ids), OrganizationMember.user_id != user_id)
            .group_by(OrganizationMember.organization_id)
        )
        return {row[0]: (row[1], row[2]) for row in await self.session.execute(statement)}

    async def delete_all(self, organization_ids: Sequence[UUID]) -> None:
        await self.session.execute(delete(Organization).where(Organization.id.in_(organization_ids)))


class MemberRepository(Repository[OrganizationMember]):
    model_type = OrganizationMember

    async def page(self, organization_id: UUID, window: Window) -> Slice:
        statement = (
            select(OrganizationMember).where(OrganizationMember.organization_id == organization_id).options(*_WHOLE)
        )
        return await read_slice(self.session, statement, _MEMBERS, window)

    async def find(self, organization_id: UUID, member_id: UUID) -> OrganizationMember | None:
        """With his user and board access, which `populate_existing` loads also where the row is known already."""
        statement = (
            select(OrganizationMember)
            .where(OrganizationMember.organization_id == organization_id, OrganizationMember.id == member_id)
            .options(*_WHOLE)
            .execution_options(populate_existing=True)
        )
        return (await self.session.scalars(statement)).one_or_none()

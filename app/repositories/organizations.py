"""Organizations, and whose they are."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, func, select, update

from app.core.errors import NotFoundError
from app.db.request.session_info import NOTIFY_ON_COMMIT
from app.models import Organization, OrganizationMember, Role, User
from app.repositories.base import Repository


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

    async def deactivate(self, user_id: UUID, organization_id: UUID) -> None:
        """Leaves him without an active organization, if this is the one."""
        his = User.id == user_id, User.active_organization_id == organization_id
        await self.session.execute(update(User).where(*his).values(active_organization_id=None))

    async def lock(self, organization_id: UUID) -> None:
        """Until the transaction ends, nobody else changes who belongs to it and as what, or gets this lock.

        Rows that refer to the organization can be added all the same.

        Raises NotFoundError where it is gone by then.
        """
        statement = select(Organization.id).where(Organization.id == organization_id).with_for_update(key_share=True)
        if await self.session.scalar(statement) is None:
            raise NotFoundError

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
        """Delete them with all that they have, their events too: who waits for those is told of the commit."""
        await self.session.execute(delete(Organization).where(Organization.id.in_(organization_ids)))
        self.session.info[NOTIFY_ON_COMMIT] = True

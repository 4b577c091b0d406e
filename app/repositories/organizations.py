"""Organizations, and who is in them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update

from app.db.request.session_info import NOTIFY_ON_COMMIT
from app.models import Organization, OrganizationMember, Role, User
from app.repositories.base import Repository


class OrganizationRepository(Repository[Organization]):
    model_type = Organization

    async def add_owned(self, organization: Organization, user_id: UUID) -> Organization:
        """Add the organization with this user as its owner, and make it their active one."""
        stored = await self.add(organization)
        self.session.add(OrganizationMember(organization_id=stored.id, user_id=user_id, role=Role.OWNER))
        await self.activate(user_id, stored.id)
        return stored

    async def activate(self, user_id: UUID, organization_id: UUID) -> None:
        await self.session.execute(
            update(User).where(User.id == user_id).values(active_organization_id=organization_id)
        )

    async def deactivate(self, user_id: UUID, organization_id: UUID) -> None:
        """Leave the user without an active organization, if this is the one."""
        is_active = User.id == user_id, User.active_organization_id == organization_id
        await self.session.execute(update(User).where(*is_active).values(active_organization_id=None))

    async def list_of_user(self, user_id: UUID) -> Sequence[tuple[Organization, str]]:
        """Return the user's organizations with their role in each, oldest first."""
        statement = (
            select(Organization, OrganizationMember.role)
            .join(OrganizationMember, OrganizationMember.organization_id == Organization.id)
            .where(OrganizationMember.user_id == user_id)
            .order_by(Organization.created_at, Organization.id)
        )
        return [(row[0], row[1]) for row in await self.session.execute(statement)]

    async def get_of_user(self, user_id: UUID, organization_id: UUID) -> Organization:
        """Return the organization. Raises NotFoundError where the user is no member."""
        membership = (
            select(OrganizationMember.id)
            .where(OrganizationMember.user_id == user_id, OrganizationMember.organization_id == Organization.id)
            .exists()
        )
        return await self.get_one(membership, id=organization_id)

    async def lock_owned_by(self, user_id: UUID) -> list[UUID]:
        """Return the organizations that the user owns, locked against a second owner leaving at the same time."""
        statement = (
            select(Organization.id)
            .join(OrganizationMember, OrganizationMember.organization_id == Organization.id)
            .where(OrganizationMember.user_id == user_id, OrganizationMember.role == Role.OWNER)
            .order_by(Organization.id)
            .with_for_update(of=Organization, key_share=True)
        )
        return list((await self.session.scalars(statement)).all())

    async def count_other_owners(self, organization_ids: Sequence[UUID], user_id: UUID) -> dict[UUID, int]:
        """Return how many other owners each organization has; one without other members is left out."""
        owners = func.count().filter(OrganizationMember.role == Role.OWNER)
        statement = (
            select(OrganizationMember.organization_id, owners)
            .where(OrganizationMember.organization_id.in_(organization_ids), OrganizationMember.user_id != user_id)
            .group_by(OrganizationMember.organization_id)
        )
        return {row[0]: row[1] for row in await self.session.execute(statement)}

    async def delete_many(self, item_ids: list[Any], **options: Any) -> Sequence[Organization]:  # noqa: ANN401
        """Delete organizations with all that they have: their events, too, so that streams are told of the commit."""
        deleted = await super().delete_many(item_ids, **options)
        self.session.info[NOTIFY_ON_COMMIT] = True
        return deleted

"""Organizations: the caller's own, and the active one."""

from collections.abc import Sequence
from functools import cached_property
from uuid import UUID

from app.models import Organization, Role
from app.repositories.organizations import OrganizationRepository
from app.services.base import Service
from app.services.members import MemberService


class OrganizationService(Service):
    """The organizations of a user. All methods raise PeopleOnlyError."""

    async def list(self) -> Sequence[tuple[Organization, str]]:
        """Return the caller's organizations with their role in each, oldest first."""
        return await self._organizations.list_of_user(self._caller.person.id)

    async def get_active(self) -> Organization:
        """Return the active organization. Raises NoActiveOrganizationError."""
        return await self._organizations.get(self._caller.member.organization_id)

    async def create(self, name: str) -> Organization:
        """Create an organization that the caller owns, and make it their active one."""
        organization = await self._organizations.add_owned(Organization(name=name), self._caller.person.id)
        log = self._activity_of(organization.id)
        await log.record("organization.created", name, subject_id=organization.id)
        return organization

    async def activate(self, organization_id: UUID) -> Organization:
        """Make an organization the caller's active one. Raises NotFoundError where they are no member."""
        user_id = self._caller.person.id
        organization = await self._organizations.get_of_user(user_id, organization_id)
        await self._organizations.activate(user_id, organization.id)
        return organization

    async def delete_active(self) -> None:
        """Delete the active organization with all that it has, its activity included. Raises ForbiddenError."""
        me = await MemberService(self._session, self._caller).lock_own(Role.OWNER)
        await self._organizations.delete_many([me.organization_id])

    @cached_property
    def _organizations(self) -> OrganizationRepository:
        return OrganizationRepository(session=self._session)

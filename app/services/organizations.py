"""Organizations: making one, and ending it with all that it has."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Organization, Role
from app.repositories.organizations import OrganizationRepository
from app.services.activity import ActivityLog
from app.services.identity import Caller
from app.services.members import Members


async def create_organization(session: AsyncSession, caller: Caller, name: str) -> Organization:
    """Makes the caller its owner, and it his active one. Raises PeopleOnlyError."""
    owner = caller.person.id
    organization = await OrganizationRepository(session=session).create_owned(Organization(name=name), owner)
    await ActivityLog(session, caller, organization.id).record("organization.created", name, subject_id=organization.id)
    return organization


async def delete_organization(session: AsyncSession, caller: Caller) -> None:
    """The active one, with its trail; nobody has it as his active one afterwards. Raises ForbiddenError."""
    me = await Members(session, caller).hold(Role.OWNER)
    await OrganizationRepository(session=session).delete_all([me.organization_id])

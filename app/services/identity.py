"""Who is calling, and the user and organization that the shared token makes on its first use."""

from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.core.errors import NotFoundError
from app.models import Organization, OrganizationMember, User
from app.repositories.organizations import OrganizationRepository
from app.repositories.users import UserRepository

LOCAL_SUBJECT = "local"
PERSONAL_ORGANIZATION = "Personal"


class NoActiveOrganizationError(NotFoundError):
    code = "no_active_organization"
    default_detail = "You have no active organization: choose one with PATCH /api/v1/organizations/me/active."


class Identity(NamedTuple):
    """A signed-in person; `membership` is that of the active organization."""

    user: User
    membership: OrganizationMember | None

    @property
    def member(self) -> OrganizationMember:
        """Raises NoActiveOrganizationError."""
        if self.membership is None:
            raise NoActiveOrganizationError
        return self.membership


async def sign_in_local(session: AsyncSession) -> Identity:
    """The user of the shared token; the first call makes him, with an organization named Personal."""
    users = UserRepository(session=session)
    found = await users.find_with_membership(LOCAL_SUBJECT)
    if found is None:
        await _make_local_user(session, users)
        found = await users.find_with_membership(LOCAL_SUBJECT)
    assert found is not None, "made above, or by the transaction that add_if_absent waited for"
    return Identity(*found)


async def _make_local_user(session: AsyncSession, users: UserRepository) -> None:
    user = User(id=uuid7(), subject=LOCAL_SUBJECT, name="Local user")
    if await users.add_if_absent(user):
        await OrganizationRepository(session=session).create_owned(Organization(name=PERSONAL_ORGANIZATION), user.id)

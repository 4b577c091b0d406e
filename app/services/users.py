"""The caller as a user, and leaving: what is deleted with a user, and who cannot leave."""

from functools import cached_property
from typing import Any

from app.core.errors import ConflictError
from app.models import User
from app.repositories.members import MemberRepository
from app.repositories.organizations import OrganizationRepository
from app.repositories.users import UserRepository
from app.services.base import Service


class LastOwnerError(ConflictError):
    code = "last_owner"
    default_detail = "You are the last owner of an organization that has other members: make one of them owner first."


class UserService(Service):
    """The user who calls. All methods raise PeopleOnlyError."""

    async def get(self) -> User:
        return await self._users.get(self._caller.person.id)

    async def update(self, changes: dict[str, Any]) -> User:
        """Change the caller. Raises NotFoundError where they are gone by now."""
        user = await self._users.lock(id=self._caller.person.id)
        for name, value in changes.items():
            setattr(user, name, value)
        return await self._users.update(user)

    async def delete(self) -> None:
        """Delete the caller, and the organizations of which they are the only member. Raises LastOwnerError."""
        # First, so that nobody makes them the owner of one more organization meanwhile.
        user = await self._users.lock_whole(self._caller.person.id)
        organizations = OrganizationRepository(session=self._session)
        owned = await organizations.lock_owned_by(user.id)
        other_owners = await organizations.count_other_owners(owned, user.id)
        if 0 in other_owners.values():
            raise LastOwnerError
        await organizations.delete_many([organization for organization in owned if organization not in other_owners])
        for member in await MemberRepository(session=self._session).list_of_user(user.id):
            await self._activity_of(member.organization_id).record("member.removed", user.name, subject_id=member.id)
        await self._users.delete(user.id)

    @cached_property
    def _users(self) -> UserRepository:
        return UserRepository(session=self._session)

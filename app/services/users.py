"""Leaving: what goes with a user, and what he cannot leave behind."""

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ConflictError
from app.repositories.members import MemberRepository
from app.repositories.organizations import OrganizationRepository
from app.repositories.users import UserRepository
from app.services.activity import ActivityLog
from app.services.identity import Caller


class LastOwnerError(ConflictError):
    code = "last_owner"
    default_detail = "You are the last owner of an organization that has other members: make one of them owner first."


async def delete_user(session: AsyncSession, caller: Caller) -> None:
    """Deletes the caller, and the organizations of which he is the only member.

    Raises PeopleOnlyError and LastOwnerError.
    """
    user_id = caller.person.id
    users = UserRepository(session=session)
    # First, so that nobody makes him the owner of one more organization meanwhile.
    await users.lock(user_id)
    organizations = OrganizationRepository(session=session)
    owned = await organizations.lock_owned_by(user_id)
    others = await organizations.others_in(owned, user_id)
    if any(owners == 0 for _, owners in others.values()):
        raise LastOwnerError
    await organizations.delete_all([organization for organization in owned if organization not in others])
    user = await users.get(user_id)
    for member in await MemberRepository(session=session).of_user(user_id):
        await ActivityLog(session, caller, member.organization_id).record(
            "member.removed", user.name, subject_id=member.id
        )
    await users.remove(user_id)

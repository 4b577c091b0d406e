"""Who is calling: a person with his place in his active organization, or an agent with its board."""

from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.core.errors import ForbiddenError, NotFoundError, UnauthorizedError
from app.core.security import token_hash
from app.models import Agent, Organization, OrganizationMember, User
from app.repositories.agents import AgentRepository
from app.repositories.organizations import OrganizationRepository
from app.repositories.reach import Reach
from app.repositories.users import UserRepository

LOCAL_SUBJECT = "local"
PERSONAL_ORGANIZATION = "Personal"


class NoActiveOrganizationError(NotFoundError):
    code = "no_active_organization"
    default_detail = "You have no active organization: choose one with PATCH /api/v1/organizations/me/active."


class PeopleOnlyError(ForbiddenError):
    code = "people_only"
    default_detail = "This is for people; an agent sees its own board alone."


class AgentsOnlyError(ForbiddenError):
    code = "agents_only"
    default_detail = "This is for agents: sign in with `X-Agent-Token`."


class LeadOnlyError(ForbiddenError):
    code = "lead_only"
    default_detail = "Of the agents of a board, only its lead may do this."


class Caller(NamedTuple):
    """Either `user`, with the `membership` of his active organization if he has one, or `agent`."""

    user: User | None
    membership: OrganizationMember | None
    agent: Agent | None = None

    @property
    def person(self) -> User:
        """Raises PeopleOnlyError."""
        if self.user is None:
            raise PeopleOnlyError
        return self.user

    @property
    def member(self) -> OrganizationMember:
        """Raises PeopleOnlyError and NoActiveOrganizationError."""
        if self.membership is None:
            raise NoActiveOrganizationError if self.user else PeopleOnlyError
        return self.membership

    @property
    def acting_agent(self) -> Agent:
        """Raises AgentsOnlyError."""
        if self.agent is None:
            raise AgentsOnlyError
        return self.agent

    @property
    def reach(self) -> Reach:
        """Raises NoActiveOrganizationError."""
        return Reach.of_agent(self.agent) if self.agent else Reach.of_member(self.member)

    @property
    def user_id(self) -> UUID | None:
        return self.user.id if self.user else None

    @property
    def agent_id(self) -> UUID | None:
        return self.agent.id if self.agent else None


NOBODY = Caller(None, None)
"""In whose name what is shown to several callers is read; it may do nothing."""


async def sign_in_local(session: AsyncSession) -> Caller:
    """The user of the shared token; the first call makes him, with an organization named Personal."""
    users = UserRepository(session=session)
    found = await users.find_with_membership(LOCAL_SUBJECT)
    if found is None:
        await _make_local_user(session, users)
        found = await users.find_with_membership(LOCAL_SUBJECT)
    assert found is not None, "made above, or by the transaction that add_if_absent waited for"
    return Caller(*found)


async def sign_in_agent(session: AsyncSession, token: str) -> Caller:
    """Raises UnauthorizedError."""
    agent = await AgentRepository(session=session).find_by_token(token_hash(token))
    if agent is None:
        raise UnauthorizedError("This token is not known.")
    return Caller(None, None, agent)


async def _make_local_user(session: AsyncSession, users: UserRepository) -> None:
    user = User(id=uuid7(), subject=LOCAL_SUBJECT, name="Local user")
    if await users.add_if_absent(user):
        await OrganizationRepository(session=session).create_owned(Organization(name=PERSONAL_ORGANIZATION), user.id)

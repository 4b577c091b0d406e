"""The caller: a person with a place in their active organization, or an agent with its board."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.core.errors import ForbiddenError, NotFoundError, ServiceUnavailableError, UnauthorizedError
from app.core.identity import Identity
from app.core.security import token_hash
from app.models import Organization, TokenScope, User
from app.repositories.access import AccessScope
from app.repositories.boards import ReadableBoard
from app.repositories.callers import (
    Bearer,
    Membership,
    Person,
    Worker,
    get_bearer_or_none,
    get_person_or_none,
    get_worker_or_none,
)
from app.repositories.members import MemberRepository
from app.repositories.organizations import OrganizationRepository
from app.repositories.tokens import TokenRepository
from app.repositories.users import UserRepository

LOCAL_SUBJECT = "local"
PERSONAL_ORGANIZATION = "Personal"


class NoActiveOrganizationError(ServiceUnavailableError):
    """The user is in no organization, and the database cannot store one for them."""

    code = "database_read_only"
    default_detail = "You are in no organization, and none can be made while the database can only be read; try again."


class UnknownTokenError(UnauthorizedError):
    """RFC 6750, 3.1."""

    default_detail = "This token is not known, or no longer good."

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class ReadOnlyTokenError(ForbiddenError):
    """RFC 6750, 3.1."""

    code = "read_only_token"
    default_detail = "This personal access token is for reading: use one of scope `write`."

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="write"'}


class PeopleOnlyError(ForbiddenError):
    code = "people_only"
    default_detail = "This is for people; an agent sees its own board alone."


class AgentsOnlyError(ForbiddenError):
    code = "agents_only"
    default_detail = "This is for agents: sign in with `X-Agent-Token`."


class LeadOnlyError(ForbiddenError):
    code = "lead_only"
    default_detail = "Of the agents of a board, only its lead may do this."


class PrefetchedBoard(NamedTuple):
    """The board that a request is about, by its path: read with the caller, and found where they may read it."""

    board_id: UUID
    found: ReadableBoard | None


class Caller(NamedTuple):
    """Either `user`, with the `membership` of their active organization, or `agent`.

    `membership` is None for a user who is in no organization; `ensure_organization` makes one.

    `token` is the personal access token by which the user has signed in. The credential is good `until` then; None is
    until it is taken away.
    """

    user: Person | None
    membership: Membership | None
    agent: Worker | None = None
    token: Bearer | None = None
    until: datetime | None = None
    prefetched_board: PrefetchedBoard | None = None

    @property
    def may_write(self) -> bool:
        return self.token is None or self.token.scope == TokenScope.WRITE

    @property
    def person(self) -> Person:
        """The user. Raises PeopleOnlyError."""
        if self.user is None:
            raise PeopleOnlyError
        return self.user

    @property
    def member(self) -> Membership:
        """The membership of the active organization. Raises PeopleOnlyError and NoActiveOrganizationError."""
        if self.membership is None:
            raise NoActiveOrganizationError if self.user else PeopleOnlyError
        return self.membership

    @property
    def access(self) -> AccessScope:
        """The boards that the caller may use. Raises NoActiveOrganizationError."""
        if self.agent:
            return AccessScope(self.agent.organization_id, board_id=self.agent.board_id)
        return self.member_access

    @property
    def member_access(self) -> AccessScope:
        """The boards that the member may use. Raises PeopleOnlyError and NoActiveOrganizationError."""
        me = self.member
        return AccessScope(me.organization_id, member_id=me.id, reads_all=me.reads_all, writes_all=me.writes_all)

    @property
    def organization_id(self) -> UUID | None:
        """The organization in which the caller acts; None for a user who is in none."""
        place = self.agent or self.membership
        return place.organization_id if place else None

    @property
    def access_ids(self) -> frozenset[UUID]:
        """The ids by which events name what gives the caller access: membership, token or agent."""
        return frozenset(each.id for each in (self.membership, self.token, self.agent) if each)

    @property
    def id(self) -> UUID:
        caller_id = self.user_id or self.agent_id
        assert caller_id is not None, "somebody is signed in"
        return caller_id

    @property
    def user_id(self) -> UUID | None:
        return self.user.id if self.user else None

    @property
    def agent_id(self) -> UUID | None:
        return self.agent.id if self.agent else None


NOBODY = Caller(None, None)
"""Reads what is shown to several callers; may do nothing."""


async def sign_in_local(session: AsyncSession, board_id: UUID | None = None) -> Caller:
    """Return the user of the shared token, whom the first call makes. The board is read by the same statement."""
    return await _sign_in(session, board_id, LOCAL_SUBJECT, "Local user")


async def sign_in_agent(session: AsyncSession, board_id: UUID | None = None, *, token: str) -> Caller:
    """Return the agent of this token. Raises UnauthorizedError."""
    found = await get_worker_or_none(session, token_hash(token), board_id)
    if found is None:
        raise UnknownTokenError
    agent, board = found
    return Caller(None, None, agent, prefetched_board=_prefetched(board_id, board))


async def sign_in_by_token(session: AsyncSession, board_id: UUID | None = None, *, token: str) -> Caller:
    """Return the user of this personal access token. Raises UnauthorizedError, also where it has expired."""
    found = await get_bearer_or_none(session, token_hash(token), board_id)
    if found is None:
        raise UnknownTokenError
    user, membership, bearer, board = found
    return Caller(
        user, membership, token=bearer, until=bearer.expires_at, prefetched_board=_prefetched(board_id, board)
    )


async def sign_in_by_identity(session: AsyncSession, board_id: UUID | None = None, *, identity: Identity) -> Caller:
    """Return the user whom an issuer names; the first call makes them. Raises UnauthorizedError after the expiry."""
    if identity.expires_at <= datetime.now(UTC):
        raise UnknownTokenError
    caller = await _sign_in(session, board_id, identity.subject, identity.name, identity.email)
    return caller._replace(until=identity.expires_at)


async def record_token_use(session: AsyncSession, caller: Caller) -> None:
    """Record that the caller's personal access token is used."""
    if caller.token is not None:
        await TokenRepository(session=session).record_use(caller.token)


async def _sign_in(
    session: AsyncSession, board_id: UUID | None, subject: str, name: str | None, email: str | None = None
) -> Caller:
    """Return the user of this subject, who is made where there is none."""
    found = await get_person_or_none(session, subject, board_id)
    if found is None:
        await add_user(session, User(subject=subject, name=name, email=email))
        found = await get_person_or_none(session, subject, board_id)
    assert found is not None, "made above, or by the transaction that add_if_absent waited for"
    user, membership, board = found
    return Caller(user, membership, prefetched_board=_prefetched(board_id, board))


def _prefetched(board_id: UUID | None, found: ReadableBoard | None) -> PrefetchedBoard | None:
    return None if board_id is None else PrefetchedBoard(board_id, found)


async def add_user(session: AsyncSession, user: User) -> bool:
    """Add the user with an organization named Personal; return False where the subject has a user already."""
    user.id = user.id or uuid7()
    if not await UserRepository(session=session).add_if_absent(user):
        return False
    await _add_personal_organization(session, user.id)
    return True


async def ensure_organization(session: AsyncSession, user_id: UUID) -> None:
    """Add an organization named Personal for a user who is in none. Of two requests at once, one adds it."""
    with suppress(NotFoundError):  # A user who was just deleted is made anew, or refused, by the next sign-in.
        await UserRepository(session=session).lock(id=user_id)
        if not await MemberRepository(session=session).exists(user_id=user_id):
            await _add_personal_organization(session, user_id)


async def _add_personal_organization(session: AsyncSession, user_id: UUID) -> None:
    await OrganizationRepository(session=session).add_owned(Organization(name=PERSONAL_ORGANIZATION), user_id)

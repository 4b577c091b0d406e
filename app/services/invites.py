"""Invites: who may make one, and the one time that it is used."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import AppError, ConflictError, ForbiddenError, NotFoundError
from app.core.paging import Slice, Window
from app.core.security import InviteTokens, new_invite_seed, tokens_equal
from app.models import OrganizationInvite, OrganizationMember, Role
from app.repositories.boards import BoardRepository
from app.repositories.callers import Membership, Person
from app.repositories.invites import InviteRepository
from app.repositories.members import Grant, MemberRepository
from app.repositories.organizations import OrganizationRepository
from app.services.activity import ActivityLog
from app.services.identity import Caller
from app.services.members import MANAGERS, Members, known_grants, require_above, require_role

GOOD_FOR = timedelta(days=7)


class NoSuchInviteError(NotFoundError):
    default_detail = "There is no such invite, or no longer."


class InviteUsedError(ConflictError):
    code = "invite_used"
    default_detail = "This invite has been accepted already."


class FormerMemberError(InviteUsedError):
    """It was accepted, and whoever asks is no member: that would have been another, or he has left since."""

    implies_access = False


class InviteExpiredError(AppError):
    status = HTTPStatus.GONE
    code = "invite_expired"
    default_detail = f"An invite is good for {GOOD_FOR.days} days, and this one is older: ask for another."


class InviteForAnotherError(ForbiddenError):
    code = "invite_for_another"
    default_detail = "This invite is for another e-mail address than yours."


def may_see_token(me: Membership, invite: OrganizationInvite) -> bool:
    """An admin could leave, and come back as an owner with the token of an owner's invite."""
    return me.role == Role.OWNER or invite.role != Role.OWNER


class Invites:
    """Those of the caller's active organization, which owners and admins see and make."""

    def __init__(self, session: AsyncSession, caller: Caller) -> None:
        self._session = session
        self._caller = caller
        self._me = caller.member
        self._members = Members(session, caller)
        self._invites = InviteRepository(session=session)
        self._activity = ActivityLog(session, caller, self._me.organization_id)

    async def page(self, window: Window) -> Slice:
        """Raises ForbiddenError."""
        require_role(self._me, MANAGERS)
        return await self._invites.page(self._me.organization_id, window)

    async def find(self, invite_id: UUID) -> OrganizationInvite:
        """Raises ForbiddenError and NotFoundError."""
        require_role(self._me, MANAGERS)
        invite = await self._invites.find(self._me.organization_id, invite_id)
        if invite is None:
            raise NotFoundError
        return invite

    async def create(self, fields: dict[str, Any], grants: Sequence[Grant]) -> OrganizationInvite:
        """Raises ForbiddenError, also for an admin who invites an owner, and UnknownReferenceError."""
        me = await self._members.hold(*MANAGERS)
        require_above(me, fields["role"])
        granted = await known_grants(BoardRepository(session=self._session), me.organization_id, grants)
        invite = OrganizationInvite(
            **fields,
            organization_id=me.organization_id,
            created_by_user_id=me.user_id,
            token_seed=new_invite_seed(),
            expires_at=datetime.now(UTC) + GOOD_FOR,
        )
        await self._invites.store(invite, granted)
        # Without the address: every member reads the trail.
        await self._activity.record("invite.created", invite.role, subject_id=invite.id)
        return invite

    async def remove(self, invite_id: UUID) -> OrganizationInvite:
        """Its token is worth nothing from then on; who has used it stays. Raises as `create`, and NotFoundError."""
        me = await self._members.hold(*MANAGERS)
        invite = await self.find(invite_id)
        require_above(me, invite.role)
        await self._invites.remove(invite.id)
        await self._activity.record("invite.deleted", invite.role, subject_id=invite.id)
        return invite


async def accept_invite(session: AsyncSession, caller: Caller, tokens: InviteTokens, token: str) -> OrganizationMember:
    """Makes the caller a member, as the invite says; it is his active organization if he has none.

    Raises PeopleOnlyError, NotFoundError, InviteForAnotherError, InviteUsedError, InviteExpiredError and
    AlreadyMemberError.
    """
    user = caller.person
    invites, members = InviteRepository(session=session), MemberRepository(session=session)
    invite = await _hold(session, tokens, token)
    _require_good(invite, user, await members.of_user(user.id))
    member = OrganizationMember(
        organization_id=invite.organization_id,
        user_id=user.id,
        role=invite.role,
        all_boards_read=invite.all_boards_read,
        all_boards_write=invite.all_boards_write,
    )
    await members.store(member)
    await members.add_grants(member, await invites.grants(invite.id))
    invite.accepted_by_user_id, invite.accepted_at = user.id, datetime.now(UTC)
    await invites.store(invite)
    if user.active_organization_id is None:
        await OrganizationRepository(session=session).activate(user.id, invite.organization_id)
    await ActivityLog(session, caller, invite.organization_id).record(
        "member.joined", member.role, subject_id=member.id
    )
    joined = await members.find(invite.organization_id, member.id)
    assert joined is not None, "stored above"
    return joined


async def _hold(session: AsyncSession, tokens: InviteTokens, token: str) -> OrganizationInvite:
    """The invite of this token, with nobody accepting or deleting it meanwhile."""
    invites = InviteRepository(session=session)
    invite_id = tokens.invite_id(token)
    invite = await invites.find_anywhere(invite_id) if invite_id else None
    if invite is None or not tokens_equal(token, tokens.make(invite.id, invite.token_seed)):
        raise NoSuchInviteError
    # Of two requests with one token, the second one waits here and finds the invite used.
    await OrganizationRepository(session=session).lock(invite.organization_id)
    held = await invites.find(invite.organization_id, invite.id)
    if held is None:
        raise NoSuchInviteError
    return held


def _require_good(invite: OrganizationInvite, user: Person, memberships: Sequence[OrganizationMember]) -> None:
    if user.email and user.email.casefold() != invite.invited_email.casefold():
        raise InviteForAnotherError
    if invite.accepted_at is not None:
        is_member = any(member.organization_id == invite.organization_id for member in memberships)
        raise InviteUsedError if is_member else FormerMemberError
    if invite.expires_at <= datetime.now(UTC):
        raise InviteExpiredError

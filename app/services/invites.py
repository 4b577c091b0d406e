"""Invites: who may make one, and the one time that it is used."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cached_property
from http import HTTPStatus
from typing import Any
from uuid import UUID

from app.core.errors import AppError, ConflictError, ForbiddenError, NotFoundError
from app.core.pagination import Slice, Window
from app.core.security import InviteTokens, new_invite_seed, tokens_equal
from app.models import OrganizationInvite, OrganizationMember, Role
from app.repositories.boards import BoardRepository
from app.repositories.callers import Membership, Person
from app.repositories.invites import InviteRepository
from app.repositories.members import Grant, MemberRepository
from app.repositories.organizations import OrganizationRepository
from app.services.base import Service
from app.services.members import MANAGERS, MemberService, require_above, require_grants, require_role

GOOD_FOR = timedelta(days=7)


class NoSuchInviteError(NotFoundError):
    default_detail = "There is no such invite, or no longer."


class InviteUsedError(ConflictError):
    code = "invite_used"
    default_detail = "This invite has been accepted already."


class FormerMemberError(InviteUsedError):
    """It was accepted, and the caller is no member: another accepted it, or the caller has left since."""

    implies_access = False


class InviteExpiredError(AppError):
    status = HTTPStatus.GONE
    code = "invite_expired"
    default_detail = f"An invite is good for {GOOD_FOR.days} days, and this one is older: ask for another."


class InviteForAnotherError(ForbiddenError):
    code = "invite_for_another"
    default_detail = "This invite is for another e-mail address than yours."


def may_see_token(me: Membership, invite: OrganizationInvite) -> bool:
    """Return whether the member may see the invite's token: by an owner's invite an admin could become an owner."""
    return me.role == Role.OWNER or invite.role != Role.OWNER


class InviteService(Service):
    """The invites of the caller's active organization, which owners and admins see and make.

    All methods but `accept` raise PeopleOnlyError, NoActiveOrganizationError and ForbiddenError.
    """

    async def page(self, window: Window) -> Slice:
        """Return invites, newest first."""
        require_role(self._caller.member, MANAGERS)
        return await self._invites.page(self._caller.member.organization_id, window)

    async def get(self, invite_id: UUID) -> OrganizationInvite:
        """Return an invite. Raises NotFoundError."""
        me = self._caller.member
        require_role(me, MANAGERS)
        invite = await self._invites.get_current_or_none(me.organization_id, invite_id)
        if invite is None:
            raise NotFoundError
        return invite

    async def create(self, fields: dict[str, Any], grants: Sequence[Grant]) -> OrganizationInvite:
        """Invite somebody. Raises ForbiddenError also where an admin invites an owner, and UnknownReferenceError."""
        me = await MemberService(self._session, self._caller).lock_own(*MANAGERS)
        require_above(me, fields["role"])
        granted = await require_grants(BoardRepository(session=self._session), me.organization_id, grants)
        invite = OrganizationInvite(
            **fields,
            organization_id=me.organization_id,
            created_by_user_id=me.user_id,
            token_seed=new_invite_seed(),
            expires_at=datetime.now(UTC) + GOOD_FOR,
        )
        await self._invites.add(invite)
        self._invites.add_grants(invite, granted)
        await self._record("created", invite)
        return invite

    async def delete(self, invite_id: UUID) -> OrganizationInvite:
        """Take an invite back; who has used it stays a member. Raises as `create`, and NotFoundError."""
        me = await MemberService(self._session, self._caller).lock_own(*MANAGERS)
        invite = await self.get(invite_id)
        require_above(me, invite.role)
        await self._invites.delete(invite.id)
        await self._record("deleted", invite)
        return invite

    async def accept(self, tokens: InviteTokens, token: str) -> OrganizationMember:
        """Make the caller a member, as the invite says; the organization is their active one if they have none.

        Raises PeopleOnlyError, NoSuchInviteError, InviteForAnotherError, InviteUsedError, InviteExpiredError and
        AlreadyMemberError.
        """
        user, members = self._caller.person, MemberRepository(session=self._session)
        invite = await self._lock_by_token(tokens, token)
        _require_good(invite, user, await members.list_of_user(user.id))
        member = OrganizationMember(
            organization_id=invite.organization_id,
            user_id=user.id,
            role=invite.role,
            all_boards_read=invite.all_boards_read,
            all_boards_write=invite.all_boards_write,
        )
        await members.add(member)
        members.add_grants(member, await self._invites.list_grants(invite.id))
        invite.accepted_by_user_id, invite.accepted_at = user.id, datetime.now(UTC)
        if user.active_organization_id is None:
            await OrganizationRepository(session=self._session).activate(user.id, invite.organization_id)
        log = self._activity_of(invite.organization_id)
        await log.record("member.joined", member.role, subject_id=member.id)
        return await members.get_with_grants(invite.organization_id, member.id)

    @cached_property
    def _invites(self) -> InviteRepository:
        return InviteRepository(session=self._session)

    async def _lock_by_token(self, tokens: InviteTokens, token: str) -> OrganizationInvite:
        """Return the invite of this token, which nobody else accepts or deletes meanwhile."""
        invite_id = tokens.invite_id(token)
        invite = await self._invites.get_one_or_none(id=invite_id) if invite_id else None
        if invite is None or not tokens_equal(token, tokens.make(invite.id, invite.token_seed)):
            raise NoSuchInviteError
        # Of two requests with one token, the second one waits here and finds the invite used.
        await OrganizationRepository(session=self._session).lock(id=invite.organization_id)
        current = await self._invites.get_current_or_none(invite.organization_id, invite.id)
        if current is None:
            raise NoSuchInviteError
        return current

    async def _record(self, verb: str, invite: OrganizationInvite) -> None:
        """Record without the address: every member reads the activity."""
        await self._activity_of(invite.organization_id).record(f"invite.{verb}", invite.role, subject_id=invite.id)


def _require_good(invite: OrganizationInvite, user: Person, memberships: Sequence[OrganizationMember]) -> None:
    if user.email and user.email.casefold() != invite.invited_email.casefold():
        raise InviteForAnotherError
    if invite.accepted_at is not None:
        is_member = any(member.organization_id == invite.organization_id for member in memberships)
        raise InviteUsedError if is_member else FormerMemberError
    if invite.expires_at <= datetime.now(UTC):
        raise InviteExpiredError

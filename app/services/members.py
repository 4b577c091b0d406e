"""Members: who may change whose place in an organization, and what each may do on its boards."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import BadRequestError, FieldProblem, ForbiddenError, NotFoundError
from app.models import OrganizationMember, Role
from app.repositories.boards import BoardRepository
from app.repositories.callers import Membership
from app.repositories.members import Grant, MemberRepository
from app.repositories.organizations import OrganizationRepository
from app.services.activity import ActivityLog
from app.services.boards import UnknownReferenceError
from app.services.identity import Caller
from app.services.users import LastOwnerError

MANAGERS = (Role.OWNER, Role.ADMIN)


class Members:
    """The members of the caller's active organization; who is one, and as what, changes one at a time."""

    def __init__(self, session: AsyncSession, caller: Caller) -> None:
        self._session = session
        self._me: Membership | OrganizationMember = caller.member
        self._organizations = OrganizationRepository(session=session)
        self._members = MemberRepository(session=session)
        self._activity = ActivityLog(session, caller, self._me.organization_id)

    async def find(self, member_id: UUID) -> OrganizationMember:
        """Raises NotFoundError."""
        member = await self._members.find(self._me.organization_id, member_id)
        if member is None:
            raise NotFoundError
        return member

    async def hold(self, *roles: str) -> OrganizationMember:
        """The caller's membership, with nobody's changing until the transaction ends.

        What it was when he signed in may be over by now: he is asked for one of `roles` under the lock. Raises
        ForbiddenError, and NotFoundError where he is no member any more.
        """
        await self._organizations.lock(self._me.organization_id)
        me = self._me = await self.find(self._me.id)
        require_role(me, roles)
        return me

    async def change_role(self, member_id: UUID, role: str | None) -> OrganizationMember:
        """None leaves it as it is. Raises ForbiddenError, NotFoundError and LastOwnerError."""
        member = await self._hold_to_change(member_id)
        before, after = member.role, role or member.role
        if before == after:
            return member
        require_above(self._me, after)
        await self._require_other_owner(member)
        member.role = after
        await self._members.store(member)
        await self._activity.record("member.updated", f"{before} → {after}", subject_id=member.id)
        return member

    async def remove(self, member_id: UUID) -> None:
        """His access ends with the transaction. Everybody may remove himself. Raises as `change_role`."""
        member = await self._hold_to_change(member_id, or_oneself=True)
        await self._require_other_owner(member)
        await self._members.remove(member.id)
        await self._organizations.deactivate(member.user_id, member.organization_id)
        await self._activity.record("member.removed", member.user.name, subject_id=member.id)

    async def replace_access(
        self, member_id: UUID, grants: Sequence[Grant], *, all_boards_read: bool, all_boards_write: bool
    ) -> OrganizationMember:
        """Raises ForbiddenError, NotFoundError and UnknownReferenceError."""
        member = await self._hold_to_change(member_id)
        boards = BoardRepository(session=self._session)
        granted = await known_grants(boards, member.organization_id, grants)
        member.all_boards_read, member.all_boards_write = all_boards_read, all_boards_write
        await self._members.store(member)
        await self._members.replace_grants(member, granted)
        await self._activity.record("member.access_changed", member.user.name, subject_id=member.id)
        return await self.find(member.id)

    async def _hold_to_change(self, member_id: UUID, *, or_oneself: bool = False) -> OrganizationMember:
        if or_oneself and member_id == self._me.id:
            return await self.hold(*Role)
        await self.hold(*MANAGERS)
        member = await self.find(member_id)
        require_above(self._me, member.role)
        return member

    async def _require_other_owner(self, member: OrganizationMember) -> None:
        if member.role == Role.OWNER and not await self._members.has_other_owner(member):
            raise LastOwnerError("The organization would be left without an owner: make another member owner first.")


def require_role(me: Membership | OrganizationMember, roles: Collection[str]) -> None:
    """Raises ForbiddenError."""
    if me.role not in roles:
        raise ForbiddenError(f"This takes the role {' or '.join(roles)}; yours is {me.role}.")


def require_above(me: Membership | OrganizationMember, role: str) -> None:
    """Only owners have to do with owners, be it to make one. Raises ForbiddenError."""
    if role == Role.OWNER and me.role != Role.OWNER:
        raise ForbiddenError("Only an owner makes owners, or changes one.")


async def known_grants(boards: BoardRepository, organization_id: UUID, grants: Collection[Grant]) -> list[Grant]:
    """Those that grant something. Raises UnknownReferenceError, and BadRequestError where a board is named twice."""
    known = await boards.of_organization(organization_id, {grant.board_id for grant in grants}) if grants else set()
    seen: set[UUID] = set()
    for place, grant in enumerate(grants):
        field = f"board_access/{place}/board_id"
        if grant.board_id not in known:
            raise UnknownReferenceError(field, "board")
        if grant.board_id in seen:
            raise BadRequestError(errors=(FieldProblem(f"/{field}", "This board is named twice."),))
        seen.add(grant.board_id)
    return [grant for grant in grants if not grant.grants_nothing]

"""Members: who may change whose place in an organization, and what each may do on its boards."""

from collections.abc import Collection, Sequence
from functools import cached_property
from uuid import UUID

from app.core.errors import BadRequestError, FieldProblem, ForbiddenError
from app.core.pagination import Slice, Window
from app.models import OrganizationMember, Role
from app.repositories.boards import BoardRepository
from app.repositories.callers import Membership
from app.repositories.members import Grant, MemberRepository
from app.repositories.organizations import OrganizationRepository
from app.services.base import Service
from app.services.boards import UnknownReferenceError
from app.services.users import LastOwnerError

__all__ = ("MANAGERS", "Grant", "MemberService", "reads_all_boards", "writes_all_boards")

MANAGERS = (Role.OWNER, Role.ADMIN)


class MemberService(Service):
    """The members of the caller's active organization; who is one, and as what, changes one at a time.

    All methods raise PeopleOnlyError and NoActiveOrganizationError.
    """

    async def page(self, window: Window) -> Slice:
        """Return members, oldest first."""
        return await self._members.page(self._caller.member.organization_id, window)

    async def get(self, member_id: UUID) -> OrganizationMember:
        """Return a member. Raises NotFoundError."""
        return await self._members.get_with_grants(self._caller.member.organization_id, member_id)

    async def get_own(self) -> OrganizationMember:
        """Return the caller's own membership. Raises NotFoundError where they are no member any more."""
        return await self.get(self._caller.member.id)

    async def lock_own(self, *roles: str) -> OrganizationMember:
        """Return the caller's membership; nobody's changes until the transaction ends.

        The caller may have lost the role since they signed in: under the lock they must have one of `roles`. Raises
        ForbiddenError, and NotFoundError where they are no member any more.
        """
        await OrganizationRepository(session=self._session).lock(id=self._caller.member.organization_id)
        me = await self.get_own()
        require_role(me, roles)
        return me

    async def change_role(self, member_id: UUID, role: str | None) -> OrganizationMember:
        """Give a member another role; None leaves it. Raises ForbiddenError, NotFoundError and LastOwnerError."""
        me, member = await self._lock_to_change(member_id)
        before, after = member.role, role or member.role
        if before == after:
            return member
        require_above(me, after)
        await self._require_other_owner(member)
        member.role = after
        await self._record("updated", member, f"{before} → {after}")
        return member

    async def delete(self, member_id: UUID) -> None:
        """Remove a member, whose access ends with the transaction; everybody may leave. Raises as `change_role`."""
        if member_id == self._caller.member.id:
            member = await self.lock_own(*Role)
        else:
            _, member = await self._lock_to_change(member_id)
        await self._require_other_owner(member)
        await self._members.delete(member.id)
        await OrganizationRepository(session=self._session).deactivate(member.user_id, member.organization_id)
        await self._record("removed", member, member.user.name)

    async def replace_access(
        self, member_id: UUID, grants: Sequence[Grant], *, all_boards_read: bool, all_boards_write: bool
    ) -> OrganizationMember:
        """Say what a member may do on which boards. Raises ForbiddenError, NotFoundError and UnknownReferenceError."""
        _, member = await self._lock_to_change(member_id)
        boards = BoardRepository(session=self._session)
        granted = await require_grants(boards, member.organization_id, grants)
        member.all_boards_read, member.all_boards_write = all_boards_read, all_boards_write
        await self._members.replace_grants(member, granted)
        await self._record("access_changed", member, member.user.name)
        return await self.get(member.id)

    @cached_property
    def _members(self) -> MemberRepository:
        return MemberRepository(session=self._session)

    async def _lock_to_change(self, member_id: UUID) -> tuple[OrganizationMember, OrganizationMember]:
        """Return the caller's membership and the member's."""
        me = await self.lock_own(*MANAGERS)
        member = await self.get(member_id)
        require_above(me, member.role)
        return me, member

    async def _require_other_owner(self, member: OrganizationMember) -> None:
        if member.role == Role.OWNER and not await self._members.has_other_owner(member):
            raise LastOwnerError("The organization would be left without an owner: make another member owner first.")

    async def _record(self, verb: str, member: OrganizationMember, message: str | None) -> None:
        await self._activity_of(member.organization_id).record(f"member.{verb}", message, subject_id=member.id)


def reads_all_boards(member: OrganizationMember) -> bool:
    """Return whether the member may read all boards: owners and admins may, whatever is stored."""
    return member.all_boards_read or member.role in MANAGERS


def writes_all_boards(member: OrganizationMember) -> bool:
    return member.all_boards_write or member.role in MANAGERS


def require_role(me: Membership | OrganizationMember, roles: Collection[str]) -> None:
    """Raise ForbiddenError unless the member has one of these roles."""
    if me.role not in roles:
        raise ForbiddenError(f"This takes the role {' or '.join(roles)}; yours is {me.role}.")


def require_above(me: Membership | OrganizationMember, role: str) -> None:
    """Raise ForbiddenError where a member who is no owner changes an owner, or makes one."""
    if role == Role.OWNER and me.role != Role.OWNER:
        raise ForbiddenError("Only an owner makes owners, or changes one.")


async def require_grants(boards: BoardRepository, organization_id: UUID, grants: Collection[Grant]) -> list[Grant]:
    """Return the grants that grant something.

    Raises UnknownReferenceError, and BadRequestError where a board is named twice.
    """
    wanted = {grant.board_id for grant in grants}
    known = await boards.lock_existing_ids(organization_id, wanted) if grants else set()
    seen: set[UUID] = set()
    for place, grant in enumerate(grants):
        field = f"board_access/{place}/board_id"
        if grant.board_id not in known:
            raise UnknownReferenceError(field, "board")
        if grant.board_id in seen:
            raise BadRequestError(errors=(FieldProblem(f"/{field}", "This board is named twice."),))
        seen.add(grant.board_id)
    return [grant for grant in grants if not grant.grants_nothing]

"""/organizations/me/member and /organizations/me/members"""

from collections.abc import Iterable

from litestar import Controller, Response, delete, get, patch, put
from litestar.params import JSONBody

from app.api.http.conversion import to_shape
from app.api.http.pagination import page_response
from app.api.http.parameters import CallerRequest, PageWindow, PathId, Session
from app.api.openapi.errors import problems
from app.models import OrganizationMember
from app.repositories.members import Grant, MemberRepository
from app.schemas.members import (
    OrganizationBoardAccessRead,
    OrganizationBoardAccessSpec,
    OrganizationMemberAccessUpdate,
    OrganizationMemberRead,
    OrganizationMemberUpdate,
    OrganizationUserRead,
)
from app.schemas.pages import Page
from app.services.members import Members


class MemberController(Controller):
    path = "/organizations/me"
    tags = ("organizations",)

    @get("/member", operation_id="get_my_membership", summary="Read your membership", responses=problems(403, 404))
    async def read_own(self, request: CallerRequest, db_session: Session) -> OrganizationMemberRead:
        return read_member(await Members(db_session, request.user).find(request.user.member.id))

    @get("/members", operation_id="list_members", summary="List the members", responses=problems(403, 404))
    async def list_all(
        self, request: CallerRequest, window: PageWindow, db_session: Session
    ) -> Response[Page[OrganizationMemberRead]]:
        found = await MemberRepository(session=db_session).page(request.user.member.organization_id, window)
        return page_response(request, window, found, read_member)

    @get("/members/{member_id:uuid}", operation_id="get_member", summary="Read a member", responses=problems(403, 404))
    async def read(self, request: CallerRequest, member_id: PathId, db_session: Session) -> OrganizationMemberRead:
        return read_member(await Members(db_session, request.user).find(member_id))

    @patch(
        "/members/{member_id:uuid}",
        operation_id="update_member",
        summary="Change his role",
        responses=problems(403, 404, 409),
    )
    async def update(
        self, request: CallerRequest, member_id: PathId, data: JSONBody[OrganizationMemberUpdate], db_session: Session
    ) -> OrganizationMemberRead:
        """Owners give any role, admins those of admin and member; an organization keeps an owner."""
        return read_member(await Members(db_session, request.user).change_role(member_id, data.role or None))

    @delete(
        "/members/{member_id:uuid}",
        operation_id="remove_member",
        summary="Remove a member, or leave",
        responses=problems(403, 404, 409),
    )
    async def remove(self, request: CallerRequest, member_id: PathId, db_session: Session) -> None:
        await Members(db_session, request.user).remove(member_id)

    @put(
        "/members/{member_id:uuid}/access",
        operation_id="replace_member_access",
        summary="Say what he may do on which boards",
        responses=problems(403, 404),
    )
    async def replace_access(
        self,
        request: CallerRequest,
        member_id: PathId,
        data: JSONBody[OrganizationMemberAccessUpdate],
        db_session: Session,
    ) -> OrganizationMemberRead:
        """Replaces what he had. Owners and admins reach all boards whatever is said here."""
        member = await Members(db_session, request.user).replace_access(
            member_id,
            grants_of(data.board_access),
            all_boards_read=data.all_boards_read,
            all_boards_write=data.all_boards_write,
        )
        return read_member(member)


def grants_of(specs: Iterable[OrganizationBoardAccessSpec]) -> list[Grant]:
    return [Grant(spec.board_id, spec.can_read or spec.can_write, spec.can_write) for spec in specs]


def read_member(member: OrganizationMember) -> OrganizationMemberRead:
    return to_shape(
        OrganizationMemberRead,
        member,
        user=to_shape(OrganizationUserRead, member.user),
        board_access=[to_shape(OrganizationBoardAccessRead, access) for access in member.board_access],
    )

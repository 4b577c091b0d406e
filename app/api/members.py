"""The controller of members and their access: /organizations/me/member and /organizations/me/members."""

from collections.abc import Iterable

from litestar import Controller, Response, delete, get, patch, put
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.api.http.conversion import to_shape
from app.api.http.handler_parameters import CallerRequest, PageWindow, PathId, provide_service
from app.api.http.pagination import page_response
from app.api.openapi.errors import problems
from app.models import OrganizationMember
from app.schemas.members import (
    OrganizationBoardAccessRead,
    OrganizationBoardAccessSpec,
    OrganizationMemberAccessUpdate,
    OrganizationMemberRead,
    OrganizationMemberUpdate,
    OrganizationUserRead,
)
from app.schemas.pagination import Page
from app.services.members import Grant, MemberService, reads_all_boards, writes_all_boards

Members = NamedDependency[MemberService]


class MemberController(Controller):
    path = "/organizations/me"
    tags = ("organizations",)
    dependencies = provide_service(MemberService)

    @get("/member", operation_id="get_my_membership", summary="Read your own membership", responses=problems(403, 404))
    async def read_own(self, service: Members) -> OrganizationMemberRead:
        return read_member(await service.get_own())

    @get(
        "/members",
        operation_id="list_members",
        summary="List the members of your active organization",
        responses=problems(403, 404),
    )
    async def list_all(
        self, request: CallerRequest, window: PageWindow, service: Members
    ) -> Response[Page[OrganizationMemberRead]]:
        return page_response(request, window, await service.page(window), read_member)

    @get("/members/{member_id:uuid}", operation_id="get_member", summary="Read a member", responses=problems(403, 404))
    async def read(self, member_id: PathId, service: Members) -> OrganizationMemberRead:
        return read_member(await service.get(member_id))

    @patch(
        "/members/{member_id:uuid}",
        operation_id="update_member",
        summary="Change the role of a member",
        responses=problems(403, 404, 409),
    )
    async def update(
        self, member_id: PathId, data: JSONBody[OrganizationMemberUpdate], service: Members
    ) -> OrganizationMemberRead:
        """Change the role. Owners give any role, admins the roles admin and member. The last owner remains."""
        return read_member(await service.change_role(member_id, data.role or None))

    @delete(
        "/members/{member_id:uuid}",
        operation_id="remove_member",
        summary="Remove a member, or leave the organization",
        responses=problems(403, 404, 409),
    )
    async def remove(self, member_id: PathId, service: Members) -> None:
        await service.delete(member_id)

    @put(
        "/members/{member_id:uuid}/access",
        operation_id="replace_member_access",
        summary="Replace a member's access to boards",
        responses=problems(403, 404),
    )
    async def replace_access(
        self, member_id: PathId, data: JSONBody[OrganizationMemberAccessUpdate], service: Members
    ) -> OrganizationMemberRead:
        """Replace the member's whole access. Owners and admins have access to all boards in any case."""
        member = await service.replace_access(
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
        all_boards_read=reads_all_boards(member),
        all_boards_write=writes_all_boards(member),
        user=to_shape(OrganizationUserRead, member.user),
        board_access=[to_shape(OrganizationBoardAccessRead, access) for access in member.board_access],
    )

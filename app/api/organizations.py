"""/organizations"""

from uuid import UUID

from litestar import Controller, Response, get, patch, post
from litestar.params import JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.conversion import to_shape
from app.api.documents import problems
from app.api.pagination import page_response
from app.api.parameters import CallerRequest, PageWindow, PathId, Session
from app.core.errors import NotFoundError
from app.models import Organization, OrganizationMember
from app.repositories.organizations import MemberRepository, OrganizationRepository
from app.schemas.organizations import (
    OrganizationActiveUpdate,
    OrganizationBoardAccessRead,
    OrganizationCreate,
    OrganizationListItem,
    OrganizationMemberRead,
    OrganizationRead,
    OrganizationUserRead,
)
from app.schemas.pages import Page


class OrganizationController(Controller):
    path = "/organizations"
    tags = ("organizations",)

    @post(
        operation_id="create_organization",
        summary="Create an organization, and make it active",
        responses=problems(),
    )
    async def create(
        self, request: CallerRequest, data: JSONBody[OrganizationCreate], db_session: Session
    ) -> Response[OrganizationRead]:
        repository = OrganizationRepository(session=db_session)
        stored = await repository.create_owned(Organization(name=data.name), request.user.person.id)
        return Response(
            to_shape(OrganizationRead, stored), headers={"Location": "/api/v1/organizations/me"}, status_code=201
        )

    @get("/me/list", operation_id="list_my_organizations", summary="List your organizations", responses=problems())
    async def list_mine(self, request: CallerRequest, db_session: Session) -> list[OrganizationListItem]:
        user = request.user.person
        found = await OrganizationRepository(session=db_session).list_of_user(user.id)
        return [
            to_shape(
                OrganizationListItem, organization, role=role, is_active=organization.id == user.active_organization_id
            )
            for organization, role in found
        ]

    @patch("/me/active", operation_id="set_active_organization", summary="Switch", responses=problems(404))
    async def switch(
        self,
        request: CallerRequest,
        data: JSONBody[OrganizationActiveUpdate],
        db_session: Session,
    ) -> OrganizationRead:
        repository = OrganizationRepository(session=db_session)
        organization = await repository.find_of_user(request.user.person.id, data.organization_id)
        if organization is None:
            raise NotFoundError
        await repository.activate(request.user.person.id, organization.id)
        return to_shape(OrganizationRead, organization)

    @get("/me", operation_id="get_my_organization", summary="Read the active one", responses=problems(404))
    async def read(self, request: CallerRequest, db_session: Session) -> OrganizationRead:
        organization = await OrganizationRepository(session=db_session).get(request.user.member.organization_id)
        return to_shape(OrganizationRead, organization)

    @get("/me/member", operation_id="get_my_membership", summary="Read your membership", responses=problems(404))
    async def read_own_member(self, request: CallerRequest, db_session: Session) -> OrganizationMemberRead:
        return await _member(db_session, request.user.member, request.user.member.id)

    @get("/me/members", operation_id="list_members", summary="List the members", responses=problems(404))
    async def list_members(
        self, request: CallerRequest, window: PageWindow, db_session: Session
    ) -> Response[Page[OrganizationMemberRead]]:
        found = await MemberRepository(session=db_session).page(request.user.member.organization_id, window)
        return page_response(request, window, found, _read_member)

    @get("/me/members/{member_id:uuid}", operation_id="get_member", summary="Read a member", responses=problems(404))
    async def read_member(
        self, request: CallerRequest, member_id: PathId, db_session: Session
    ) -> OrganizationMemberRead:
        return await _member(db_session, request.user.member, member_id)


async def _member(session: AsyncSession, caller: OrganizationMember, member_id: UUID) -> OrganizationMemberRead:
    member = await MemberRepository(session=session).find(caller.organization_id, member_id)
    if member is None:
        raise NotFoundError
    return _read_member(member)


def _read_member(member: OrganizationMember) -> OrganizationMemberRead:
    return to_shape(
        OrganizationMemberRead,
        member,
        user=to_shape(OrganizationUserRead, member.user),
        board_access=[to_shape(OrganizationBoardAccessRead, access) for access in member.board_access],
    )

"""/organizations"""

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import JSONBody

from app.api.http.conversion import to_shape
from app.api.http.idempotency import IN_ANY_ORGANIZATION
from app.api.http.parameters import CallerRequest, Session
from app.api.openapi.errors import problems
from app.core.errors import NotFoundError
from app.repositories.organizations import OrganizationRepository
from app.schemas.organizations import (
    OrganizationActiveUpdate,
    OrganizationCreate,
    OrganizationListItem,
    OrganizationRead,
)
from app.services.organizations import create_organization, delete_organization


class OrganizationController(Controller):
    path = "/organizations"
    tags = ("organizations",)

    @post(
        operation_id="create_organization",
        summary="Create an organization, and make it active",
        opt={IN_ANY_ORGANIZATION: True},
    )
    async def create(
        self, request: CallerRequest, data: JSONBody[OrganizationCreate], db_session: Session
    ) -> Response[OrganizationRead]:
        stored = await create_organization(db_session, request.user, data.name)
        return Response(
            to_shape(OrganizationRead, stored), headers={"Location": "/api/v1/organizations/me"}, status_code=201
        )

    @get("/me/list", operation_id="list_my_organizations", summary="List your organizations", responses=problems(403))
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

    @get("/me", operation_id="get_my_organization", summary="Read the active one", responses=problems(403, 404))
    async def read(self, request: CallerRequest, db_session: Session) -> OrganizationRead:
        organization = await OrganizationRepository(session=db_session).get(request.user.member.organization_id)
        return to_shape(OrganizationRead, organization)

    @delete(
        "/me",
        operation_id="delete_my_organization",
        summary="Delete the active one with all that it has",
        responses=problems(403, 404),
    )
    async def remove(self, request: CallerRequest, db_session: Session) -> None:
        """Takes an owner."""
        await delete_organization(db_session, request.user)

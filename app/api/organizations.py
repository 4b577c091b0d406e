"""The controller of organizations: /organizations."""

from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.api.http.conversion import to_shape
from app.api.http.handler_parameters import CallerRequest, provide_service
from app.api.http.idempotency import IN_ANY_ORGANIZATION
from app.api.openapi.errors import problems
from app.schemas.organizations import (
    OrganizationActiveUpdate,
    OrganizationCreate,
    OrganizationListItem,
    OrganizationRead,
)
from app.services.organizations import OrganizationService

Organizations = NamedDependency[OrganizationService]


class OrganizationController(Controller):
    path = "/organizations"
    tags = ("organizations",)
    dependencies = provide_service(OrganizationService)

    @post(
        operation_id="create_organization",
        summary="Create an organization, and switch to the new organization",
        opt={IN_ANY_ORGANIZATION: True},
    )
    async def create(self, data: JSONBody[OrganizationCreate], service: Organizations) -> Response[OrganizationRead]:
        stored = await service.create(data.name)
        return Response(
            to_shape(OrganizationRead, stored), headers={"Location": "/api/v1/organizations/me"}, status_code=201
        )

    @get("/me/list", operation_id="list_my_organizations", summary="List your organizations", responses=problems(403))
    async def list_mine(self, request: CallerRequest, service: Organizations) -> list[OrganizationListItem]:
        active_id = request.user.organization_id
        return [
            to_shape(OrganizationListItem, organization, role=role, is_active=organization.id == active_id)
            for organization, role in await service.list()
        ]

    @patch(
        "/me/active",
        operation_id="set_active_organization",
        summary="Choose your active organization",
        responses=problems(404),
    )
    async def switch(self, data: JSONBody[OrganizationActiveUpdate], service: Organizations) -> OrganizationRead:
        return to_shape(OrganizationRead, await service.activate(data.organization_id))

    @get(
        "/me", operation_id="get_my_organization", summary="Read your active organization", responses=problems(403, 404)
    )
    async def read(self, service: Organizations) -> OrganizationRead:
        return to_shape(OrganizationRead, await service.get_active())

    @delete(
        "/me",
        operation_id="delete_my_organization",
        summary="Delete your active organization with all of its content",
        responses=problems(403, 404),
    )
    async def remove(self, service: Organizations) -> None:
        """Delete the organization. Only an owner may."""
        await service.delete_active()

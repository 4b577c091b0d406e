"""/gateways: one built-in gateway, which stands for the way that agents connect; what needs a real one is refused."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, route
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.types import ControllerRouterHandler

from app.api.compatibility.fields import GATEWAY_ID
from app.api.http.handler_parameters import CallerRequest, PageWindow, PathId, provide_service
from app.api.http.query_parameters import ANY_QUERY
from app.api.openapi.errors import problems
from app.core.errors import AppError, NotFoundError
from app.schemas.pagination import Page
from app.schemas.shared_types import Moment
from app.services.organizations import OrganizationService

Organizations = NamedDependency[OrganizationService]
# Paths below /api/v1 -> the methods that need a gateway, or what one installs.
_REFUSED: dict[str, tuple[HttpMethod, ...]] = {
    "/gateways": (HttpMethod.POST,),
    "/gateways/{gateway_id:str}": (HttpMethod.PATCH, HttpMethod.DELETE),
    "/gateways/{gateway_id:str}/templates/sync": (HttpMethod.POST,),
    "/gateways/commands": (HttpMethod.GET,),
    "/gateways/sessions": (HttpMethod.GET,),
    "/gateways/sessions/{session_id:str}": (HttpMethod.GET,),
    "/gateways/sessions/{session_id:str}/history": (HttpMethod.GET,),
    "/gateways/sessions/{session_id:str}/message": (HttpMethod.POST,),
    "/skills/marketplace": (HttpMethod.POST,),
    "/skills/marketplace/{skill_id:str}": (HttpMethod.DELETE,),
    "/skills/marketplace/{skill_id:str}/install": (HttpMethod.POST,),
    "/skills/marketplace/{skill_id:str}/uninstall": (HttpMethod.POST,),
    "/skills/packs": (HttpMethod.POST,),
    "/skills/packs/{pack_id:str}": (HttpMethod.GET, HttpMethod.PATCH, HttpMethod.DELETE),
    "/skills/packs/{pack_id:str}/sync": (HttpMethod.POST,),
    "/souls-directory/search": (HttpMethod.GET,),
    "/souls-directory/{handle:str}/{slug:str}": (HttpMethod.GET,),
    "/boards/{board_id:uuid}/onboarding": (HttpMethod.GET,),
    "/boards/{board_id:uuid}/onboarding/start": (HttpMethod.POST,),
    "/boards/{board_id:uuid}/onboarding/answer": (HttpMethod.POST,),
    "/boards/{board_id:uuid}/onboarding/agent": (HttpMethod.POST,),
    "/boards/{board_id:uuid}/onboarding/confirm": (HttpMethod.POST,),
    "/agent/boards/{board_id:uuid}/onboarding": (HttpMethod.POST,),
    "/agent/boards/{board_id:uuid}/agents/{agent_id:uuid}/soul": (HttpMethod.GET, HttpMethod.PUT),
    "/agent/boards/{board_id:uuid}/gateway/main/ask-user": (HttpMethod.POST,),
    "/agent/gateway/boards/{board_id:uuid}/lead/message": (HttpMethod.POST,),
    "/agent/gateway/leads/broadcast": (HttpMethod.POST,),
}


class GatewayNeededError(AppError):
    status = HTTPStatus.NOT_IMPLEMENTED
    code = "gateway_needed"
    default_detail = (
        "This needs a gateway, and here is none: agents connect by themselves, each with its token. The gateway in the"
        " list stands for that, and cannot be changed."
    )


class GatewayRead(msgspec.Struct, kw_only=True):
    """The built-in gateway. It is the same in every organization, and as old as the organization."""

    id: UUID
    organization_id: UUID
    name: str
    url: str
    workspace_root: str
    allow_insecure_tls: bool
    disable_device_pairing: bool
    token: str | None
    created_at: Moment
    updated_at: Moment


class GatewaysStatusResponse(msgspec.Struct, kw_only=True):
    connected: bool
    gateway_url: str
    sessions_count: int
    sessions: list[dict[str, Any]]
    main_session: dict[str, Any] | None
    main_session_error: str | None
    error: str | None


class GatewayController(Controller):
    path = "/gateways"
    tags = ("gateways",)
    dependencies = provide_service(OrganizationService)

    @get(operation_id="list_gateways", summary="List the built-in gateway", responses=problems(403, 404))
    async def list_all(self, request: CallerRequest, window: PageWindow, service: Organizations) -> Page[GatewayRead]:
        every = [await _built_in(request, service)]
        return Page(every[window.offset :], len(every), window.limit, window.offset, None)

    @get("/status", operation_id="get_gateway_status", summary="Read that agents can connect", opt={ANY_QUERY: True})
    async def status(self, request: CallerRequest) -> GatewaysStatusResponse:
        """Read the status, which is the same whatever the query asks about."""
        return GatewaysStatusResponse(
            connected=True,
            gateway_url=_address(request),
            sessions_count=0,
            sessions=[],
            main_session=None,
            main_session_error=None,
            error=None,
        )

    @get(
        "/{gateway_id:uuid}",
        operation_id="get_gateway",
        summary="Read the built-in gateway",
        responses=problems(403, 404),
    )
    async def read(self, request: CallerRequest, gateway_id: PathId, service: Organizations) -> GatewayRead:
        if gateway_id != GATEWAY_ID:
            raise NotFoundError
        return await _built_in(request, service)


@get(["/skills/marketplace", "/skills/packs"], opt={ANY_QUERY: True}, include_in_schema=False)
async def no_skills() -> list[str]:
    """Return none: gateways install them."""
    return []


def gateway_handlers() -> list[ControllerRouterHandler]:
    """Return all of them. What is refused is not in the document."""
    return [
        GatewayController,
        no_skills,
        *(
            route(path, http_method=list(methods), opt={ANY_QUERY: True}, include_in_schema=False)(_refuse)
            for path, methods in _REFUSED.items()
        ),
    ]


async def _refuse() -> None:
    raise GatewayNeededError


async def _built_in(request: CallerRequest, service: OrganizationService) -> GatewayRead:
    organization = await service.get_active()
    return GatewayRead(
        id=GATEWAY_ID,
        organization_id=organization.id,
        name="Built-in",
        url=_address(request),
        workspace_root="/",
        allow_insecure_tls=False,
        disable_device_pairing=True,
        token=None,
        created_at=organization.created_at,
        updated_at=organization.updated_at,
    )


def _address(request: Request[Any, Any, Any]) -> str:
    return request.app.state.public_base_url or str(request.base_url).rstrip("/")

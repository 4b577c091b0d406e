"""The controller of agents: /agents."""

from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromQuery, JSONBody

from app.api.http.conversion import to_shape
from app.api.http.etag import NO_STORE
from app.api.http.handler_parameters import CallerRequest, PageWindow, PathId, provide_service
from app.api.http.pagination import page_response
from app.api.openapi.errors import problems
from app.models import Agent
from app.schemas.agents import (
    AgentCreate,
    AgentHeartbeat,
    AgentHeartbeatCreate,
    AgentRead,
    AgentUpdate,
    AgentWithToken,
)
from app.schemas.pagination import Page
from app.services.agents import AgentService, Registered, status_of

Agents = NamedDependency[AgentService]


class AgentController(Controller):
    path = "/agents"
    tags = ("agents",)
    dependencies = provide_service(AgentService)

    @get(operation_id="list_agents", summary="List the agents that you may see", responses=problems(404))
    async def list_all(
        self, request: CallerRequest, window: PageWindow, service: Agents, board_id: FromQuery[UUID | None] = None
    ) -> Response[Page[AgentRead]]:
        found = await service.page(board_id, window)
        return page_response(request, window, found, read_agent)

    @post(operation_id="create_agent", summary="Register an agent", responses=problems(403, 404, 409))
    async def create(self, data: JSONBody[AgentCreate], service: Agents) -> Response[AgentWithToken]:
        """Register an agent. Only this answer has the agent's `token`, whose hash is stored."""
        registered = await service.create(data.sent())
        return _with_token(registered, created=True)

    @post(
        "/heartbeat",
        operation_id="heartbeat_by_name",
        summary="Report that an agent is alive, by name, or register a new agent",
        responses={**problems(403, 404, 409), 201: ResponseSpec(AgentWithToken, generate_examples=False)},
        status_code=200,
    )
    async def heartbeat_by_name(
        self, data: JSONBody[AgentHeartbeatCreate], service: Agents
    ) -> Response[AgentWithToken]:
        registered = await service.heartbeat_by_name(data.name, data.board_id, data.status)
        return _with_token(registered, created=registered.token is not None)

    @get("/{agent_id:uuid}", operation_id="get_agent", summary="Read an agent", responses=problems(404))
    async def read(self, agent_id: PathId, service: Agents) -> AgentRead:
        return read_agent(await service.get(agent_id))

    @patch(
        "/{agent_id:uuid}", operation_id="update_agent", summary="Change an agent", responses=problems(403, 404, 409)
    )
    async def update(
        self,
        agent_id: PathId,
        data: JSONBody[AgentUpdate],
        service: Agents,
        force: FromQuery[bool] = False,  # noqa: ARG002
    ) -> AgentRead:
        """Change the agent. `force` is accepted, but has no effect."""
        return read_agent(await service.update(agent_id, data.sent()))

    @delete("/{agent_id:uuid}", operation_id="delete_agent", summary="Delete an agent", responses=problems(403, 404))
    async def remove(self, agent_id: PathId, service: Agents) -> None:
        await service.delete(agent_id)

    @post(
        "/{agent_id:uuid}/token",
        operation_id="renew_agent_token",
        summary="Replace the token of an agent",
        responses=problems(403, 404),
        status_code=200,
    )
    async def renew_token(self, agent_id: PathId, service: Agents) -> Response[AgentWithToken]:
        return _with_token(await service.renew_token(agent_id), created=False)

    @post(
        "/{agent_id:uuid}/heartbeat",
        operation_id="heartbeat",
        summary="Report that an agent is alive",
        responses=problems(403, 404),
        status_code=200,
    )
    async def heartbeat(self, agent_id: PathId, data: JSONBody[AgentHeartbeat], service: Agents) -> AgentRead:
        return read_agent(await service.heartbeat(agent_id, data.status))


def read_agent(agent: Agent) -> AgentRead:
    return to_shape(AgentRead, agent, status=status_of(agent))


def _with_token(registered: Registered, *, created: bool) -> Response[AgentWithToken]:
    agent = registered.agent
    shape = to_shape(AgentWithToken, agent, status=status_of(agent), token=registered.token)
    headers = {"Location": f"/api/v1/agents/{agent.id}"} if created else {}
    return Response(shape, headers={**headers, **NO_STORE}, status_code=201 if created else 200)

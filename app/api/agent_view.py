"""/agent/…: handlers of other controllers under a second path for agents, and operations for agents only."""

from copy import deepcopy
from typing import Annotated, Any

from litestar import Controller, Router, delete, get, post
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.enums import HttpMethod
from litestar.handlers import BaseRouteHandler, HTTPRouteHandler
from litestar.params import JSONBody, Parameter

from app.api.agents import AgentController, read_agent
from app.api.approvals import ApprovalController
from app.api.boards import BoardController
from app.api.http.conversion import to_shape
from app.api.http.handler_parameters import PathId, provide_service
from app.api.memory import MemoryController
from app.api.openapi.errors import problems
from app.api.tasks import TaskController
from app.api.webhooks import read_payload
from app.schemas.agents import AgentHealthStatusResponse, AgentNudge, AgentRead, OkResponse
from app.schemas.tags import TagRef
from app.schemas.webhooks import BoardWebhookPayloadRead
from app.services.agents import AgentService, status_of
from app.services.callers import AgentsOnlyError
from app.services.tags import TagService
from app.services.webhooks import WebhookService

Agents = NamedDependency[AgentService]
# Controller -> its handlers that agents have under this path, too.
_SHARED: dict[type[Controller], tuple[str, ...]] = {
    BoardController: ("list_all", "read"),
    AgentController: ("list_all", "create"),
    TaskController: ("list_all", "create", "read", "update", "remove", "list_comments", "create_comment"),
    MemoryController: ("list_of_board", "add_to_board"),
    ApprovalController: ("list_all", "create", "read"),
}


class AgentViewController(Controller):
    dependencies = provide_service(AgentService)

    @get(
        "/healthz",
        operation_id="agent_healthz",
        summary="Check your token, and read who you are",
        responses=problems(403),
    )
    async def healthz(self, service: Agents) -> AgentHealthStatusResponse:
        agent = await service.get_own()
        return to_shape(AgentHealthStatusResponse, agent, ok=True, agent_id=agent.id, status=status_of(agent))

    @post(
        "/heartbeat",
        operation_id="agent_heartbeat",
        summary="Report that you are alive",
        responses=problems(403),
        status_code=200,
    )
    async def heartbeat(self, service: Agents) -> AgentRead:
        return read_agent(await service.heartbeat_own())

    @post(
        "/boards/{board_id:uuid}/agents/{agent_id:uuid}/nudge",
        operation_id="agent_nudge",
        summary="Remind another agent of your board",
        responses=problems(403, 404),
        status_code=200,
    )
    async def nudge(
        self, board_id: PathId, agent_id: PathId, data: JSONBody[AgentNudge], service: Agents
    ) -> OkResponse:
        """Send an event of the type `agent.nudged`, with the message, to the streams of agents."""
        await service.nudge(board_id, agent_id, data.message)
        return OkResponse()

    @delete(
        "/boards/{board_id:uuid}/agents/{agent_id:uuid}",
        operation_id="agent_delete_agent",
        summary="Delete an agent of your board, or yourself",
        responses=problems(403, 404),
    )
    async def remove(self, board_id: PathId, agent_id: PathId, service: Agents) -> None:
        await service.delete(agent_id, board_id)


class AgentTagController(Controller):
    dependencies = provide_service(TagService)

    @get(
        "/boards/{board_id:uuid}/tags",
        operation_id="agent_list_tags",
        summary="List the tags that tasks can have",
        responses=problems(403, 404),
    )
    async def list_tags(self, board_id: PathId, service: NamedDependency[TagService]) -> list[TagRef]:
        return [to_shape(TagRef, tag) for tag in await service.list_for_board(board_id)]


class AgentPayloadController(Controller):
    dependencies = provide_service(WebhookService)

    @get(
        "/boards/{board_id:uuid}/webhooks/{webhook_id:uuid}/payloads/{payload_id:uuid}",
        operation_id="agent_get_payload",
        summary="Read a request that a webhook has received",
        responses=problems(403, 404),
    )
    async def read_payload(
        self,
        board_id: PathId,
        webhook_id: PathId,
        payload_id: PathId,
        service: NamedDependency[WebhookService],
        max_chars: Annotated[
            int | None, Parameter(ge=1, le=2**31, description="The length to which the text of the body is cut.")
        ] = None,
    ) -> BoardWebhookPayloadRead:
        return read_payload(board_id, await service.get_payload(board_id, webhook_id, payload_id), max_chars)


def agent_view() -> Router:
    """Return the router of everything under /agent, which only agents may use."""
    shared = [_view_of(owner, names) for owner, names in _SHARED.items()]
    own = (AgentViewController, AgentTagController, AgentPayloadController)
    return Router("/agent", route_handlers=[*own, *shared], tags=["agent"], guards=[_agents_only])


def _view_of(owner: type[Controller], names: tuple[str, ...]) -> type[Controller]:
    """Return a controller with copies of these handlers, which have operation ids of their own."""
    handlers: dict[str, Any] = {"path": vars(owner)["path"], "dependencies": vars(owner)["dependencies"]}
    for name in names:
        handler: HTTPRouteHandler = deepcopy(getattr(owner, name))
        handler.operation_id = f"agent_{handler.operation_id}"
        # The router's tag alone: clients and the page have an operation once for each of its tags.
        handler.tags = None
        handlers[name] = handler
    return type(f"AgentView{owner.__name__}", (Controller,), handlers)


async def _agents_only(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Raise AgentsOnlyError unless an agent calls. OPTIONS is left out, because it needs no sign-in."""
    if connection.scope.get("method") != HttpMethod.OPTIONS and connection.user.agent is None:
        raise AgentsOnlyError

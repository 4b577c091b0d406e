"""The controller of board groups: /board-groups."""

from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from app.api.http.conversion import to_shape
from app.api.http.handler_parameters import CallerRequest, PageWindow, PathId, provide_service
from app.api.http.pagination import page_response
from app.api.openapi.errors import problems
from app.models import BoardGroup
from app.schemas.board_groups import (
    BoardGroupCreate,
    BoardGroupHeartbeatApply,
    BoardGroupHeartbeatApplyResult,
    BoardGroupRead,
    BoardGroupUpdate,
)
from app.schemas.pagination import Page
from app.services.agents import AgentService
from app.services.board_groups import BoardGroupService

Groups = NamedDependency[BoardGroupService]
Agents = NamedDependency[AgentService]


class BoardGroupController(Controller):
    path = "/board-groups"
    tags = ("board-groups",)
    dependencies = provide_service(BoardGroupService)

    @get(operation_id="list_board_groups", summary="List the board groups that you may read", responses=problems(404))
    async def list_all(
        self, request: CallerRequest, window: PageWindow, service: Groups
    ) -> Response[Page[BoardGroupRead]]:
        """List the groups with a board that you may read; all groups if you may read all boards."""
        found = await service.page(window)
        return page_response(request, window, found, read_group)

    @post(operation_id="create_board_group", summary="Create a board group", responses=problems(403, 404, 409))
    async def create(self, data: JSONBody[BoardGroupCreate], service: Groups) -> Response[BoardGroupRead]:
        group = await service.create(data.sent())
        return Response(read_group(group), headers={"Location": f"/api/v1/board-groups/{group.id}"}, status_code=201)

    @get("/{group_id:uuid}", operation_id="get_board_group", summary="Read a board group", responses=problems(404))
    async def read(self, group_id: PathId, service: Groups) -> BoardGroupRead:
        return read_group(await service.get(group_id))

    @patch(
        "/{group_id:uuid}",
        operation_id="update_board_group",
        summary="Change a board group",
        responses=problems(403, 404, 409),
    )
    async def update(self, group_id: PathId, data: JSONBody[BoardGroupUpdate], service: Groups) -> BoardGroupRead:
        return read_group(await service.update(group_id, data.sent()))

    @delete(
        "/{group_id:uuid}",
        operation_id="delete_board_group",
        summary="Delete a board group and its memory, but no boards",
        responses=problems(403, 404),
    )
    async def remove(self, group_id: PathId, service: Groups) -> None:
        await service.delete(group_id)


class GroupHeartbeatController(Controller):
    """The pace of a group's agents."""

    path = "/board-groups"
    tags = ("board-groups",)
    dependencies = provide_service(AgentService)

    @post(
        "/{group_id:uuid}/heartbeat",
        operation_id="apply_board_group_heartbeat",
        summary="Change how often the agents of a board group report",
        responses=problems(403, 404),
        status_code=200,
    )
    async def apply_heartbeat(
        self, group_id: PathId, data: JSONBody[BoardGroupHeartbeatApply], service: Agents
    ) -> BoardGroupHeartbeatApplyResult:
        """Set `every` in the agents' `heartbeat_config`. Leads of boards keep theirs unless they are included."""
        done = await service.set_pace_of_group(group_id, data.every, with_leads=data.include_board_leads)
        return BoardGroupHeartbeatApplyResult(
            board_group_id=group_id,
            requested=data.sent(),
            updated_agent_ids=done.updated,
            failed_agent_ids=done.failed,
        )


def read_group(group: BoardGroup) -> BoardGroupRead:
    return to_shape(BoardGroupRead, group)

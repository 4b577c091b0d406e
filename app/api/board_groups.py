"""/board-groups"""

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import JSONBody

from app.api.http.conversion import to_shape
from app.api.http.pagination import page_response
from app.api.http.parameters import CallerRequest, PageWindow, PathId, Session
from app.api.openapi.errors import problems
from app.models import BoardGroup
from app.repositories.board_groups import BoardGroupRepository
from app.schemas.board_groups import BoardGroupCreate, BoardGroupRead, BoardGroupUpdate
from app.schemas.pages import Page
from app.services.board_groups import create_group, delete_group, open_group, update_group


class BoardGroupController(Controller):
    path = "/board-groups"
    tags = ("board-groups",)

    @get(operation_id="list_board_groups", summary="List the groups of boards", responses=problems(404))
    async def list_all(
        self, request: CallerRequest, window: PageWindow, db_session: Session
    ) -> Response[Page[BoardGroupRead]]:
        """Those with a board that you may read; all of them for whoever may read all boards."""
        found = await BoardGroupRepository(session=db_session).page(request.user.access, window)
        return page_response(request, window, found, read_group)

    @post(operation_id="create_board_group", summary="Create a group of boards", responses=problems(403, 404, 409))
    async def create(
        self, request: CallerRequest, data: JSONBody[BoardGroupCreate], db_session: Session
    ) -> Response[BoardGroupRead]:
        group = await create_group(db_session, request.user, data.sent())
        return Response(read_group(group), headers={"Location": f"/api/v1/board-groups/{group.id}"}, status_code=201)

    @get("/{group_id:uuid}", operation_id="get_board_group", summary="Read a group", responses=problems(404))
    async def read(self, request: CallerRequest, group_id: PathId, db_session: Session) -> BoardGroupRead:
        return read_group(await open_group(db_session, request.user, group_id))

    @patch(
        "/{group_id:uuid}",
        operation_id="update_board_group",
        summary="Change it",
        responses=problems(403, 404, 409),
    )
    async def update(
        self, request: CallerRequest, group_id: PathId, data: JSONBody[BoardGroupUpdate], db_session: Session
    ) -> BoardGroupRead:
        return read_group(await update_group(db_session, request.user, group_id, data.sent()))

    @delete(
        "/{group_id:uuid}",
        operation_id="delete_board_group",
        summary="Delete a group and its memory; its boards stay",
        responses=problems(403, 404),
    )
    async def remove(self, request: CallerRequest, group_id: PathId, db_session: Session) -> None:
        await delete_group(db_session, request.user, group_id)


def read_group(group: BoardGroup) -> BoardGroupRead:
    return to_shape(BoardGroupRead, group)

"""The controller of boards: /boards."""

from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody

from app.api.http.conversion import to_shape
from app.api.http.handler_parameters import CallerRequest, PageWindow, PathId, Search, provide_service
from app.api.http.pagination import page_response
from app.api.openapi.errors import problems
from app.models import Board
from app.schemas.boards import BoardCreate, BoardRead, BoardUpdate
from app.schemas.pagination import Page
from app.services.boards import BoardService

Boards = NamedDependency[BoardService]


class BoardController(Controller):
    path = "/boards"
    tags = ("boards",)
    dependencies = provide_service(BoardService)

    @get(operation_id="list_boards", summary="List the boards that you may read", responses=problems(404))
    async def list_all(
        self,
        request: CallerRequest,
        window: PageWindow,
        service: Boards,
        board_group_id: FromQuery[UUID | None] = None,
        search: Search = None,
    ) -> Response[Page[BoardRead]]:
        found = await service.page(board_group_id, search, window)
        return page_response(request, window, found, read_board)

    @post(operation_id="create_board", summary="Create a board", responses=problems(403, 404, 409))
    async def create(self, data: JSONBody[BoardCreate], service: Boards) -> Response[BoardRead]:
        board = await service.create(data.sent())
        return Response(read_board(board), headers={"Location": f"/api/v1/boards/{board.id}"}, status_code=201)

    @get("/{board_id:uuid}", operation_id="get_board", summary="Read a board", responses=problems(404))
    async def read(self, board_id: PathId, service: Boards) -> BoardRead:
        return read_board(await service.get(board_id))

    @patch("/{board_id:uuid}", operation_id="update_board", summary="Change a board", responses=problems(403, 404, 409))
    async def update(self, board_id: PathId, data: JSONBody[BoardUpdate], service: Boards) -> BoardRead:
        return read_board(await service.update(board_id, data.sent()))

    @delete(
        "/{board_id:uuid}",
        operation_id="delete_board",
        summary="Delete a board with all of its content",
        responses=problems(403, 404),
    )
    async def remove(self, board_id: PathId, service: Boards) -> None:
        await service.delete(board_id)


def read_board(board: Board) -> BoardRead:
    return to_shape(BoardRead, board)

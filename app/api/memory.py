"""The controller of the memory of boards and of board groups."""

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody

from app.api.http.conversion import to_shape
from app.api.http.handler_parameters import CallerRequest, PageWindow, PathId, provide_service
from app.api.http.pagination import page_response
from app.api.openapi.errors import problems
from app.models import BoardGroupMemory, BoardMemory
from app.schemas.memory import BoardGroupMemoryCreate, BoardGroupMemoryRead, BoardMemoryCreate, BoardMemoryRead
from app.schemas.pagination import Page
from app.services.memory import MemoryService

Memory = NamedDependency[MemoryService]
_BOARD, _GROUP, _GROUP_OF_BOARD = (
    "/boards/{board_id:uuid}/memory",
    "/board-groups/{group_id:uuid}/memory",
    "/boards/{board_id:uuid}/group-memory",
)


class MemoryController(Controller):
    path = "/"
    dependencies = provide_service(MemoryService)

    @get(
        _BOARD,
        operation_id="list_board_memory",
        summary="List the memory of a board, newest first",
        responses=problems(404),
        tags=["board-memory"],
    )
    async def list_of_board(
        self,
        request: CallerRequest,
        board_id: PathId,
        window: PageWindow,
        service: Memory,
        is_chat: FromQuery[bool | None] = None,
    ) -> Response[Page[BoardMemoryRead]]:
        """List the memory. With `is_chat=true` only the chat, with `is_chat=false` all but the chat."""
        return page_response(request, window, await service.page_of_board(board_id, is_chat, window), read_memory)

    @post(
        _BOARD,
        operation_id="create_board_memory",
        summary="Add to the memory of a board",
        responses=problems(403, 404),
        tags=["board-memory"],
    )
    async def add_to_board(
        self, board_id: PathId, data: JSONBody[BoardMemoryCreate], service: Memory
    ) -> Response[BoardMemoryRead]:
        memory = await service.add_to_board(board_id, data.sent())
        location = f"/api/v1/boards/{board_id}/memory"
        return Response(read_memory(memory), headers={"Location": location}, status_code=201)

    @get(
        _GROUP,
        operation_id="list_board_group_memory",
        summary="List the memory of a board group, newest first",
        responses=problems(404),
        tags=["board-group-memory"],
    )
    async def list_of_group(
        self,
        request: CallerRequest,
        group_id: PathId,
        window: PageWindow,
        service: Memory,
        is_chat: FromQuery[bool | None] = None,
    ) -> Response[Page[BoardGroupMemoryRead]]:
        """List the memory. With `is_chat=true` only the chat, with `is_chat=false` all but the chat."""
        found = await service.page_of_group(group_id, is_chat, window)
        return page_response(request, window, found, read_group_memory)

    @post(
        _GROUP,
        operation_id="create_board_group_memory",
        summary="Add to the memory of a board group",
        responses=problems(403, 404),
        tags=["board-group-memory"],
    )
    async def add_to_group(
        self, group_id: PathId, data: JSONBody[BoardGroupMemoryCreate], service: Memory
    ) -> Response[BoardGroupMemoryRead]:
        return _created(await service.add_to_group(group_id, data.sent()))

    @get(
        _GROUP_OF_BOARD,
        operation_id="list_group_memory_of_board",
        summary="List the memory of a board's group, newest first",
        responses=problems(404),
        tags=["board-group-memory"],
    )
    async def list_of_group_of_board(
        self,
        request: CallerRequest,
        board_id: PathId,
        window: PageWindow,
        service: Memory,
        is_chat: FromQuery[bool | None] = None,
    ) -> Response[Page[BoardGroupMemoryRead]]:
        """List the memory of the group that the board is in; nothing if there is none."""
        found = await service.page_of_group_of_board(board_id, is_chat, window)
        return page_response(request, window, found, read_group_memory)

    @post(
        _GROUP_OF_BOARD,
        operation_id="create_group_memory_of_board",
        summary="Add to the memory of a board's group",
        responses=problems(403, 404, 409),
        tags=["board-group-memory"],
    )
    async def add_to_group_of_board(
        self, board_id: PathId, data: JSONBody[BoardGroupMemoryCreate], service: Memory
    ) -> Response[BoardGroupMemoryRead]:
        return _created(await service.add_to_group_of_board(board_id, data.sent()))


def read_memory(memory: BoardMemory) -> BoardMemoryRead:
    return to_shape(BoardMemoryRead, memory)


def read_group_memory(memory: BoardGroupMemory) -> BoardGroupMemoryRead:
    return to_shape(BoardGroupMemoryRead, memory)


def _created(memory: BoardGroupMemory) -> Response[BoardGroupMemoryRead]:
    location = f"/api/v1/board-groups/{memory.board_group_id}/memory"
    return Response(read_group_memory(memory), headers={"Location": location}, status_code=201)

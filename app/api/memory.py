"""/boards/{board_id}/memory, /board-groups/{group_id}/memory and /boards/{board_id}/group-memory"""

from litestar import Controller, Response, get, post
from litestar.params import FromQuery, JSONBody
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.http.conversion import to_shape
from app.api.http.pagination import page_response
from app.api.http.parameters import CallerRequest, PageWindow, PathId, Session
from app.api.openapi.errors import problems
from app.core.paging import Slice, Window
from app.models import BoardGroup, BoardGroupMemory, BoardMemory
from app.repositories.memory import BoardGroupMemoryRepository, BoardMemoryRepository
from app.schemas.memory import BoardGroupMemoryCreate, BoardGroupMemoryRead, BoardMemoryCreate, BoardMemoryRead
from app.schemas.pages import Page
from app.services.board_groups import open_group, open_group_of
from app.services.boards import open_board
from app.services.memory import remember, remember_in_group


class BoardMemoryController(Controller):
    path = "/boards/{board_id:uuid}/memory"
    tags = ("board-memory",)

    @get(operation_id="list_board_memory", summary="What a board remembers, newest first", responses=problems(404))
    async def list_all(
        self,
        request: CallerRequest,
        board_id: PathId,
        window: PageWindow,
        db_session: Session,
        is_chat: FromQuery[bool | None] = None,
    ) -> Response[Page[BoardMemoryRead]]:
        """With `is_chat` the chat alone, or all but the chat."""
        board = await open_board(db_session, request.user, board_id)
        found = await BoardMemoryRepository(session=db_session).page(board.id, is_chat, window)
        return page_response(request, window, found, read_memory)

    @post(operation_id="create_board_memory", summary="Add to it", responses=problems(403, 404))
    async def create(
        self, request: CallerRequest, board_id: PathId, data: JSONBody[BoardMemoryCreate], db_session: Session
    ) -> Response[BoardMemoryRead]:
        board = await open_board(db_session, request.user, board_id, write=True)
        memory = await remember(db_session, request.user, board, data.sent())
        location = f"/api/v1/boards/{board_id}/memory"
        return Response(read_memory(memory), headers={"Location": location}, status_code=201)


class BoardGroupMemoryController(Controller):
    path = "/board-groups/{group_id:uuid}/memory"
    tags = ("board-group-memory",)

    @get(
        operation_id="list_board_group_memory",
        summary="What a group of boards remembers, newest first",
        responses=problems(404),
    )
    async def list_all(
        self,
        request: CallerRequest,
        group_id: PathId,
        window: PageWindow,
        db_session: Session,
        is_chat: FromQuery[bool | None] = None,
    ) -> Response[Page[BoardGroupMemoryRead]]:
        """With `is_chat` the chat alone, or all but the chat."""
        group = await open_group(db_session, request.user, group_id)
        return await _page(request, db_session, group, is_chat, window)

    @post(operation_id="create_board_group_memory", summary="Add to it", responses=problems(403, 404))
    async def create(
        self, request: CallerRequest, group_id: PathId, data: JSONBody[BoardGroupMemoryCreate], db_session: Session
    ) -> Response[BoardGroupMemoryRead]:
        group = await open_group(db_session, request.user, group_id, write=True)
        return _created(await remember_in_group(db_session, request.user, group, data.sent()))


class GroupMemoryOfBoardController(Controller):
    path = "/boards/{board_id:uuid}/group-memory"
    tags = ("board-group-memory",)

    @get(
        operation_id="list_group_memory_of_board",
        summary="What the group that the board is in remembers, newest first",
        responses=problems(404),
    )
    async def list_all(
        self,
        request: CallerRequest,
        board_id: PathId,
        window: PageWindow,
        db_session: Session,
        is_chat: FromQuery[bool | None] = None,
    ) -> Response[Page[BoardGroupMemoryRead]]:
        """Nothing, where the board is in none."""
        group = await open_group_of(db_session, request.user, board_id)
        return await _page(request, db_session, group, is_chat, window)

    @post(operation_id="create_group_memory_of_board", summary="Add to it", responses=problems(403, 404, 409))
    async def create(
        self, request: CallerRequest, board_id: PathId, data: JSONBody[BoardGroupMemoryCreate], db_session: Session
    ) -> Response[BoardGroupMemoryRead]:
        group = await open_group_of(db_session, request.user, board_id, write=True)
        return _created(await remember_in_group(db_session, request.user, group, data.sent()))


async def _page(
    request: CallerRequest, session: AsyncSession, group: BoardGroup | None, is_chat: bool | None, window: Window
) -> Response[Page[BoardGroupMemoryRead]]:
    found = Slice([], 0, None)
    if group is not None:
        found = await BoardGroupMemoryRepository(session=session).page(group.id, is_chat, window)
    return page_response(request, window, found, read_group_memory)


def read_memory(memory: BoardMemory) -> BoardMemoryRead:
    return to_shape(BoardMemoryRead, memory)


def read_group_memory(memory: BoardGroupMemory) -> BoardGroupMemoryRead:
    return to_shape(BoardGroupMemoryRead, memory)


def _created(memory: BoardGroupMemory) -> Response[BoardGroupMemoryRead]:
    location = f"/api/v1/board-groups/{memory.board_group_id}/memory"
    return Response(read_group_memory(memory), headers={"Location": location}, status_code=201)

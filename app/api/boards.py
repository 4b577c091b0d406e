"""/boards"""

from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import FromQuery, JSONBody

from app.api.conversion import to_shape
from app.api.documents import problems
from app.api.pagination import page_response
from app.api.parameters import CallerRequest, PageWindow, PathId, Session
from app.core.errors import ForbiddenError
from app.models import Board, Role
from app.repositories.boards import BoardRepository
from app.repositories.keyset import Slice
from app.schemas.boards import BoardCreate, BoardRead, BoardUpdate
from app.schemas.pages import Page
from app.services.boards import open_board, refuse_board_group


class BoardController(Controller):
    path = "/boards"
    tags = ("boards",)

    @get(operation_id="list_boards", summary="List the boards that you may read", responses=problems(404))
    async def list_all(
        self,
        request: CallerRequest,
        window: PageWindow,
        db_session: Session,
        board_group_id: FromQuery[UUID | None] = None,
    ) -> Response[Page[BoardRead]]:
        member = request.user.member
        # There are no board groups yet: no board is in one.
        nothing = Slice([], 0, None)
        found = nothing if board_group_id else await BoardRepository(session=db_session).page(member, window)
        return page_response(request, window, found, _read)

    @post(operation_id="create_board", summary="Create a board", responses=problems(403, 404, 409))
    async def create(
        self, request: CallerRequest, data: JSONBody[BoardCreate], db_session: Session
    ) -> Response[BoardRead]:
        member = request.user.member
        if member.role == Role.MEMBER and not member.all_boards_write:
            raise ForbiddenError("Creating boards takes an owner, an admin, or a member who may write all boards.")
        fields = data.sent()
        refuse_board_group(fields.pop("board_group_id"))
        board = await BoardRepository(session=db_session).store(Board(organization_id=member.organization_id, **fields))
        return Response(_read(board), headers={"Location": f"/api/v1/boards/{board.id}"}, status_code=201)

    @get("/{board_id:uuid}", operation_id="get_board", summary="Read a board", responses=problems(404))
    async def read(self, request: CallerRequest, board_id: PathId, db_session: Session) -> BoardRead:
        return _read(await open_board(db_session, request.user.member, board_id))

    @patch("/{board_id:uuid}", operation_id="update_board", summary="Change it", responses=problems(403, 404, 409))
    async def update(
        self,
        request: CallerRequest,
        board_id: PathId,
        data: JSONBody[BoardUpdate],
        db_session: Session,
    ) -> BoardRead:
        board = await open_board(db_session, request.user.member, board_id, write=True)
        changes = data.sent()
        refuse_board_group(changes.pop("board_group_id", None))
        for name, value in changes.items():
            setattr(board, name, value)
        return _read(await BoardRepository(session=db_session).store(board))

    @delete(
        "/{board_id:uuid}",
        operation_id="delete_board",
        summary="Delete a board and all that it contains",
        responses=problems(403, 404),
    )
    async def remove(self, request: CallerRequest, board_id: PathId, db_session: Session) -> None:
        board = await open_board(db_session, request.user.member, board_id, write=True)
        await BoardRepository(session=db_session).remove(board.id)


def _read(board: Board) -> BoardRead:
    return to_shape(BoardRead, board)

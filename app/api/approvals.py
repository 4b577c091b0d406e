"""/boards/{board_id}/approvals"""

from litestar import Controller, Response, get, patch, post
from litestar.params import FromQuery, JSONBody

from app.api.http.conversion import to_shape
from app.api.http.pagination import page_response
from app.api.http.parameters import CallerRequest, PageWindow, PathId, Session
from app.api.openapi.errors import problems
from app.repositories.approvals import ApprovalRepository
from app.schemas.approvals import ApprovalCreate, ApprovalRead, ApprovalUpdate, Status
from app.schemas.pages import Page
from app.services.approvals import Approvals, ApprovalView
from app.services.boards import open_board


class ApprovalController(Controller):
    path = "/boards/{board_id:uuid}/approvals"
    tags = ("approvals",)

    @get(operation_id="list_approvals", summary="List the approvals of a board", responses=problems(404))
    async def list_all(
        self,
        request: CallerRequest,
        board_id: PathId,
        window: PageWindow,
        db_session: Session,
        status: FromQuery[Status | None] = None,
    ) -> Response[Page[ApprovalRead]]:
        board = await open_board(db_session, request.user, board_id)
        found = await ApprovalRepository(session=db_session).page(board.id, status, window)
        views = await Approvals(db_session, request.user, board).views(found.rows)
        return page_response(request, window, found._replace(rows=views), read_approval)

    @post(operation_id="create_approval", summary="Ask for an approval", responses=problems(403, 404, 409))
    async def create(
        self, request: CallerRequest, board_id: PathId, data: JSONBody[ApprovalCreate], db_session: Session
    ) -> Response[ApprovalRead]:
        board = await open_board(db_session, request.user, board_id, write=True)
        view = await Approvals(db_session, request.user, board).create(data.sent())
        location = f"/api/v1/boards/{board_id}/approvals/{view.approval.id}"
        return Response(read_approval(view), headers={"Location": location}, status_code=201)

    @get("/{approval_id:uuid}", operation_id="get_approval", summary="Read an approval", responses=problems(404))
    async def read(
        self, request: CallerRequest, board_id: PathId, approval_id: PathId, db_session: Session
    ) -> ApprovalRead:
        board = await open_board(db_session, request.user, board_id)
        return read_approval(await Approvals(db_session, request.user, board).view(approval_id))

    @patch(
        "/{approval_id:uuid}",
        operation_id="resolve_approval",
        summary="Approve or reject, once",
        responses=problems(403, 404, 409),
    )
    async def resolve(
        self,
        request: CallerRequest,
        board_id: PathId,
        approval_id: PathId,
        data: JSONBody[ApprovalUpdate],
        db_session: Session,
    ) -> ApprovalRead:
        board = await open_board(db_session, request.user, board_id, write=True)
        status = data.status if isinstance(data.status, str) else None
        return read_approval(await Approvals(db_session, request.user, board).resolve(approval_id, status))


def read_approval(view: ApprovalView) -> ApprovalRead:
    return to_shape(
        ApprovalRead,
        view.approval,
        task_id=view.tasks[0].id if view.tasks else None,
        task_ids=[task.id for task in view.tasks],
        task_titles=[task.title for task in view.tasks],
    )

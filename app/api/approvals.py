"""The controller of approvals: /boards/{board_id}/approvals."""

from litestar import Controller, Response, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody

from app.api.http.conversion import to_shape
from app.api.http.handler_parameters import CallerRequest, PageWindow, PathId, provide_service
from app.api.http.pagination import page_response
from app.api.openapi.errors import problems
from app.schemas.approvals import ApprovalCreate, ApprovalRead, ApprovalStatus, ApprovalUpdate
from app.schemas.pagination import Page
from app.services.approvals import ApprovalService, ApprovalView

Approvals = NamedDependency[ApprovalService]


class ApprovalController(Controller):
    path = "/boards/{board_id:uuid}/approvals"
    tags = ("approvals",)
    dependencies = provide_service(ApprovalService)

    @get(operation_id="list_approvals", summary="List the approvals of a board", responses=problems(404))
    async def list_all(
        self,
        request: CallerRequest,
        board_id: PathId,
        window: PageWindow,
        service: Approvals,
        status: FromQuery[ApprovalStatus | None] = None,
    ) -> Response[Page[ApprovalRead]]:
        return page_response(request, window, await service.page(board_id, status, window), read_approval)

    @post(operation_id="create_approval", summary="Ask for an approval", responses=problems(403, 404, 409))
    async def create(
        self, board_id: PathId, data: JSONBody[ApprovalCreate], service: Approvals
    ) -> Response[ApprovalRead]:
        view = await service.create(board_id, data.sent())
        location = f"/api/v1/boards/{board_id}/approvals/{view.approval.id}"
        return Response(read_approval(view), headers={"Location": location}, status_code=201)

    @get("/{approval_id:uuid}", operation_id="get_approval", summary="Read an approval", responses=problems(404))
    async def read(self, board_id: PathId, approval_id: PathId, service: Approvals) -> ApprovalRead:
        return read_approval(await service.get(board_id, approval_id))

    @patch(
        "/{approval_id:uuid}",
        operation_id="resolve_approval",
        summary="Approve or reject an approval, once",
        responses=problems(403, 404, 409),
    )
    async def resolve(
        self, board_id: PathId, approval_id: PathId, data: JSONBody[ApprovalUpdate], service: Approvals
    ) -> ApprovalRead:
        status = data.status if isinstance(data.status, str) else None
        return read_approval(await service.resolve(board_id, approval_id, status))


def read_approval(view: ApprovalView) -> ApprovalRead:
    return to_shape(
        ApprovalRead,
        view.approval,
        task_id=view.tasks[0].id if view.tasks else None,
        task_ids=[task.id for task in view.tasks],
        task_titles=[task.title for task in view.tasks],
    )

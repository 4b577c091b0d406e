"""/boards/{board_id}/tasks"""

from typing import Annotated, Any
from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post
from litestar.params import FromQuery, JSONBody, Parameter
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.http.conversion import to_shape
from app.api.http.pagination import page_response
from app.api.http.parameters import CallerRequest, PageWindow, PathId, Search, Session
from app.api.openapi.errors import problems
from app.core.errors import BadRequestError, FieldProblem
from app.models import TaskComment, TaskStatus
from app.repositories.tasks import TaskCommentRepository, TaskFilter, TaskRepository
from app.schemas.pages import Page
from app.schemas.tags import TagRef
from app.schemas.tasks import TaskCommentCreate, TaskCommentRead, TaskCreate, TaskRead, TaskUpdate
from app.services.boards import open_board
from app.services.tasks import Tasks, TaskView

_ONE_STATUS = f"({'|'.join(TaskStatus)})"
Statuses = Annotated[
    str | None,
    Parameter(
        description="One status, or several with commas between.",
        schema_extra={"pattern": f"^({_ONE_STATUS}(,{_ONE_STATUS})*)?$"},
    ),
]


class TaskController(Controller):
    path = "/boards/{board_id:uuid}/tasks"
    tags = ("tasks",)

    @get(operation_id="list_tasks", summary="List the tasks of a board", responses=problems(404))
    async def list_all(
        self,
        request: CallerRequest,
        board_id: PathId,
        window: PageWindow,
        db_session: Session,
        status: Statuses = None,
        assigned_agent_id: FromQuery[UUID | None] = None,
        unassigned: FromQuery[bool | None] = None,
        search: Search = None,
    ) -> Response[Page[TaskRead]]:
        board = await open_board(db_session, request.user, board_id)
        wanted = TaskFilter(_statuses(status), assigned_agent_id, unassigned, search)
        found = await TaskRepository(session=db_session).page(board.id, wanted, window)
        views = await Tasks(db_session, request.user, board).views(found.rows)
        return page_response(request, window, found._replace(rows=views), read_task)

    @post(operation_id="create_task", summary="Create a task", responses=problems(403, 404, 409))
    async def create(
        self,
        request: CallerRequest,
        board_id: PathId,
        data: JSONBody[TaskCreate],
        db_session: Session,
    ) -> Response[TaskRead]:
        tasks = await _writable(db_session, request, board_id)
        view = await tasks.create(data.sent())
        location = f"/api/v1/boards/{board_id}/tasks/{view.task.id}"
        return Response(read_task(view), headers={"Location": location}, status_code=201)

    @get("/{task_id:uuid}", operation_id="get_task", summary="Read a task", responses=problems(404))
    async def read(self, request: CallerRequest, board_id: PathId, task_id: PathId, db_session: Session) -> TaskRead:
        board = await open_board(db_session, request.user, board_id)
        return read_task(await Tasks(db_session, request.user, board).view(task_id))

    @patch("/{task_id:uuid}", operation_id="update_task", summary="Change it", responses=problems(403, 404, 409))
    async def update(
        self,
        request: CallerRequest,
        board_id: PathId,
        task_id: PathId,
        data: JSONBody[TaskUpdate],
        db_session: Session,
    ) -> TaskRead:
        tasks = await _writable(db_session, request, board_id)
        return read_task(await tasks.update(task_id, data.sent()))

    @delete("/{task_id:uuid}", operation_id="delete_task", summary="Delete a task", responses=problems(403, 404))
    async def remove(self, request: CallerRequest, board_id: PathId, task_id: PathId, db_session: Session) -> None:
        await (await _writable(db_session, request, board_id)).delete(task_id)

    @get("/{task_id:uuid}/comments", operation_id="list_comments", summary="List comments", responses=problems(404))
    async def list_comments(
        self,
        request: CallerRequest,
        board_id: PathId,
        task_id: PathId,
        window: PageWindow,
        db_session: Session,
    ) -> Response[Page[TaskCommentRead]]:
        """Oldest first."""
        board = await open_board(db_session, request.user, board_id)
        task = await Tasks(db_session, request.user, board).look(task_id)
        found = await TaskCommentRepository(session=db_session).page(task.id, window)
        return page_response(request, window, found, read_comment)

    @post("/{task_id:uuid}/comments", operation_id="create_comment", summary="Comment", responses=problems(403, 404))
    async def create_comment(
        self,
        request: CallerRequest,
        board_id: PathId,
        task_id: PathId,
        data: JSONBody[TaskCommentCreate],
        db_session: Session,
    ) -> Response[TaskCommentRead]:
        """`@name`, the first word of a name or `@lead` tell an agent of the board, in the stream of agents."""
        comment = await (await _writable(db_session, request, board_id)).comment(task_id, data.message)
        location = f"/api/v1/boards/{board_id}/tasks/{task_id}/comments"
        return Response(read_comment(comment), headers={"Location": location}, status_code=201)


async def _writable(session: AsyncSession, request: CallerRequest, board_id: UUID) -> Tasks:
    return Tasks(session, request.user, await open_board(session, request.user, board_id, write=True))


def _statuses(text: str | None) -> frozenset[str]:
    wanted = frozenset(part.strip() for part in text.split(",")) if text else frozenset()
    if not wanted <= set(TaskStatus):
        allowed = ", ".join(TaskStatus)
        raise BadRequestError(errors=(FieldProblem("status", f"It may hold, with commas between: {allowed}."),))
    return wanted


def read_task(view: TaskView) -> TaskRead:
    details = view.details
    related: dict[str, Any] = {
        "custom_field_values": view.custom_field_values,
        "depends_on_task_ids": details.depends_on,
        "blocked_by_task_ids": details.blocked_by,
        "is_blocked": bool(details.blocked_by),
        "tag_ids": [tag.id for tag in details.tags],
        "tags": [to_shape(TagRef, tag) for tag in details.tags],
    }
    return to_shape(TaskRead, view.task, **related)


def read_comment(comment: TaskComment) -> TaskCommentRead:
    return to_shape(TaskCommentRead, comment, agent_id=comment.author_agent_id)

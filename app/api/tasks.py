"""The controller of tasks and their comments: /boards/{board_id}/tasks."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody, Parameter

from app.api.http.conversion import to_shape
from app.api.http.handler_parameters import CallerRequest, PageWindow, PathId, Search, provide_service
from app.api.http.pagination import page_response
from app.api.openapi.errors import problems, task_conflict
from app.core.errors import BadRequestError, FieldProblem
from app.models import TaskComment, TaskStatus
from app.schemas.pagination import Page
from app.schemas.tags import TagRef
from app.schemas.tasks import TaskCommentCreate, TaskCommentRead, TaskCreate, TaskRead, TaskUpdate
from app.services.tasks import TagOfTask, TaskFilter, TaskService, TaskView

Tasks = NamedDependency[TaskService]
_ONE_STATUS = f"({'|'.join(TaskStatus)})"
Statuses = Annotated[
    str | None,
    Parameter(
        description="One status, or several separated by commas.",
        schema_extra={"pattern": f"^({_ONE_STATUS}(,{_ONE_STATUS})*)?$"},
    ),
]


class TaskController(Controller):
    path = "/boards/{board_id:uuid}/tasks"
    tags = ("tasks",)
    dependencies = provide_service(TaskService)

    @get(operation_id="list_tasks", summary="List the tasks of a board", responses=problems(404))
    async def list_all(
        self,
        request: CallerRequest,
        board_id: PathId,
        window: PageWindow,
        service: Tasks,
        status: Statuses = None,
        assigned_agent_id: FromQuery[UUID | None] = None,
        unassigned: FromQuery[bool | None] = None,
        search: Search = None,
    ) -> Response[Page[TaskRead]]:
        wanted = TaskFilter(_statuses(status), assigned_agent_id, unassigned, search)
        return page_response(request, window, await service.page(board_id, wanted, window), read_task)

    @post(operation_id="create_task", summary="Create a task", responses={**problems(403, 404), **task_conflict()})
    async def create(self, board_id: PathId, data: JSONBody[TaskCreate], service: Tasks) -> Response[TaskRead]:
        view = await service.create(board_id, data.sent())
        location = f"/api/v1/boards/{board_id}/tasks/{view.task.id}"
        return Response(read_task(view), headers={"Location": location}, status_code=201)

    @get("/{task_id:uuid}", operation_id="get_task", summary="Read a task", responses=problems(404))
    async def read(self, board_id: PathId, task_id: PathId, service: Tasks) -> TaskRead:
        return read_task(await service.get(board_id, task_id))

    @patch(
        "/{task_id:uuid}",
        operation_id="update_task",
        summary="Change a task",
        responses={**problems(403, 404), **task_conflict()},
    )
    async def update(self, board_id: PathId, task_id: PathId, data: JSONBody[TaskUpdate], service: Tasks) -> TaskRead:
        return read_task(await service.update(board_id, task_id, data.sent()))

    @delete("/{task_id:uuid}", operation_id="delete_task", summary="Delete a task", responses=problems(403, 404))
    async def remove(self, board_id: PathId, task_id: PathId, service: Tasks) -> None:
        await service.delete(board_id, task_id)

    @get(
        "/{task_id:uuid}/comments",
        operation_id="list_comments",
        summary="List the comments on a task",
        responses=problems(404),
    )
    async def list_comments(
        self, request: CallerRequest, board_id: PathId, task_id: PathId, window: PageWindow, service: Tasks
    ) -> Response[Page[TaskCommentRead]]:
        """List the comments, oldest first."""
        return page_response(request, window, await service.page_comments(board_id, task_id, window), read_comment)

    @post(
        "/{task_id:uuid}/comments",
        operation_id="create_comment",
        summary="Comment on a task",
        responses=problems(403, 404),
    )
    async def create_comment(
        self, board_id: PathId, task_id: PathId, data: JSONBody[TaskCommentCreate], service: Tasks
    ) -> Response[TaskCommentRead]:
        """Add a comment. `@lead`, or `@` with an agent's name or its first word, notifies them in their stream."""
        comment = await service.add_comment(board_id, task_id, data.message)
        location = f"/api/v1/boards/{board_id}/tasks/{task_id}/comments"
        return Response(read_comment(comment), headers={"Location": location}, status_code=201)


def _statuses(text: str | None) -> frozenset[str]:
    wanted = frozenset(part.strip() for part in text.split(",")) if text else frozenset()
    if not wanted <= set(TaskStatus):
        allowed = ", ".join(TaskStatus)
        raise BadRequestError(errors=(FieldProblem("status", f"It may hold, with commas between: {allowed}."),))
    return wanted


def read_task(view: TaskView) -> TaskRead:
    """Return the shape. Field by field it takes a quarter of what `to_shape` does, and a list has many."""
    task, details = view.task, view.details
    return TaskRead(
        id=task.id,
        board_id=task.board_id,
        created_by_user_id=task.created_by_user_id,
        title=task.title,
        description=task.description,
        status=task.status,  # type: ignore[arg-type] # a constraint of the table holds it to these
        priority=task.priority,  # type: ignore[arg-type] # as the status
        due_at=task.due_at,
        in_progress_at=task.in_progress_at,
        assigned_agent_id=task.assigned_agent_id,
        depends_on_task_ids=details.depends_on,
        blocked_by_task_ids=details.blocked_by,
        is_blocked=bool(details.blocked_by),
        tag_ids=[tag.id for tag in details.tags],
        tags=[read_tag(tag) for tag in details.tags],
        custom_field_values=view.custom_field_values,
        created_at=task.created_at,
        updated_at=task.updated_at,
    )


def read_tag(tag: TagOfTask) -> TagRef:
    return TagRef(id=tag.id, name=tag.name, slug=tag.slug, color=tag.color)


def read_comment(comment: TaskComment) -> TaskCommentRead:
    return to_shape(TaskCommentRead, comment, agent_id=comment.author_agent_id)

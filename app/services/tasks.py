"""Tasks, with what they wait for, their tags, values and comments."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from app.core.errors import ConflictError
from app.core.pagination import Slice, Window
from app.models import Board, Task, TaskComment, TaskStatus
from app.repositories.activity import COMMENTED, status_change
from app.repositories.agents import AgentRepository
from app.repositories.boards import BoardRepository
from app.repositories.tags import TagRepository
from app.repositories.task_details import TagOfTask, TaskDetails, TaskView
from app.repositories.tasks import TaskCommentRepository, TaskFilter, TaskRepository
from app.services.base import Service
from app.services.boards import BoardService, UnknownReferenceError
from app.services.custom_field_values import CustomFieldValueService
from app.services.mentions import mentioned
from app.services.task_status_rules import require_status_allowed

__all__ = ("TagOfTask", "TaskFilter", "TaskService", "TaskView")

# Fields of a change that are in other tables, and shown with the task.
_RELATED = frozenset({"depends_on_task_ids", "tag_ids", "custom_field_values"})
# Fields of a change that reads what it depends on, and that is therefore made under the board's lock.
_ONE_AT_A_TIME = _RELATED | {"status"}
# Fields of a change that are not columns of the task.
_ELSEWHERE = _RELATED | {"comment", "created_by_user_id"}


class DependencyCycleError(ConflictError):
    code = "dependency_cycle"
    default_detail = "The tasks would wait for each other in a circle."


class TaskService(Service):
    """The tasks of boards; their dependencies, tags and statuses change one at a time.

    Methods that take a board's id raise as `BoardService.get` or `get_writable`, and NotFoundError for a task.
    """

    async def page(self, board_id: UUID, wanted: TaskFilter, window: Window) -> Slice:
        """Return the board's tasks as TaskViews, newest first."""
        board = await self._boards.get(board_id)
        found = await self._tasks.page(board.id, wanted, window)
        return found._replace(rows=await self.views(board.id, found.rows))

    async def get(self, board_id: UUID, task_id: UUID) -> TaskView:
        board = await self._boards.get(board_id)
        return await self._tasks.get_view(board.id, task_id)

    async def views(self, board_id: UUID, tasks: Sequence[Task]) -> list[TaskView]:
        """Return the tasks with their details and custom fields, in three statements however many they are."""
        if not tasks:
            return []
        ids = [task.id for task in tasks]
        details, values = await self._tasks.details(ids), await self._values.values_of_tasks(board_id, ids)
        return [TaskView(task, details[task.id], values[task.id]) for task in tasks]

    async def get_by_ids(self, board_id: UUID, ids: Sequence[UUID | None]) -> dict[UUID | None, TaskView]:
        """Return those of these tasks of the board that are there, without regard to who may read it."""
        tasks = await self._tasks.get_by_ids(ids)
        return {view.task.id: view for view in await self.views(board_id, [*tasks.values()])}

    async def create(self, board_id: UUID, fields: dict[str, Any]) -> TaskView:
        """Create a task. Raises UnknownReferenceError, BadRequestError and, for its status, the errors of `update`."""
        board = await self._boards.get_writable(board_id)
        await self._boards.require_agent(board, "assigned_agent_id", fields.get("assigned_agent_id"))
        depends_on, tag_ids = _unique(fields["depends_on_task_ids"]), _unique(fields["tag_ids"])
        status = fields["status"]
        if status != TaskStatus.INBOX:
            board = await BoardRepository(session=self._session).lock_row(board.id)
        tasks, now = self._tasks, datetime.now(UTC)
        task = await tasks.add_row(
            **_columns(fields) | {"status": TaskStatus.INBOX},
            organization_id=board.organization_id,
            board_id=board.id,
            created_by_user_id=self._caller.user_id,
            created_at=now,
            updated_at=now,
        )
        await self._record(board, "created", task, task.title)
        await self._check_references(board, depends_on, tag_ids)
        await tasks.add_dependencies(board, task.id, depends_on)
        await tasks.add_tags(board, task.id, tag_ids)
        values = await self._values.fill(board.id, task.id, fields["custom_field_values"])
        is_alone = not (depends_on or tag_ids)
        view = TaskView(task, TaskDetails(), values) if is_alone else await tasks.get_view(board.id, task.id)
        if status != TaskStatus.INBOX:
            task = await tasks.update_row(task.id, **await self._entering(board, view, status))
            # Every task begins in the inbox: the numbers of the past are counted back by these.
            await self._record(board, "status_changed", task, status_change(TaskStatus.INBOX, status))
        return view._replace(task=task)

    async def update(self, board_id: UUID, task_id: UUID, changes: dict[str, Any]) -> TaskView:
        """Change a task.

        Raises UnknownReferenceError, DependencyCycleError, TaskBlockedError, BadRequestError and the errors of the
        board's rules.
        """
        board = await self._boards.get_writable(board_id)
        await self._boards.require_agent(board, "assigned_agent_id", changes.get("assigned_agent_id"))
        if _ONE_AT_A_TIME & changes.keys():
            board = await BoardRepository(session=self._session).lock_row(board.id)
        # A change that another request is about to store counts as before this one.
        view = await self._tasks.lock_view(board.id, task_id)
        task = before = view.task
        if _RELATED & changes.keys():
            await self._change_related(board, task, changes)
            view = await self._tasks.get_view(board.id, task_id)
        if comment := changes.get("comment"):
            await self._add_comment(board, task, comment)
        values = {name: value for name, value in _columns(changes).items() if value != getattr(before, name)}
        if "status" in values:
            values |= await self._entering(board, view, values["status"])
        if values or changes.get("custom_field_values"):
            task = await self._tasks.update_row(task.id, **values)
        if "status" in values:
            await self._record(board, "status_changed", task, status_change(before.status, task.status))
        if others := sorted(changes.keys() - {"status", "comment"}):
            await self._record(board, "updated", task, ", ".join(others))
        return view._replace(task=task)

    async def delete(self, board_id: UUID, task_id: UUID) -> None:
        """Delete a task with all that belongs to it."""
        board = await self._boards.get_writable(board_id)
        task = await self._tasks.get_row(board.id, task_id)
        await self._tasks.delete(task.id)
        await self._record(board, "deleted", task, task.title)

    async def page_comments(self, board_id: UUID, task_id: UUID, window: Window) -> Slice:
        """Return the comments of a task, oldest first."""
        board = await self._boards.get(board_id)
        task = await self._tasks.get_row(board.id, task_id)
        return await TaskCommentRepository(session=self._session).page(task.id, window)

    async def get_comments_by_ids(self, ids: Sequence[UUID | None]) -> dict[UUID | None, TaskComment]:
        """Return those of these comments that are there, without regard to who may read them."""
        return await TaskCommentRepository(session=self._session).get_by_ids(ids)

    async def add_comment(self, board_id: UUID, task_id: UUID, message: str) -> TaskComment:
        """Add a comment to a task, and tell the agents that it speaks to."""
        board = await self._boards.get_writable(board_id)
        task = await self._tasks.lock_row_against_deletion(board.id, task_id)
        return await self._add_comment(board, task, message)

    @cached_property
    def _boards(self) -> BoardService:
        return BoardService(self._session, self._caller)

    @cached_property
    def _tasks(self) -> TaskRepository:
        return TaskRepository(session=self._session)

    @cached_property
    def _values(self) -> CustomFieldValueService:
        return CustomFieldValueService(self._session)

    async def _add_comment(self, board: Board, task: Task, message: str) -> TaskComment:
        comment = TaskComment(
            organization_id=board.organization_id,
            task_id=task.id,
            author_user_id=self._caller.user_id,
            author_agent_id=self._caller.agent_id,
            message=message,
        )
        await TaskCommentRepository(session=self._session).add(comment)
        log = self._activity_of(board.organization_id)
        await log.record(COMMENTED, message, board_id=board.id, task_id=task.id, subject_id=comment.id)
        await self._tell_mentioned(board, task, message)
        return comment

    async def _tell_mentioned(self, board: Board, task: Task, message: str) -> None:
        """Send the comment to each agent of the board that it speaks to, by its streams, as a nudge is sent."""
        agents = await AgentRepository(session=self._session).list_of_board(board.id) if "@" in message else ()
        log = self._activity_of(board.organization_id)
        for agent in mentioned(message, agents):
            if agent.id != self._caller.agent_id:
                await log.record("agent.mentioned", message, board_id=board.id, task_id=task.id, subject_id=agent.id)

    async def _record(self, board: Board, verb: str, task: Task, message: str) -> None:
        log = self._activity_of(board.organization_id)
        await log.record(f"task.{verb}", message, board_id=board.id, task_id=task.id)

    async def _change_related(self, board: Board, task: Task, changes: dict[str, Any]) -> None:
        depends_on, tag_ids = _unique(changes.get("depends_on_task_ids")), _unique(changes.get("tag_ids"))
        await self._check_references(board, depends_on, tag_ids)
        if "depends_on_task_ids" in changes:
            if depends_on and await self._tasks.any_waits_for(depends_on, task.id):
                raise DependencyCycleError
            await self._tasks.replace_dependencies(board, task.id, depends_on)
        if "tag_ids" in changes:
            await self._tasks.replace_tags(board, task.id, tag_ids)
        if values := changes.get("custom_field_values"):
            await self._values.change(board.id, task.id, values)

    async def _check_references(self, board: Board, depends_on: Collection[UUID], tag_ids: Collection[UUID]) -> None:
        if depends_on and await self._tasks.existing_ids(board.id, depends_on) != set(depends_on):
            raise UnknownReferenceError("depends_on_task_ids", "task on this board")
        if not tag_ids:
            return
        known = await TagRepository(session=self._session).existing_ids(board.organization_id, tag_ids)
        if known != set(tag_ids):
            raise UnknownReferenceError("tag_ids", "tag")

    async def _entering(self, board: Board, view: TaskView, status: str) -> dict[str, Any]:
        """Return the columns of a task that enters this status, if its dependencies and the board's rules let it."""
        await require_status_allowed(self._session, self._caller, board, view, status)
        return {"status": status} | ({"in_progress_at": datetime.now(UTC)} if status == TaskStatus.IN_PROGRESS else {})


def _columns(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in _ELSEWHERE}


def _unique(ids: Sequence[UUID] | None) -> list[UUID]:
    return list(dict.fromkeys(ids or ()))

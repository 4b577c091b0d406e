"""The rules of tasks: what a change of status needs, what may wait for what."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ConflictError, NotFoundError
from app.models import ApprovalStatus, Board, Task, TaskComment, TaskStatus
from app.repositories.activity import COMMENTED, status_change
from app.repositories.agents import AgentRepository
from app.repositories.approvals import ApprovalRepository
from app.repositories.boards import BoardRepository
from app.repositories.tags import TagRepository
from app.repositories.tasks import TaskCommentRepository, TaskDetails, TaskRepository
from app.services.activity import ActivityLog
from app.services.boards import UnknownReferenceError
from app.services.custom_values import CustomValues
from app.services.identity import Caller, LeadOnlyError
from app.services.mentions import mentioned

_NEEDS_UNBLOCKED = frozenset({TaskStatus.IN_PROGRESS, TaskStatus.REVIEW, TaskStatus.DONE})
# Fields of a change that reads what it depends on, and that is therefore made under the board's lock.
_ONE_AT_A_TIME = frozenset({"status", "depends_on_task_ids", "tag_ids", "custom_field_values"})
# Fields of a change that are not columns of the task.
_ELSEWHERE = frozenset({"depends_on_task_ids", "tag_ids", "comment", "custom_field_values", "created_by_user_id"})


class DependencyCycleError(ConflictError):
    code = "dependency_cycle"
    default_detail = "The tasks would wait for each other in a circle."


class TaskBlockedError(ConflictError):
    code = "task_blocked"

    def __init__(self, blocked_by: Sequence[UUID]) -> None:
        super().__init__(
            "The task waits for tasks that are not done.",
            extra={"blocked_by_task_ids": [str(id_) for id_ in blocked_by]},
        )


class ReviewRequiredError(ConflictError):
    code = "review_required"
    default_detail = "On this board a task is done only after it was in review."


class CommentRequiredError(ConflictError):
    code = "comment_required"
    default_detail = "On this board a task needs a comment to go to review."


class ApprovalRequiredError(ConflictError):
    code = "approval_required"
    default_detail = "On this board a task is done only with an approved approval that names it."


class PendingApprovalError(ConflictError):
    code = "pending_approval"
    default_detail = "On this board the status of a task stays while a pending approval names it."


class TaskView(NamedTuple):
    """A task with what belongs to it."""

    task: Task
    details: TaskDetails
    custom_field_values: dict[str, Any]


class Tasks:
    """The tasks of a board that the caller has opened; their dependencies, tags and statuses change one at a time."""

    def __init__(self, session: AsyncSession, caller: Caller, board: Board) -> None:
        self._board = board
        self._caller = caller
        self._activity = ActivityLog(session, caller, board.organization_id)
        self._agents = AgentRepository(session=session)
        self._boards = BoardRepository(session=session)
        self._tasks = TaskRepository(session=session)
        self._tags = TagRepository(session=session)
        self._comments = TaskCommentRepository(session=session)
        self._custom_values = CustomValues(session, board.id)

    async def view(self, task_id: UUID) -> TaskView:
        (view,) = await self.views([await self.look(task_id)])
        return view

    async def views(self, tasks: Sequence[Task]) -> list[TaskView]:
        """With their dependencies, tags and custom fields, in three statements however many they are."""
        if not tasks:
            return []
        ids = [task.id for task in tasks]
        details, values = await self._tasks.details(ids), await self._custom_values.of(ids)
        return [TaskView(task, details[task.id], values[task.id]) for task in tasks]

    async def look(self, task_id: UUID) -> Task:
        """A row of it. Raises NotFoundError."""
        task = await self._tasks.look(self._board.id, task_id)
        if task is None:
            raise NotFoundError
        return task

    async def find(self, task_id: UUID) -> Task:
        """To change it. Raises NotFoundError."""
        task = await self._tasks.find(self._board.id, task_id)
        if task is None:
            raise NotFoundError
        return task

    async def create(self, fields: dict[str, Any]) -> TaskView:
        """Raises UnknownReferenceError, BadRequestError and, where its status asks for it, the errors of `update`."""
        await self._check_assignee(fields)
        depends_on, tag_ids = _unique(fields["depends_on_task_ids"]), _unique(fields["tag_ids"])
        status = fields["status"]
        if status != TaskStatus.INBOX:
            self._board = await self._boards.lock(self._board.id)
        now = datetime.now(UTC)
        task = await self._tasks.store(
            **_columns(fields) | {"status": TaskStatus.INBOX},
            organization_id=self._board.organization_id,
            board_id=self._board.id,
            created_by_user_id=self._caller.user_id,
            created_at=now,
            updated_at=now,
        )
        await self._note("created", task, task.title)
        await self._check_references(depends_on, tag_ids)
        await self._tasks.add_dependencies(self._board, task.id, depends_on)
        await self._tasks.add_tags(self._board, task.id, tag_ids)
        values = await self._custom_values.fill(task.id, fields["custom_field_values"])
        if status != TaskStatus.INBOX:
            task = await self.find(task.id)
            await self._enter(task, status)
            # Every task begins in the inbox: the numbers of the past are counted back by these.
            await self._note("status_changed", task, status_change(TaskStatus.INBOX, status))
        details = (await self._tasks.details([task.id]))[task.id] if depends_on or tag_ids else TaskDetails()
        return TaskView(task, details, values)

    async def update(self, task_id: UUID, changes: dict[str, Any]) -> TaskView:
        """Raises DependencyCycleError, TaskBlockedError, BadRequestError and the errors of the board's rules."""
        await self._check_assignee(changes)
        if _ONE_AT_A_TIME & changes.keys():
            self._board = await self._boards.lock(self._board.id)
        task = await self.find(task_id)
        await self._change_references(task, changes)
        if comment := changes.get("comment"):
            await self._comment(task, comment)
        for name, value in _columns(changes).items():
            if name != "status":
                setattr(task, name, value)
        before = task.status
        if "status" in changes and changes["status"] != before:
            await self._enter(task, changes["status"])
            await self._note("status_changed", task, status_change(before, task.status))
        await self._tasks.session.flush()
        if others := sorted(changes.keys() - {"status", "comment"}):
            await self._note("updated", task, ", ".join(others))
        (view,) = await self.views([task])
        return view

    async def delete(self, task_id: UUID) -> None:
        task = await self.find(task_id)
        await self._tasks.remove(task.id)
        await self._note("deleted", task, task.title)

    async def comment(self, task_id: UUID, message: str) -> TaskComment:
        """Raises NotFoundError."""
        return await self._comment(await self.find(task_id), message)

    async def _comment(self, task: Task, message: str) -> TaskComment:
        comment = TaskComment(
            organization_id=self._board.organization_id,
            task_id=task.id,
            author_user_id=self._caller.user_id,
            author_agent_id=self._caller.agent_id,
            message=message,
        )
        await self._comments.add(comment, auto_refresh=False)
        await self._activity.record(COMMENTED, message, board_id=self._board.id, task_id=task.id, subject_id=comment.id)
        await self._tell_mentioned(task, message)
        return comment

    async def _tell_mentioned(self, task: Task, message: str) -> None:
        """Each agent of the board that the comment speaks to has it in its streams, as it has a nudge."""
        agents = await self._agents.of_board(self._board.id) if "@" in message else ()
        for agent in mentioned(message, agents):
            if agent.id != self._caller.agent_id:
                await self._activity.record(
                    "agent.mentioned", message, board_id=self._board.id, task_id=task.id, subject_id=agent.id
                )

    async def _note(self, verb: str, task: Task, message: str) -> None:
        await self._activity.record(f"task.{verb}", message, board_id=self._board.id, task_id=task.id)

    async def _check_assignee(self, fields: dict[str, Any]) -> None:
        agent_id = fields.get("assigned_agent_id")
        if agent_id is not None and not await self._agents.is_on_board(agent_id, self._board.id):
            raise UnknownReferenceError("assigned_agent_id", "agent on this board")

    async def _change_references(self, task: Task, changes: dict[str, Any]) -> None:
        depends_on, tag_ids = _unique(changes.get("depends_on_task_ids")), _unique(changes.get("tag_ids"))
        await self._check_references(depends_on, tag_ids)
        if "depends_on_task_ids" in changes:
            if depends_on and await self._tasks.leads_to(depends_on, task.id):
                raise DependencyCycleError
            await self._tasks.replace_dependencies(self._board, task.id, depends_on)
        if "tag_ids" in changes:
            await self._tasks.replace_tags(self._board, task.id, tag_ids)
        if values := changes.get("custom_field_values"):
            await self._custom_values.change(task.id, values)
            task.updated_at = datetime.now(UTC)

    async def _check_references(self, depends_on: Collection[UUID], tag_ids: Collection[UUID]) -> None:
        if depends_on and await self._tasks.known(self._board.id, depends_on) != set(depends_on):
            raise UnknownReferenceError("depends_on_task_ids", "task on this board")
        if tag_ids and await self._tags.known(self._board.organization_id, list(tag_ids)) != set(tag_ids):
            raise UnknownReferenceError("tag_ids", "tag")

    async def _enter(self, task: Task, status: str) -> None:
        """Moves the task to this status, if its dependencies and the board's rules let it."""
        agent = self._caller.agent
        if agent and self._board.only_lead_can_change_status and not agent.is_board_lead:
            raise LeadOnlyError
        approvals = await self._statuses_of_approvals(task, status)
        if self._board.block_status_changes_with_pending_approval and ApprovalStatus.PENDING in approvals:
            raise PendingApprovalError
        if status in _NEEDS_UNBLOCKED:
            blocked_by = (await self._tasks.details([task.id]))[task.id].blocked_by
            if blocked_by:
                raise TaskBlockedError(blocked_by)
        needs_comment = status == TaskStatus.REVIEW and self._board.comment_required_for_review
        if needs_comment and not await self._comments.has_any(task.id):
            raise CommentRequiredError
        if status == TaskStatus.DONE:
            if self._board.require_review_before_done and task.status != TaskStatus.REVIEW:
                raise ReviewRequiredError
            if self._board.require_approval_for_done and ApprovalStatus.APPROVED not in approvals:
                raise ApprovalRequiredError
        if status == TaskStatus.IN_PROGRESS:
            task.in_progress_at = datetime.now(UTC)
        task.status = status

    async def _statuses_of_approvals(self, task: Task, status: str) -> set[str]:
        """Of those that name the task, where a rule of the board asks for them before it gets this status."""
        needed = status == TaskStatus.DONE and self._board.require_approval_for_done
        if not (needed or self._board.block_status_changes_with_pending_approval):
            return set()
        return await ApprovalRepository(session=self._tasks.session).statuses_naming(task.id)


def _columns(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in _ELSEWHERE}


def _unique(ids: Sequence[UUID] | None) -> list[UUID]:
    return list(dict.fromkeys(ids or ()))

"""The conditions for a task's next status: its dependencies, and the rules of its board."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ConflictError
from app.models import ApprovalStatus, Board, Task, TaskStatus
from app.repositories.approvals import ApprovalRepository
from app.repositories.task_details import TaskView
from app.repositories.tasks import TaskCommentRepository
from app.services.callers import Caller, LeadOnlyError

_NEEDS_UNBLOCKED = frozenset({TaskStatus.IN_PROGRESS, TaskStatus.REVIEW, TaskStatus.DONE})


class TaskBlockedError(ConflictError):
    code = "task_blocked"

    default_detail = "The task waits for tasks that are not done."

    def __init__(self, blocked_by: Sequence[UUID]) -> None:
        ids = {"blocked_by_task_ids": [str(id_) for id_ in blocked_by]}
        # Clients of the documented backend look for the code within `detail`; RFC 9457 has others ignore an object.
        detail = {"message": self.default_detail, "code": "task_blocked_cannot_transition", **ids}
        super().__init__(extra={**ids, "detail": detail})


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


async def require_status_allowed(
    session: AsyncSession, caller: Caller, board: Board, view: TaskView, status: str
) -> None:
    """Raise LeadOnlyError, TaskBlockedError or the error of the board's rule that keeps the task from this status.

    The board is locked, and read under the lock; so is the task with its details.
    """
    task = view.task
    if caller.agent and board.only_lead_can_change_status and not caller.agent.is_board_lead:
        raise LeadOnlyError
    approvals = await _approval_statuses(session, board, task, status)
    if board.block_status_changes_with_pending_approval and ApprovalStatus.PENDING in approvals:
        raise PendingApprovalError
    if status in _NEEDS_UNBLOCKED and view.details.blocked_by:
        raise TaskBlockedError(view.details.blocked_by)
    needs_comment = status == TaskStatus.REVIEW and board.comment_required_for_review
    if needs_comment and not await TaskCommentRepository(session=session).has_any(task.id):
        raise CommentRequiredError
    if status == TaskStatus.DONE:
        if board.require_review_before_done and task.status != TaskStatus.REVIEW:
            raise ReviewRequiredError
        if board.require_approval_for_done and ApprovalStatus.APPROVED not in approvals:
            raise ApprovalRequiredError


async def _approval_statuses(session: AsyncSession, board: Board, task: Task, status: str) -> set[str]:
    """Return the statuses of the approvals that name the task, where a rule of the board asks for them."""
    is_needed = status == TaskStatus.DONE and board.require_approval_for_done
    if not (is_needed or board.block_status_changes_with_pending_approval):
        return set()
    return await ApprovalRepository(session=session).statuses_naming(task.id)

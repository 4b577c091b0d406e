"""Approvals, and the tasks that they name."""

from collections import defaultdict
from collections.abc import Sequence
from typing import ClassVar, NamedTuple
from uuid import UUID

from sqlalchemy import func, insert, select, update

from app.core.errors import ConflictError
from app.core.pagination import Slice, Window
from app.models import Approval, ApprovalStatus, ApprovalTask, Task
from app.repositories.base import ConstraintErrors, Repository
from app.repositories.constraints import translating
from app.repositories.keyset import read_slice
from app.repositories.sorting import Ordering

_ORDER = Ordering("approvals", Approval, sortable=("resolved_at", "confidence"))


class PendingApprovalExistsError(ConflictError):
    code = "pending_approval_exists"
    default_detail = "One of the tasks is named by a pending approval already."


class NamedTask(NamedTuple):
    id: UUID
    title: str


class ApprovalCount(NamedTuple):
    """The number of approvals that name a task, and of those that are pending."""

    total: int = 0
    pending: int = 0


class ApprovalRepository(Repository[Approval]):
    model_type = Approval
    constraint_errors: ClassVar[ConstraintErrors] = {"uq_approval_tasks_task_id_pending": PendingApprovalExistsError}

    async def page(self, board_id: UUID, status: str | None, window: Window) -> Slice:
        """Return the approvals of the board, newest first."""
        statement = select(Approval).where(Approval.board_id == board_id)
        if status is not None:
            statement = statement.where(Approval.status == status)
        return await read_slice(self.session, statement, _ORDER, window)

    async def count_pending(self, board_id: UUID) -> int:
        return await self.count(board_id=board_id, status=ApprovalStatus.PENDING)

    async def count_by_task(self, task_ids: Sequence[UUID]) -> dict[UUID, ApprovalCount]:
        """Return how many approvals name each task; a task that none names is left out."""
        statement = (
            select(ApprovalTask.task_id, func.count(), func.count().filter(ApprovalTask.is_pending))
            .where(ApprovalTask.task_id.in_(task_ids))
            .group_by(ApprovalTask.task_id)
        )
        return {row[0]: ApprovalCount(row[1], row[2]) for row in await self.session.execute(statement)}

    async def add_tasks(self, approval: Approval, task_ids: Sequence[UUID]) -> None:
        """Have the approval name these tasks, in this order. Raises PendingApprovalExistsError."""
        if not task_ids:
            return
        common = {
            "organization_id": approval.organization_id,
            "approval_id": approval.id,
            "is_pending": approval.status == ApprovalStatus.PENDING,
        }
        rows = [{**common, "task_id": task_id, "position": position} for position, task_id in enumerate(task_ids)]
        with translating(self.constraint_errors):
            await self.session.execute(insert(ApprovalTask), rows)

    async def release_tasks(self, approval_id: UUID) -> None:
        """Let other pending approvals name the tasks of this one, which is resolved."""
        of_approval = ApprovalTask.approval_id == approval_id
        await self.session.execute(update(ApprovalTask).where(of_approval).values(is_pending=False))

    async def named_tasks(self, approval_ids: Sequence[UUID]) -> dict[UUID, list[NamedTask]]:
        """Return the tasks that each approval names, in their order, in one statement."""
        found: dict[UUID, list[NamedTask]] = defaultdict(list)
        statement = (
            select(ApprovalTask.approval_id, Task.id, Task.title)
            .join(Task, Task.id == ApprovalTask.task_id)
            .where(ApprovalTask.approval_id.in_(approval_ids))
            .order_by(ApprovalTask.position)
        )
        for approval_id, task_id, title in await self.session.execute(statement):
            found[approval_id].append(NamedTask(task_id, title))
        return found

    async def statuses_naming(self, task_id: UUID) -> set[str]:
        statement = (
            select(Approval.status)
            .join(ApprovalTask, ApprovalTask.approval_id == Approval.id)
            .where(ApprovalTask.task_id == task_id)
        )
        return set((await self.session.scalars(statement)).all())

"""Approvals, and the tasks that they name."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import insert, select, update

from app.core.errors import ConflictError
from app.core.paging import Slice, Window
from app.models import Approval, ApprovalStatus, ApprovalTask, Task
from app.repositories.base import Repository
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


class ApprovalRepository(Repository[Approval]):
    model_type = Approval

    async def store(self, approval: Approval, task_ids: Sequence[UUID]) -> Approval:
        """Stores it with the tasks that it names, in this order. Raises PendingApprovalExistsError."""
        self.session.add(approval)
        await self.session.flush()
        same = {
            "organization_id": approval.organization_id,
            "approval_id": approval.id,
            "is_pending": approval.status == ApprovalStatus.PENDING,
        }
        rows = [{**same, "task_id": task_id, "position": position} for position, task_id in enumerate(task_ids)]
        if rows:
            with translating("uq_approval_tasks_task_id_pending", PendingApprovalExistsError):
                await self.session.execute(insert(ApprovalTask), rows)
        return approval

    async def resolve(self, approval: Approval) -> None:
        """Stores its new status, and lets other approvals name its tasks."""
        await self.session.flush()
        of_it = ApprovalTask.approval_id == approval.id
        await self.session.execute(update(ApprovalTask).where(of_it).values(is_pending=False))

    async def page(self, board_id: UUID, status: str | None, window: Window) -> Slice:
        """The approvals of the board, newest first."""
        statement = select(Approval).where(Approval.board_id == board_id)
        if status is not None:
            statement = statement.where(Approval.status == status)
        return await read_slice(self.session, statement, _ORDER, window)

    async def pending(self, board_id: UUID) -> int:
        """How many of the board's are pending."""
        return await self.count(Approval.board_id == board_id, Approval.status == ApprovalStatus.PENDING)

    async def find(self, board_id: UUID, approval_id: UUID, *, lock: bool = False) -> Approval | None:
        """With `lock` nobody else changes it until the transaction ends."""
        statement = select(Approval).where(Approval.board_id == board_id, Approval.id == approval_id)
        if lock:
            statement = statement.with_for_update().execution_options(populate_existing=True)
        return (await self.session.scalars(statement)).one_or_none()

    async def tasks(self, approval_ids: Sequence[UUID]) -> dict[UUID, list[NamedTask]]:
        """The tasks that each names, in its order, in one statement."""
        found: dict[UUID, list[NamedTask]] = defaultdict(list)
        statement = (
            select(ApprovalTask.approval_id, Task.id, Task.title)
            .join(Task, Task.id == ApprovalTask.task_id)
            .where(ApprovalTask.approval_id.in_(approval_ids))
            .order_by(ApprovalTask.approval_id, ApprovalTask.position)
        )
        for approval_id, task_id, title in await self.session.execute(statement):
            found[approval_id].append(NamedTask(task_id, title))
        return found

    async def statuses_naming(self, task_id: UUID) -> set[str]:
        """The statuses of the approvals that name the task."""
        statement = (
            select(Approval.status)
            .join(ApprovalTask, ApprovalTask.approval_id == Approval.id)
            .where(ApprovalTask.task_id == task_id)
            .distinct()
        )
        return set((await self.session.scalars(statement)).all())

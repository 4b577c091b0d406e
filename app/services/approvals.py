"""Approvals: asking for one, and a person's yes or no, once."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from app.core.errors import ConflictError
from app.core.pagination import Slice, Window
from app.models import Approval, ApprovalStatus, Board
from app.repositories.approvals import ApprovalCount, ApprovalRepository, NamedTask
from app.repositories.boards import BoardRepository
from app.repositories.tasks import TaskRepository
from app.services.base import Service
from app.services.boards import BoardService, UnknownReferenceError
from app.services.callers import PeopleOnlyError

__all__ = ("ApprovalCount", "ApprovalService", "ApprovalView")


class ApprovalResolvedError(ConflictError):
    code = "approval_resolved"

    def __init__(self, status: str) -> None:
        super().__init__(f"It was {status} already, and that is final.", extra={"approval_status": status})


class ApprovalView(NamedTuple):
    approval: Approval
    tasks: Sequence[NamedTask]


class ApprovalService(Service):
    """The approvals of boards. Methods that take a board's id raise as `BoardService.get` or `get_writable`."""

    async def page(self, board_id: UUID, status: str | None, window: Window) -> Slice:
        """Return the board's approvals as ApprovalViews, newest first."""
        board = await self._boards.get(board_id)
        found = await self._approvals.page(board.id, status, window)
        return found._replace(rows=await self.views(found.rows))

    async def get(self, board_id: UUID, approval_id: UUID) -> ApprovalView:
        """Return an approval of the board. Raises NotFoundError."""
        board = await self._boards.get(board_id)
        return await self._view(await self._approvals.get_one(board_id=board.id, id=approval_id))

    async def views(self, approvals: Sequence[Approval]) -> list[ApprovalView]:
        """Return the approvals with their tasks, in one statement however many they are."""
        tasks = await self._approvals.named_tasks([approval.id for approval in approvals]) if approvals else {}
        return [ApprovalView(approval, tasks.get(approval.id, ())) for approval in approvals]

    async def get_by_ids(self, ids: Sequence[UUID | None]) -> dict[UUID | None, ApprovalView]:
        """Return those of these approvals that are there, without regard to who may read them."""
        approvals = await self._approvals.get_by_ids(ids)
        return {view.approval.id: view for view in await self.views([*approvals.values()])}

    async def count_pending(self, board_id: UUID) -> int:
        """Return how many approvals of the board are pending, without regard to who may read it."""
        return await self._approvals.count_pending(board_id)

    async def count_by_task(self, task_ids: Sequence[UUID]) -> dict[UUID, ApprovalCount]:
        """Return how many approvals name each of these tasks, without regard to who may read them."""
        return await self._approvals.count_by_task(task_ids)

    async def create(self, board_id: UUID, fields: dict[str, Any]) -> ApprovalView:
        """Ask for an approval, or store one that is decided.

        Raises UnknownReferenceError, PendingApprovalExistsError, and PeopleOnlyError where an agent decides.
        """
        board = await self._boards.get_writable(board_id)
        task_ids = list(dict.fromkeys(filter(None, [fields.pop("task_id"), *fields.pop("task_ids")])))
        if self._caller.agent:
            if fields["status"] != ApprovalStatus.PENDING:
                raise PeopleOnlyError("An agent asks for an approval; a person decides.")
            fields["agent_id"] = self._caller.agent.id
        await self._check_references(board, fields["agent_id"], task_ids)
        await self._lock(board)
        approval = Approval(
            board_id=board.id,
            organization_id=board.organization_id,
            resolved_at=None if fields["status"] == ApprovalStatus.PENDING else datetime.now(UTC),
            **fields,
        )
        await self._approvals.add(approval)
        await self._approvals.add_tasks(approval, task_ids)
        view = await self._view(approval)
        await self._record("created", view)
        if approval.status != ApprovalStatus.PENDING:
            await self._record(approval.status, view)
        return view

    async def resolve(self, board_id: UUID, approval_id: UUID, status: str | None) -> ApprovalView:
        """Approve or reject; a pending one that is to stay so is left as it is.

        Raises NotFoundError, ApprovalResolvedError and PeopleOnlyError.
        """
        board = await self._boards.get_writable(board_id)
        if self._caller.agent:
            raise PeopleOnlyError("An agent asks for an approval; a person decides.")
        await self._lock(board)
        approval = await self._approvals.lock(board_id=board.id, id=approval_id)
        if status is None or status == approval.status == ApprovalStatus.PENDING:
            return await self._view(approval)
        if approval.status != ApprovalStatus.PENDING:
            raise ApprovalResolvedError(approval.status)
        approval.status, approval.resolved_at = status, datetime.now(UTC)
        await self._approvals.release_tasks(approval.id)
        view = await self._view(approval)
        await self._record(status, view)
        return view

    @cached_property
    def _boards(self) -> BoardService:
        return BoardService(self._session, self._caller)

    @cached_property
    def _approvals(self) -> ApprovalRepository:
        return ApprovalRepository(session=self._session)

    async def _lock(self, board: Board) -> None:
        # As a change of a task's status does, which looks at the approvals that name it.
        await BoardRepository(session=self._session).lock_row(board.id)

    async def _view(self, approval: Approval) -> ApprovalView:
        (view,) = await self.views([approval])
        return view

    async def _check_references(self, board: Board, agent_id: UUID | None, task_ids: Sequence[UUID]) -> None:
        await self._boards.require_agent(board, "agent_id", agent_id)
        tasks = TaskRepository(session=self._session)
        if task_ids and await tasks.existing_ids(board.id, task_ids) != set(task_ids):
            raise UnknownReferenceError("task_ids", "task on this board")

    async def _record(self, verb: str, view: ApprovalView) -> None:
        approval = view.approval
        await self._activity_of(approval.organization_id).record(
            f"approval.{verb}",
            approval.action_type,
            board_id=approval.board_id,
            task_id=view.tasks[0].id if view.tasks else None,
            subject_id=approval.id,
        )

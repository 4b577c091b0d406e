"""Approvals: asking for one, and a person's yes or no, once."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import ConflictError, NotFoundError
from app.models import Approval, ApprovalStatus, Board
from app.repositories.agents import AgentRepository
from app.repositories.approvals import ApprovalRepository, NamedTask
from app.repositories.boards import BoardRepository
from app.repositories.tasks import TaskRepository
from app.services.activity import ActivityLog
from app.services.boards import UnknownReferenceError
from app.services.identity import Caller, PeopleOnlyError


class ApprovalResolvedError(ConflictError):
    code = "approval_resolved"

    def __init__(self, status: str) -> None:
        super().__init__(f"It was {status} already, and that is final.", extra={"approval_status": status})


class ApprovalView(NamedTuple):
    """An approval with the tasks that it names."""

    approval: Approval
    tasks: Sequence[NamedTask]


class Approvals:
    """The approvals of a board that the caller has opened."""

    def __init__(self, session: AsyncSession, caller: Caller, board: Board) -> None:
        self._session = session
        self._caller = caller
        self._board = board
        self._approvals = ApprovalRepository(session=session)
        self._activity = ActivityLog(session, caller, board.organization_id)

    async def views(self, approvals: Sequence[Approval]) -> list[ApprovalView]:
        """With their tasks, in one statement however many they are."""
        tasks = await self._approvals.tasks([approval.id for approval in approvals]) if approvals else {}
        return [ApprovalView(approval, tasks.get(approval.id, ())) for approval in approvals]

    async def view(self, approval_id: UUID) -> ApprovalView:
        """Raises NotFoundError."""
        return await self._view(await self._find(approval_id))

    async def create(self, fields: dict[str, Any]) -> ApprovalView:
        """Raises UnknownReferenceError, PendingApprovalExistsError, and PeopleOnlyError where an agent decides."""
        task_ids = list(dict.fromkeys(filter(None, [fields.pop("task_id"), *fields.pop("task_ids")])))
        if self._caller.agent:
            if fields["status"] != ApprovalStatus.PENDING:
                raise PeopleOnlyError("An agent asks for an approval; a person decides.")
            fields["agent_id"] = self._caller.agent.id
        await self._check_references(fields["agent_id"], task_ids)
        await self._lock_board()
        approval = Approval(
            board_id=self._board.id,
            organization_id=self._board.organization_id,
            resolved_at=None if fields["status"] == ApprovalStatus.PENDING else datetime.now(UTC),
            **fields,
        )
        view = await self._view(await self._approvals.store(approval, task_ids))
        await self._note("created", view)
        if approval.status != ApprovalStatus.PENDING:
            await self._note(approval.status, view)
        return view

    async def resolve(self, approval_id: UUID, status: str | None) -> ApprovalView:
        """Nothing happens to a pending one that is to stay so. Raises ApprovalResolvedError and PeopleOnlyError."""
        if self._caller.agent:
            raise PeopleOnlyError("An agent asks for an approval; a person decides.")
        await self._lock_board()
        approval = await self._find(approval_id, lock=True)
        if status is None or status == approval.status == ApprovalStatus.PENDING:
            return await self._view(approval)
        if approval.status != ApprovalStatus.PENDING:
            raise ApprovalResolvedError(approval.status)
        approval.status, approval.resolved_at = status, datetime.now(UTC)
        await self._approvals.resolve(approval)
        view = await self._view(approval)
        await self._note(status, view)
        return view

    async def _lock_board(self) -> None:
        # As a change of a task's status does, which looks at the approvals that name it.
        await BoardRepository(session=self._session).lock(self._board.id)

    async def _find(self, approval_id: UUID, *, lock: bool = False) -> Approval:
        approval = await self._approvals.find(self._board.id, approval_id, lock=lock)
        if approval is None:
            raise NotFoundError
        return approval

    async def _view(self, approval: Approval) -> ApprovalView:
        (view,) = await self.views([approval])
        return view

    async def _check_references(self, agent_id: UUID | None, task_ids: Sequence[UUID]) -> None:
        agents = AgentRepository(session=self._session)
        if agent_id is not None and not await agents.is_on_board(agent_id, self._board.id):
            raise UnknownReferenceError("agent_id", "agent on this board")
        known = await TaskRepository(session=self._session).known(self._board.id, task_ids) if task_ids else set()
        if known != set(task_ids):
            raise UnknownReferenceError("task_ids", "task on this board")

    async def _note(self, verb: str, view: ApprovalView) -> None:
        await self._activity.record(
            f"approval.{verb}",
            view.approval.action_type,
            board_id=self._board.id,
            task_id=view.tasks[0].id if view.tasks else None,
            subject_id=view.approval.id,
        )

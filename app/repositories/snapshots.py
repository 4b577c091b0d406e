"""Boards at a glance, alone and in a group: one statement a table, however much there is of each."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import (
    Agent,
    Approval,
    ApprovalStatus,
    Board,
    BoardMemory,
    Task,
    TaskPriority,
    TaskStatus,
)
from app.repositories.access import AccessScope
from app.repositories.sorting import place_in

# What is being worked on before what waits, and the urgent before the rest.
_BY_STATUS = place_in((TaskStatus.IN_PROGRESS, TaskStatus.REVIEW, TaskStatus.INBOX, TaskStatus.DONE), Task.status)
_BY_PRIORITY = place_in((TaskPriority.HIGH, TaskPriority.MEDIUM, TaskPriority.LOW), Task.priority)
_FIRST = (_BY_STATUS, _BY_PRIORITY, Task.updated_at.desc(), Task.id)


class BoardsOfGroup(NamedTuple):
    """The boards of a group that the caller may read, perhaps without one."""

    access: AccessScope
    group_id: UUID
    without: UUID | None = None

    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        shown = (Board.board_group_id == self.group_id, self.access.readable(Board.id))
        return (*shown, Board.id != self.without) if self.without else shown


class AssignedTask(NamedTuple):
    """A task with the name of the agent that works on it."""

    task: Task
    assignee: str | None


class SnapshotRepository:
    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def list_boards(self, wanted: BoardsOfGroup) -> Sequence[Board]:
        """Return the boards, by name."""
        statement = select(Board).where(*wanted.conditions()).order_by(Board.name, Board.id)
        return (await self._session.scalars(statement)).all()

    async def task_counts(self, wanted: BoardsOfGroup) -> dict[UUID, dict[str, int]]:
        """Return how many tasks of each status each board has; a status without any is left out."""
        found: dict[UUID, dict[str, int]] = defaultdict(dict)
        statement = (
            select(Task.board_id, Task.status, func.count())
            .join(Board, Board.id == Task.board_id)
            .where(*wanted.conditions())
            .group_by(Task.board_id, Task.status)
        )
        for board_id, status, count in await self._session.execute(statement):
            found[board_id][status] = count
        return found

    async def list_first_tasks(
        self, wanted: BoardsOfGroup, limit: int, *, include_done: bool
    ) -> dict[UUID, list[AssignedTask]]:
        """Return the first `limit` tasks of each board: by status, in progress first, by priority, the last changed."""
        place = func.row_number().over(partition_by=Task.board_id, order_by=_FIRST).label("place")
        placed = select(Task.id, place).join(Board, Board.id == Task.board_id).where(*wanted.conditions())
        if not include_done:
            placed = placed.where(Task.status != TaskStatus.DONE)
        first = placed.subquery()
        statement = (
            select(Task, Agent.name)
            .join(first, first.c.id == Task.id)
            .outerjoin(Agent, Agent.id == Task.assigned_agent_id)
            .where(first.c.place <= limit)
            .order_by(first.c.place)
        )
        found: dict[UUID, list[AssignedTask]] = defaultdict(list)
        for task, assignee in await self._session.execute(statement):
            found[task.board_id].append(AssignedTask(task, assignee))
        return found

    async def list_tasks(self, board_id: UUID, limit: int) -> list[AssignedTask]:
        """Return tasks of the board in the order of `list_first_tasks`, those that are done last."""
        statement = (
            select(Task, Agent.name)
            .outerjoin(Agent, Agent.id == Task.assigned_agent_id)
            .where(Task.board_id == board_id)
            .order_by(*_FIRST)
            .limit(limit)
        )
        return [AssignedTask(row[0], row[1]) for row in await self._session.execute(statement)]

    async def list_agents(self, board_id: UUID, limit: int) -> Sequence[Agent]:
        """Return agents of the board, newest first."""
        order = Agent.created_at.desc(), Agent.id.desc()
        statement = select(Agent).where(Agent.board_id == board_id).order_by(*order).limit(limit)
        return (await self._session.scalars(statement)).all()

    async def list_approvals(self, board_id: UUID, limit: int) -> Sequence[Approval]:
        """Return approvals of the board, those that are pending first, then newest first."""
        order = Approval.status != ApprovalStatus.PENDING, Approval.created_at.desc(), Approval.id.desc()
        statement = select(Approval).where(Approval.board_id == board_id).order_by(*order).limit(limit)
        return (await self._session.scalars(statement)).all()

    async def list_chat(self, board_id: UUID, limit: int) -> Sequence[BoardMemory]:
        """Return the newest messages of the board, oldest first."""
        statement = (
            select(BoardMemory)
            .where(BoardMemory.board_id == board_id, BoardMemory.is_chat)
            .order_by(BoardMemory.created_at.desc(), BoardMemory.id.desc())
            .limit(limit)
        )
        return (await self._session.scalars(statement)).all()[::-1]

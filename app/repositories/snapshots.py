"""The boards of a group at a glance, in as many statements as it has tables, however many boards there are."""

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.models import Agent, Board, Task, TaskPriority, TaskStatus
from app.repositories.reach import Reach

# What is being worked on before what waits, and the urgent before the rest.
_BY_STATUS = case(
    {
        status.value: place
        for place, status in enumerate(
            (TaskStatus.IN_PROGRESS, TaskStatus.REVIEW, TaskStatus.INBOX, TaskStatus.DONE),
        )
    },
    value=Task.status,
)
_BY_PRIORITY = case(
    {
        priority.value: place
        for place, priority in enumerate((TaskPriority.HIGH, TaskPriority.MEDIUM, TaskPriority.LOW))
    },
    value=Task.priority,
)


class BoardsOfGroup(NamedTuple):
    """The boards of a group that the caller may read, but for one."""

    reach: Reach
    group_id: UUID
    but: UUID | None = None

    def conditions(self) -> tuple[ColumnElement[bool], ...]:
        shown = (Board.board_group_id == self.group_id, self.reach.readable(Board.id))
        return (*shown, Board.id != self.but) if self.but else shown


class AssignedTask(NamedTuple):
    """A task with the name of the agent that works on it."""

    task: Task
    assignee: str | None


class SnapshotRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def boards(self, wanted: BoardsOfGroup) -> Sequence[Board]:
        """By name."""
        statement = select(Board).where(*wanted.conditions()).order_by(Board.name, Board.id)
        return (await self._session.scalars(statement)).all()

    async def task_counts(self, wanted: BoardsOfGroup) -> dict[UUID, dict[str, int]]:
        """How many tasks of each status each board has; what there is none of is left out."""
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

    async def first_tasks(
        self, wanted: BoardsOfGroup, limit: int, *, include_done: bool
    ) -> dict[UUID, list[AssignedTask]]:
        """The first `limit` tasks of each board: those in progress first, then by priority, then the last changed."""
        order = (_BY_STATUS, _BY_PRIORITY, Task.updated_at.desc(), Task.id)
        place = func.row_number().over(partition_by=Task.board_id, order_by=order).label("place")
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

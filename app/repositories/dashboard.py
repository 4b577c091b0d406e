"""The figures of the dashboard, in a fixed number of statements."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, and_, func, or_, select, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, aliased

from app.models import ActivityEvent, Agent, Approval, ApprovalStatus, ApprovalTask, Board, Task, TaskCount, TaskStatus
from app.repositories.access import AccessScope
from app.repositories.activity import STATUS_CHANGED, status_after, status_before

SelectedT = TypeVar("SelectedT", bound=tuple[Any, ...])
_APPROVED, _REJECTED = "approval.approved", "approval.rejected"


class DashboardScope(NamedTuple):
    """The boards that the caller may read; with an id that one, or those in that group."""

    access: AccessScope
    board_id: UUID | None = None
    group_id: UUID | None = None

    def on(self, board_id: InstrumentedAttribute[UUID] | InstrumentedAttribute[UUID | None]) -> ColumnElement[bool]:
        """Return whether the board with the id in this column is one of them."""
        # An alias, since a statement may have the table in its own FROM.
        board = aliased(Board)
        conditions = [board.id == board_id, board.organization_id == self.access.organization_id]
        if self.board_id is not None:
            conditions.append(board_id == self.board_id)
        if self.group_id is not None:
            conditions.append(board.board_group_id == self.group_id)
        return select(board.id).where(*conditions, self.access.readable(board.id)).exists()


class BucketRow(NamedTuple):
    """The events within one bucket, which begins at `period`.

    `done` tasks were finished, in `hours` on the mean since the start of work; of `judged` reviews and decisions, `bad`
    ones sent something back. `net` is by how much the number of tasks of each status grew.
    """

    period: datetime
    done: int
    hours: float | None
    judged: int
    bad: int
    net: dict[str, int]


class PendingRow(NamedTuple):
    approval: Approval
    board_name: str
    task_title: str | None


class DashboardRepository:
    def __init__(self, *, session: AsyncSession, scope: DashboardScope) -> None:
        self._session = session
        self._scope = scope

    async def task_counts(self) -> dict[str, int]:
        """Return the database's own counts: to count all tasks of a large organization would take long."""
        of_organization = TaskCount.organization_id == self._scope.access.organization_id
        statement = (
            select(TaskCount.status, func.sum(TaskCount.tasks).cast(BigInteger))
            .where(of_organization, self._scope.on(TaskCount.board_id))
            .group_by(TaskCount.status)
        )
        return {row[0]: row[1] for row in await self._session.execute(statement)}

    async def count_active_agents(self, since: datetime) -> int:
        statement = select(func.count()).where(Agent.last_seen_at >= since, self._scope.on(Agent.board_id))
        return (await self._session.execute(statement)).scalar_one()

    async def buckets(self, bucket: str, begin: datetime) -> list[BucketRow]:
        """Return the buckets since `begin` in which anything happened, to tasks that are there still."""
        before, after = status_before(), status_after()
        is_change = ActivityEvent.event_type == STATUS_CHANGED
        is_done = and_(is_change, after == TaskStatus.DONE)
        sent_back = and_(is_change, or_(before == TaskStatus.DONE, and_(before == TaskStatus.REVIEW, ~is_done)))
        rejected, approved = ActivityEvent.event_type == _REJECTED, ActivityEvent.event_type == _APPROVED
        statement = select(
            self._bucket(bucket, ActivityEvent.created_at),
            _count(is_done),
            func.avg(_hours()).filter(is_done),
            _count(or_(approved, before == TaskStatus.REVIEW, rejected, sent_back)),
            _count(or_(rejected, sent_back)),
            *(_count(and_(is_change, after == s)) - _count(and_(is_change, before == s)) for s in TaskStatus),
        )
        statement = self._events(statement, begin).group_by(text("1"))
        return [
            BucketRow(row[0], row[1], row[2], row[3], row[4], dict(zip(TaskStatus, row[5:], strict=True)))
            for row in await self._session.execute(statement)
        ]

    async def count_created(self, bucket: str, begin: datetime) -> dict[datetime, int]:
        """Return how many of today's tasks were made in each bucket since `begin`."""
        period = self._bucket(bucket, Task.created_at)
        made = Task.created_at >= begin, self._scope.on(Task.board_id)
        statement = select(period, func.count()).where(*made).group_by(text("1"))
        return {row[0]: row[1] for row in await self._session.execute(statement)}

    async def median_hours(self, since: datetime) -> float | None:
        """Return the median time from the start of work to done, of the tasks that were finished since then."""
        statement = select(func.percentile_cont(0.5).within_group(_hours()))
        is_done = and_(ActivityEvent.event_type == STATUS_CHANGED, status_after() == TaskStatus.DONE)
        median: float | None = await self._session.scalar(self._events(statement, since).where(is_done))
        return median

    async def pending(self, limit: int) -> tuple[int, Sequence[PendingRow]]:
        """Return how many approvals wait, and those that have waited the longest."""
        waits = Approval.status == ApprovalStatus.PENDING, self._scope.on(Approval.board_id)
        total = (await self._session.execute(select(func.count()).where(*waits))).scalar_one()
        first_task = and_(ApprovalTask.approval_id == Approval.id, ApprovalTask.position == 0)
        statement = (
            select(Approval, Board.name, Task.title)
            .join(Board, Board.id == Approval.board_id)
            .outerjoin(ApprovalTask, first_task)
            .outerjoin(Task, Task.id == ApprovalTask.task_id)
            .where(*waits)
            .order_by(Approval.created_at, Approval.id)
            .limit(limit)
        )
        return total, [PendingRow(*row) for row in await self._session.execute(statement)]

    def _events(self, statement: Select[SelectedT], begin: datetime) -> Select[SelectedT]:
        """Select from what happened since then to tasks that are there still, and from what was decided."""
        about_task = ActivityEvent.event_type == STATUS_CHANGED
        return (
            statement.select_from(ActivityEvent)
            .outerjoin(Task, Task.id == ActivityEvent.task_id)
            .where(
                ActivityEvent.organization_id == self._scope.access.organization_id,
                ActivityEvent.created_at >= begin,
                ActivityEvent.event_type.in_([STATUS_CHANGED, _APPROVED, _REJECTED]),
                or_(~about_task, Task.id.is_not(None)),
                self._scope.on(ActivityEvent.board_id),
            )
        )

    def _bucket(self, bucket: str, time: InstrumentedAttribute[datetime]) -> ColumnElement[datetime]:
        return func.date_trunc(bucket, time, "UTC")


def _hours() -> ColumnElement[Any]:
    return func.extract("epoch", ActivityEvent.created_at - Task.in_progress_at) / 3600.0


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count().filter(condition)

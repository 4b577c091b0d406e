"""The activity: what happened, and the comments in it."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.pagination import Slice, Window
from app.db.request.prepared import PreparedStatement, execute_prepared
from app.db.request.session_info import NOTIFY_ON_COMMIT
from app.models import ActivityEvent, Agent, Board, Task
from app.repositories.access import AccessScope
from app.repositories.keyset import read_slice
from app.repositories.sorting import Ordering

COMMENTED = "task.commented"
STATUS_CHANGED = "task.status_changed"
_TO = " → "
_INSERT = PreparedStatement(insert(ActivityEvent))
_ACTIVITY = Ordering("activity", ActivityEvent)
_COMMENTS = Ordering("comment feed", ActivityEvent)


def status_change(before: str, after: str) -> str:
    """Return the message of a STATUS_CHANGED, which `status_before` and `status_after` take apart again."""
    return f"{before}{_TO}{after}"


def status_before() -> ColumnElement[str]:
    return func.split_part(ActivityEvent.message, _TO, 1)


def status_after() -> ColumnElement[str]:
    return func.split_part(ActivityEvent.message, _TO, 2)


class FeedItem(NamedTuple):
    """The event of a comment, whose id is its `subject_id`, with the task, its board and the agent that wrote it."""

    event: ActivityEvent
    task: Task
    board: Board
    agent: Agent | None


class ActivityRepository:
    """What happened. It is made for every change, and has no use for what Advanced Alchemy's takes longer to make."""

    def __init__(self, *, session: AsyncSession) -> None:
        self._session = session

    async def add_row(self, organization_id: UUID, event_type: str, **columns: UUID | str | None) -> None:
        """Add an event, by one prepared statement; streams are told of the commit."""
        event = {"organization_id": organization_id, "event_type": event_type, **columns}
        await execute_prepared(self._session, _INSERT, **event)
        self._session.info[NOTIFY_ON_COMMIT] = True

    async def page(self, access: AccessScope, window: Window) -> Slice:
        """Return what happened on the boards and in the groups that the caller may read, and beside them; newest first.

        Events of a board or group that is gone are shown to those who may read all boards.
        """
        statement = select(ActivityEvent).where(*_readable(access))
        return await read_slice(self._session, statement, _ACTIVITY, window)

    async def page_comments(self, access: AccessScope, board_id: UUID | None, window: Window) -> Slice:
        """Return the comments that the caller may read, newest first, as FeedItems; with a board those on it."""
        statement = (
            select(ActivityEvent)
            .join(Task, Task.id == ActivityEvent.task_id)
            .where(*_readable(access), ActivityEvent.event_type == COMMENTED)
        )
        if board_id is not None:
            statement = statement.where(ActivityEvent.board_id == board_id)
        found = await read_slice(self._session, statement, _COMMENTS, window)
        return found._replace(rows=await self.feed_items(found.rows) if found.rows else [])

    async def feed_items(self, events: Sequence[ActivityEvent]) -> list[FeedItem]:
        """Return the items of these comments, in this order, without those whose task is gone by now."""
        statement = (
            select(ActivityEvent.id, Task, Board, Agent)
            .join(Task, Task.id == ActivityEvent.task_id)
            .join(Board, Board.id == Task.board_id)
            .outerjoin(Agent, Agent.id == ActivityEvent.agent_id)
            .where(
                ActivityEvent.id.in_([event.id for event in events]),
                # Only the partitions that they are in.
                ActivityEvent.created_at.in_({event.created_at for event in events}),
            )
        )
        about = {row[0]: row for row in await self._session.execute(statement)}
        rows = [(event, about[event.id]) for event in events if event.id in about]
        return [FeedItem(event, row[1], row[2], row[3]) for event, row in rows]


def _readable(access: AccessScope) -> tuple[ColumnElement[bool], ...]:
    ours = ActivityEvent.organization_id == access.organization_id
    if access.reads_all:
        return (ours,)
    shown, group_id = access.shown(ActivityEvent.board_id), ActivityEvent.board_group_id
    return ours, case((group_id.is_(None), shown), else_=access.readable_group(group_id))

"""The trail of what happened, and the comments in it."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, insert, select

from app.core.paging import Slice, Window
from app.db.request.prepared import PreparedStatement, execute_prepared
from app.db.request.session_info import NOTIFY_ON_COMMIT
from app.models import ActivityEvent, Agent, Board, Task
from app.repositories.access import AccessScope
from app.repositories.base import Repository
from app.repositories.keyset import read_slice
from app.repositories.sorting import Ordering

COMMENTED = "task.commented"
STATUS_CHANGED = "task.status_changed"
_TO = " → "
_EVENT = PreparedStatement(insert(ActivityEvent))
_ACTIVITY = Ordering("activity", ActivityEvent)
_COMMENTS = Ordering("comment feed", ActivityEvent)


def status_change(before: str, after: str) -> str:
    """The message of a STATUS_CHANGED, which `status_before` and `status_after` take apart again."""
    return f"{before}{_TO}{after}"


def status_before() -> ColumnElement[str]:
    return func.split_part(ActivityEvent.message, _TO, 1)


def status_after() -> ColumnElement[str]:
    return func.split_part(ActivityEvent.message, _TO, 2)


class FeedItem(NamedTuple):
    """A comment, which the event's `subject_id` is, with what it was written on and the agent that wrote it."""

    event: ActivityEvent
    task: Task
    board: Board
    agent: Agent | None


class ActivityRepository(Repository[ActivityEvent]):
    model_type = ActivityEvent

    async def write(self, organization_id: UUID, event_type: str, **about: UUID | str | None) -> None:
        """Stores an event, by its columns, with the transaction; who waits for events is told of the commit."""
        event = {"organization_id": organization_id, "event_type": event_type, **about}
        await execute_prepared(self.session, _EVENT, **event)
        self.session.info[NOTIFY_ON_COMMIT] = True

    async def page(self, access: AccessScope, window: Window) -> Slice:
        """What happened on the boards and in the groups that the caller may read, and beside them; newest first.

        What happened on a board or in a group that is gone is shown to those who may read all boards.
        """
        statement = select(ActivityEvent).where(*_of(access))
        return await read_slice(self.session, statement, _ACTIVITY, window)

    async def comments(self, access: AccessScope, board_id: UUID | None, window: Window) -> Slice:
        """The comments on tasks that the caller may read, newest first, as FeedItems; those of one board, with that."""
        statement = (
            select(ActivityEvent)
            .join(Task, Task.id == ActivityEvent.task_id)
            .where(*_of(access), ActivityEvent.event_type == COMMENTED)
        )
        if board_id is not None:
            statement = statement.where(ActivityEvent.board_id == board_id)
        found = await read_slice(self.session, statement, _COMMENTS, window)
        return found._replace(rows=await self.feed_items(found.rows) if found.rows else [])

    async def feed_items(self, events: Sequence[ActivityEvent]) -> list[FeedItem]:
        """Of comments, in this order, without those whose task is gone by now."""
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
        about = {row[0]: row for row in await self.session.execute(statement)}
        rows = [(event, about[event.id]) for event in events if event.id in about]
        return [FeedItem(event, row[1], row[2], row[3]) for event, row in rows]


def _of(access: AccessScope) -> tuple[ColumnElement[bool], ...]:
    ours = ActivityEvent.organization_id == access.organization_id
    if access.reads_all:
        return (ours,)
    shown, group_id = access.shown(ActivityEvent.board_id), ActivityEvent.board_group_id
    return ours, case((group_id.is_(None), shown), else_=access.readable_group(group_id))

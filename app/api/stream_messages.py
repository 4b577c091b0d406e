"""The messages of streams: converts activity events to server-sent data, in a fixed number of statements."""

from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.activity import read_comment_item, read_event
from app.api.agents import read_agent
from app.api.approvals import read_approval
from app.api.memory import read_group_memory, read_memory
from app.api.tasks import read_comment, read_task
from app.models import ActivityEvent
from app.schemas.memory import BoardGroupMemoryRead, BoardMemoryRead
from app.schemas.streams import (
    AgentStreamItem,
    ApprovalStreamItem,
    ApprovalTaskCounts,
    BoardGroupMemoryStreamItem,
    BoardMemoryStreamItem,
    TaskCommentStreamItem,
    TaskStreamItem,
)
from app.services.activity import COMMENTED, ActivityService
from app.services.agents import AgentService
from app.services.approvals import ApprovalCount, ApprovalService, ApprovalView
from app.services.boards import BoardService
from app.services.callers import NOBODY
from app.services.memory import MemoryService
from app.services.streams import Message, Topic
from app.services.tasks import TaskService

Events = Sequence[ActivityEvent]
Fields = dict[str, object]


async def load_tasks(session: AsyncSession, topic: Topic, events: Events) -> list[Message]:
    board_id = await _board_id(session, topic)
    if board_id is None:
        return []
    tasks = TaskService(session, NOBODY)
    views = await tasks.get_by_ids(board_id, [event.task_id for event in events])
    commented = [event.subject_id for event in events if event.event_type == COMMENTED]
    comments = await tasks.get_comments_by_ids(commented)

    def item(event: ActivityEvent) -> Fields:
        view, comment = views.get(event.task_id), comments.get(event.subject_id)
        return {"task": read_task(view) if view else None, "comment": read_comment(comment) if comment else None}

    return _messages(TaskStreamItem, events, item)


async def load_approvals(session: AsyncSession, topic: Topic, events: Events) -> list[Message]:
    board_id = await _board_id(session, topic)
    if board_id is None:
        return []
    approvals = ApprovalService(session, NOBODY)
    views = await approvals.get_by_ids(_subject_ids(events))
    pending = await approvals.count_pending(board_id)
    counts = await approvals.count_by_task([task.id for view in views.values() for task in view.tasks])

    def item(event: ActivityEvent) -> Fields:
        view = views.get(event.subject_id)
        return {
            "approval": read_approval(view) if view else None,
            "pending_approvals_count": pending,
            "task_counts": _task_counts(view, counts) if view else UNSET,
        }

    return _messages(ApprovalStreamItem, events, item)


async def load_agents(session: AsyncSession, topic: Topic, events: Events) -> list[Message]:
    """Load the agents. One that has moved to a board outside the topic is shown as deleted."""
    agents = await AgentService(session, NOBODY).get_by_ids(_subject_ids(events))

    def item(event: ActivityEvent) -> Fields:
        agent = agents.get(event.subject_id)
        return {"agent": read_agent(agent) if agent and topic.wanted.includes_board(agent.board_id) else None}

    return _messages(AgentStreamItem, events, item)


async def load_memory(session: AsyncSession, topic: Topic, events: Events) -> list[Message]:
    memories = await MemoryService(session, NOBODY).get_by_ids(_subject_ids(events))
    shown = {key: read_memory(memory) for key, memory in memories.items()}
    return _of_memory(BoardMemoryStreamItem, topic, events, shown)


async def load_group_memory(session: AsyncSession, topic: Topic, events: Events) -> list[Message]:
    memories = await MemoryService(session, NOBODY).get_of_groups_by_ids(_subject_ids(events))
    shown = {key: read_group_memory(memory) for key, memory in memories.items()}
    return _of_memory(BoardGroupMemoryStreamItem, topic, events, shown)


async def load_comments(session: AsyncSession, topic: Topic, events: Events) -> list[Message]:  # noqa: ARG001
    found = await ActivityService(session, NOBODY).feed_items(events)
    items = {item.event.id: read_comment_item(item) for item in found}
    return _messages(TaskCommentStreamItem, [item.event for item in found], lambda event: {"comment": items[event.id]})


def _task_counts(
    view: ApprovalView, counts: Mapping[UUID, ApprovalCount]
) -> ApprovalTaskCounts | list[ApprovalTaskCounts] | UnsetType:
    """Return the counts of the task that the approval names; a list where it names several."""
    found = [ApprovalTaskCounts(task.id, *counts[task.id]) for task in view.tasks if task.id in counts]
    return (found[0] if len(found) == 1 else found) if found else UNSET


def _of_memory(
    shape: type[msgspec.Struct],
    topic: Topic,
    events: Events,
    shown: Mapping[UUID | None, BoardMemoryRead | BoardGroupMemoryRead],
) -> list[Message]:
    """Return messages for the memory that still exists, and is chat or not as the topic asks."""
    wanted = {key: memory for key, memory in shown.items() if topic.is_chat in {None, memory.is_chat}}
    told = [event for event in events if event.subject_id in wanted]
    return _messages(shape, told, lambda event: {"memory": wanted[event.subject_id]})


def _messages(shape: type[msgspec.Struct], events: Events, item: Callable[[ActivityEvent], Fields]) -> list[Message]:
    """Return a message for each event, with the fields that `item` returns."""
    shown = [(event, read_event(event)) for event in events]
    return [
        Message(event, msgspec.json.encode(shape(type=activity.event_type, activity=activity, **item(event))))
        for event, activity in shown
    ]


async def _board_id(session: AsyncSession, topic: Topic) -> UUID | None:
    """Return the topic's one board; None if it has been deleted."""
    assert topic.wanted.board_ids is not None, "a topic of one board"
    (board_id,) = topic.wanted.board_ids
    return board_id if await BoardService(session, NOBODY).exists(board_id) else None


def _subject_ids(events: Events) -> list[UUID | None]:
    return [event.subject_id for event in events]

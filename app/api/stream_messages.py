"""What the streams say: from events of the trail to server-sent data, in a fixed number of statements."""

from collections.abc import Sequence
from uuid import UUID

import msgspec
from sqlalchemy.ext.asyncio import AsyncSession

from app.api.activity import read_comment_item, read_event
from app.api.agents import read_agent
from app.api.approvals import read_approval
from app.api.memory import read_group_memory, read_memory
from app.api.tasks import read_comment, read_task
from app.models import ActivityEvent, Board
from app.repositories.activity import COMMENTED, ActivityRepository
from app.repositories.agents import AgentRepository
from app.repositories.approvals import ApprovalRepository
from app.repositories.boards import BoardRepository
from app.repositories.memory import BoardGroupMemoryRepository, BoardMemoryRepository
from app.repositories.tasks import TaskCommentRepository, TaskRepository
from app.schemas.streams import (
    AgentStreamItem,
    ApprovalStreamItem,
    BoardGroupMemoryStreamItem,
    BoardMemoryStreamItem,
    TaskCommentStreamItem,
    TaskStreamItem,
)
from app.services.approvals import Approvals
from app.services.identity import NOBODY
from app.services.streams import Message, Topic
from app.services.tasks import Tasks

Events = Sequence[ActivityEvent]


async def load_tasks(session: AsyncSession, topic: Topic, events: Events) -> list[Message]:
    board = await _board(session, topic)
    if board is None:
        return []
    rows = await TaskRepository(session=session).of_ids(event.task_id for event in events)
    views = {view.task.id: view for view in await Tasks(session, NOBODY, board).views(list(rows.values()))}
    commented = [event.subject_id for event in events if event.event_type == COMMENTED]
    comments = await TaskCommentRepository(session=session).of_ids(commented)
    messages = []
    for event in events:
        view = views.get(event.task_id) if event.task_id else None
        comment = comments.get(event.subject_id)
        item = TaskStreamItem(
            type=event.event_type,
            activity=read_event(event),
            task=read_task(view) if view else None,
            comment=read_comment(comment) if comment else None,
        )
        messages.append(_message(event, item))
    return messages


async def load_approvals(session: AsyncSession, topic: Topic, events: Events) -> list[Message]:
    board = await _board(session, topic)
    if board is None:
        return []
    repository = ApprovalRepository(session=session)
    rows = await repository.of_ids(_subject_ids(events))
    views = {view.approval.id: view for view in await Approvals(session, NOBODY, board).views(list(rows.values()))}
    pending = await repository.count(board_id=board.id, status="pending")
    messages = []
    for event in events:
        view = views.get(event.subject_id) if event.subject_id else None
        item = ApprovalStreamItem(
            type=event.event_type,
            activity=read_event(event),
            approval=read_approval(view) if view else None,
            pending_approvals_count=pending,
        )
        messages.append(_message(event, item))
    return messages


async def load_agents(session: AsyncSession, topic: Topic, events: Events) -> list[Message]:  # noqa: ARG001
    agents = await AgentRepository(session=session).of_ids(_subject_ids(events))
    messages = []
    for event in events:
        agent = agents.get(event.subject_id)
        shape = read_agent(agent) if agent else None
        item = AgentStreamItem(type=event.event_type, activity=read_event(event), agent=shape)
        messages.append(_message(event, item))
    return messages


async def load_memory(session: AsyncSession, topic: Topic, events: Events) -> list[Message]:
    memories = await BoardMemoryRepository(session=session).of_ids(_subject_ids(events))
    return [
        _message(
            event, BoardMemoryStreamItem(type=event.event_type, activity=read_event(event), memory=read_memory(memory))
        )
        for event in events
        if (memory := memories.get(event.subject_id)) and topic.is_chat in {None, memory.is_chat}
    ]


async def load_group_memory(session: AsyncSession, topic: Topic, events: Events) -> list[Message]:
    memories = await BoardGroupMemoryRepository(session=session).of_ids(_subject_ids(events))
    return [
        _message(
            event,
            BoardGroupMemoryStreamItem(
                type=event.event_type, activity=read_event(event), memory=read_group_memory(memory)
            ),
        )
        for event in events
        if (memory := memories.get(event.subject_id)) and topic.is_chat in {None, memory.is_chat}
    ]


async def load_comments(session: AsyncSession, topic: Topic, events: Events) -> list[Message]:  # noqa: ARG001
    return [
        _message(
            found.event,
            TaskCommentStreamItem(
                type=found.event.event_type, activity=read_event(found.event), comment=read_comment_item(found)
            ),
        )
        for found in await ActivityRepository(session=session).feed_items(events)
    ]


async def _board(session: AsyncSession, topic: Topic) -> Board | None:
    """The one board that the topic is about, if it is there still."""
    assert topic.shown.board_ids is not None, "a topic of one board"
    (board_id,) = topic.shown.board_ids
    return await BoardRepository(session=session).get_one_or_none(id=board_id)


def _subject_ids(events: Events) -> list[UUID | None]:
    return [event.subject_id for event in events]


def _message(event: ActivityEvent, item: msgspec.Struct) -> Message:
    return Message(event, msgspec.json.encode(item))

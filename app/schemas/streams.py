"""The `data` of the streams' events: what happened, and to what, as that is by now; null if it is gone."""

from typing import Annotated

import msgspec
from msgspec import Meta

from app.schemas.activity import ActivityEventRead, ActivityTaskCommentFeedItemRead
from app.schemas.agents import AgentRead
from app.schemas.approvals import ApprovalRead
from app.schemas.memory import BoardGroupMemoryRead, BoardMemoryRead
from app.schemas.tasks import TaskCommentRead, TaskRead

Encoded = Annotated[str, Meta(extra_json_schema={"contentMediaType": "application/json"})]


class StreamEvent(msgspec.Struct, kw_only=True):
    """One event of a stream. `id` is what `Last-Event-ID` takes; in `data` are `type`, `activity`, and what changed."""

    id: str
    event: str
    data: Encoded


class _StreamItem(msgspec.Struct, kw_only=True):
    """`type` is that of the activity."""

    type: str
    activity: ActivityEventRead


class TaskStreamItem(_StreamItem, kw_only=True):
    """`comment` is there where the task was commented."""

    task: TaskRead | None
    comment: TaskCommentRead | None


class AgentStreamItem(_StreamItem, kw_only=True):
    """A nudge is of the type `agent.nudged`, a comment that names the agent of the type `agent.mentioned`.

    The words are the activity's `message`, and the comment's task is its `task_id`.
    """

    agent: AgentRead | None


class ApprovalStreamItem(_StreamItem, kw_only=True):
    """`pending_approvals_count` is the board's."""

    approval: ApprovalRead | None
    pending_approvals_count: int


class BoardMemoryStreamItem(_StreamItem, kw_only=True):
    memory: BoardMemoryRead


class BoardGroupMemoryStreamItem(_StreamItem, kw_only=True):
    memory: BoardGroupMemoryRead


class TaskCommentStreamItem(_StreamItem, kw_only=True):
    comment: ActivityTaskCommentFeedItemRead

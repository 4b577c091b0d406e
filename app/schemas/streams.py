"""The `data` of the streams' events: what happened, and the object's present state, or null if it is gone."""

from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from app.schemas.activity import ActivityEventRead, ActivityTaskCommentFeedItemRead
from app.schemas.agents import AgentRead
from app.schemas.approvals import ApprovalRead
from app.schemas.memory import BoardGroupMemoryRead, BoardMemoryRead
from app.schemas.tasks import TaskCommentRead, TaskRead


class _StreamItem(msgspec.Struct, kw_only=True):
    """The part that all items share. `type` is that of the activity."""

    type: str
    activity: ActivityEventRead


class TaskStreamItem(_StreamItem, kw_only=True):
    """A change of a task. `comment` is there if it is a comment on the task."""

    task: TaskRead | None
    comment: TaskCommentRead | None


class AgentStreamItem(_StreamItem, kw_only=True):
    """A change of an agent. A nudge has the type `agent.nudged`, a comment that names the agent `agent.mentioned`.

    Its text is the activity's `message`, and the comment's task is the activity's `task_id`.
    """

    agent: AgentRead | None


class ApprovalTaskCounts(msgspec.Struct):
    """The number of approvals that name a task, and of those that are pending."""

    task_id: UUID
    approvals_count: int
    approvals_pending_count: int


class ApprovalStreamItem(_StreamItem, kw_only=True):
    """A change of an approval. `pending_approvals_count` is the board's.

    `task_counts` are those of the task that the approval names, a list if it names several, and absent if none.
    """

    approval: ApprovalRead | None
    pending_approvals_count: int
    task_counts: ApprovalTaskCounts | list[ApprovalTaskCounts] | UnsetType = UNSET


class BoardMemoryStreamItem(_StreamItem, kw_only=True):
    memory: BoardMemoryRead


class BoardGroupMemoryStreamItem(_StreamItem, kw_only=True):
    memory: BoardGroupMemoryRead


class TaskCommentStreamItem(_StreamItem, kw_only=True):
    comment: ActivityTaskCommentFeedItemRead

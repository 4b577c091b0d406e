"""Snapshots: a board or a group with what is on it, in one answer."""

from uuid import UUID

import msgspec

from app.schemas.agents import AgentRead
from app.schemas.approvals import ApprovalRead
from app.schemas.board_groups import BoardGroupRead
from app.schemas.boards import BoardRead
from app.schemas.memory import BoardMemoryRead
from app.schemas.shared_types import Moment
from app.schemas.tags import TagRef
from app.schemas.tasks import TaskPriority, TaskRead, TaskStatus


class TaskCardRead(TaskRead, kw_only=True):
    """A task with the name of its agent (`assignee`) and the numbers of its approvals."""

    assignee: str | None
    approvals_count: int
    approvals_pending_count: int


class BoardSnapshot(msgspec.Struct, kw_only=True):
    """A board with what is on it. `pending_approvals_count` counts all, not only those in `approvals`."""

    board: BoardRead
    tasks: list[TaskCardRead]
    agents: list[AgentRead]
    approvals: list[ApprovalRead]
    chat_messages: list[BoardMemoryRead]
    pending_approvals_count: int


class BoardGroupTaskSummary(msgspec.Struct, kw_only=True):
    """A task in the snapshot of a group. `assignee` is the name of its agent."""

    id: UUID
    board_id: UUID
    board_name: str
    title: str
    status: TaskStatus
    priority: TaskPriority
    assigned_agent_id: UUID | None
    assignee: str | None
    due_at: Moment | None
    in_progress_at: Moment | None
    tags: list[TagRef]
    created_at: Moment
    updated_at: Moment


class BoardGroupBoardSnapshot(msgspec.Struct, kw_only=True):
    """A board in the snapshot of a group. `task_counts` has every status, also those that are not in `tasks`."""

    board: BoardRead
    task_counts: dict[str, int]
    tasks: list[BoardGroupTaskSummary]


class BoardGroupSnapshot(msgspec.Struct, kw_only=True):
    """A group with its boards. `group` is null if the board is in none."""

    group: BoardGroupRead | None
    boards: list[BoardGroupBoardSnapshot]

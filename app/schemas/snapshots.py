"""Several things at a glance."""

from uuid import UUID

import msgspec

from app.schemas.agents import AgentRead
from app.schemas.approvals import ApprovalRead
from app.schemas.board_groups import BoardGroupRead
from app.schemas.boards import BoardRead
from app.schemas.fields import Moment
from app.schemas.memory import BoardMemoryRead
from app.schemas.tags import TagRef
from app.schemas.tasks import Priority, Status, TaskRead


class TaskCardRead(TaskRead, kw_only=True):
    """`assignee` is the name of the agent that works on it; the counts are of the approvals that name it."""

    assignee: str | None
    approvals_count: int
    approvals_pending_count: int


class BoardSnapshot(msgspec.Struct, kw_only=True):
    """`pending_approvals_count` is of all, whatever of them is in `approvals`."""

    board: BoardRead
    tasks: list[TaskCardRead]
    agents: list[AgentRead]
    approvals: list[ApprovalRead]
    chat_messages: list[BoardMemoryRead]
    pending_approvals_count: int


class BoardGroupTaskSummary(msgspec.Struct, kw_only=True):
    """`assignee` is the name of the agent that works on it."""

    id: UUID
    board_id: UUID
    board_name: str
    title: str
    status: Status
    priority: Priority
    assigned_agent_id: UUID | None
    assignee: str | None
    due_at: Moment | None
    in_progress_at: Moment | None
    tags: list[TagRef]
    created_at: Moment
    updated_at: Moment


class BoardGroupBoardSnapshot(msgspec.Struct, kw_only=True):
    """`task_counts` has every status, whatever of it is in `tasks`."""

    board: BoardRead
    task_counts: dict[str, int]
    tasks: list[BoardGroupTaskSummary]


class BoardGroupSnapshot(msgspec.Struct, kw_only=True):
    """`group` is null where the board is in none."""

    group: BoardGroupRead | None
    boards: list[BoardGroupBoardSnapshot]

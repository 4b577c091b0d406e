"""The rows that are many, as they are copied, and where they are in time."""

from datetime import datetime
from typing import NamedTuple, cast
from uuid import UUID

from asyncpg.pgproto.pgproto import UUID as DriverUUID  # noqa: N811
from uuid_utils import uuid7

from app.models import (
    ActivityEvent,
    Approval,
    ApprovalTask,
    Base,
    BoardWebhookPayload,
    CustomFieldValue,
    Task,
    TaskComment,
    TaskDependency,
    TaskTag,
)


class TaskRow(NamedTuple):
    id: UUID
    created_at: datetime
    updated_at: datetime
    board_id: UUID
    created_by_user_id: UUID | None
    title: str
    description: str | None
    status: str
    priority: str
    in_progress_at: datetime | None
    due_at: datetime | None
    assigned_agent_id: UUID | None
    organization_id: UUID


class DependencyRow(NamedTuple):
    task_id: UUID
    depends_on_task_id: UUID
    created_at: datetime
    organization_id: UUID


class TagRow(NamedTuple):
    task_id: UUID
    tag_id: UUID
    created_at: datetime
    organization_id: UUID


class ValueRow(NamedTuple):
    """`value` is JSON."""

    task_id: UUID
    custom_field_id: UUID
    created_at: datetime
    value: str
    organization_id: UUID


class CommentRow(NamedTuple):
    id: UUID
    created_at: datetime
    task_id: UUID
    author_user_id: UUID | None
    author_agent_id: UUID | None
    message: str
    organization_id: UUID


class ApprovalRow(NamedTuple):
    id: UUID
    created_at: datetime
    organization_id: UUID
    board_id: UUID
    agent_id: UUID | None
    action_type: str
    confidence: float
    lead_reasoning: str
    status: str
    resolved_at: datetime | None


class ApprovalTaskRow(NamedTuple):
    approval_id: UUID
    task_id: UUID
    created_at: datetime
    position: int
    is_pending: bool
    organization_id: UUID


class PayloadRow(NamedTuple):
    """`headers` is JSON."""

    id: UUID
    created_at: datetime
    webhook_id: UUID
    body: bytes
    headers: str
    source_ip: str
    content_type: str
    organization_id: UUID


class EventRow(NamedTuple):
    id: UUID
    created_at: datetime
    organization_id: UUID
    event_type: str
    message: str | None
    user_id: UUID | None
    agent_id: UUID | None
    board_group_id: UUID | None
    board_id: UUID | None
    task_id: UUID | None
    subject_id: UUID | None


Row = (
    TaskRow
    | DependencyRow
    | TagRow
    | ValueRow
    | CommentRow
    | ApprovalRow
    | ApprovalTaskRow
    | PayloadRow
    | EventRow
)  # fmt: skip
# What refers to another table comes after it.
MODELS: dict[type[Row], type[Base]] = {
    TaskRow: Task,
    DependencyRow: TaskDependency,
    TagRow: TaskTag,
    ValueRow: CustomFieldValue,
    CommentRow: TaskComment,
    ApprovalRow: Approval,
    ApprovalTaskRow: ApprovalTask,
    PayloadRow: BoardWebhookPayload,
    EventRow: ActivityEvent,
}


class Batch:
    """Rows of any kind, of `tasks` tasks."""

    def __init__(self) -> None:
        self.rows: dict[type[Row], list[Row]] = {kind: [] for kind in MODELS}

    @property
    def tasks(self) -> int:
        return len(self.rows[TaskRow])

    def add(self, row: Row) -> None:
        self.rows[type(row)].append(row)


class Actor(NamedTuple):
    """A person, an agent, or, with neither, a system outside."""

    user_id: UUID | None = None
    agent_id: UUID | None = None


def id_at(moment: datetime) -> UUID:
    """Return a UUIDv7 of that moment, so that it sorts by it."""
    milliseconds = round(moment.timestamp() * 1000)
    made = uuid7(milliseconds // 1000, milliseconds % 1000 * 1_000_000)
    # As the driver's own subclass of UUID: with several of them in every row, its speed is that of the whole.
    return cast("UUID", DriverUUID(made.bytes))


def event(
    organization_id: UUID,
    moment: datetime,
    event_type: str,
    message: str | None,
    actor: Actor,
    *,
    board_group_id: UUID | None = None,
    board_id: UUID | None = None,
    task_id: UUID | None = None,
    subject_id: UUID | None = None,
) -> EventRow:
    """Return an event as `ActivityLog.record` stores it."""
    return EventRow(
        id_at(moment),
        moment,
        organization_id,
        event_type,
        message,
        actor.user_id,
        actor.agent_id,
        board_group_id,
        board_id,
        task_id,
        subject_id,
    )

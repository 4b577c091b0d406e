"""Tasks and their comments."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.schemas.shared_types import LongText, Message, Moment, Request, Title, Update
from app.schemas.tags import TagRef

TaskStatus = Literal["inbox", "in_progress", "review", "done"]
TaskPriority = Literal["low", "medium", "high"]
Ids = Annotated[list[UUID], Meta(max_length=200)]
CustomFields = Annotated[dict[str, Any], Meta(max_length=200)]


class TaskCreate(Request):
    """A new task. `created_by_user_id` is accepted but ignored: it is always the caller."""

    title: Title
    description: LongText | None = None
    status: TaskStatus = "inbox"
    priority: TaskPriority = "medium"
    due_at: Moment | None = None
    assigned_agent_id: UUID | None = None
    depends_on_task_ids: Ids = []
    tag_ids: Ids = []
    created_by_user_id: UUID | None = None
    custom_field_values: CustomFields = {}


class TaskUpdate(Update):
    """A change of a task. `comment` becomes a comment of the task. Custom fields that are not named do not change."""

    null_clears = frozenset({"assigned_agent_id", "description", "due_at"})

    title: Title | UnsetType | None = UNSET
    description: LongText | UnsetType | None = UNSET
    status: TaskStatus | UnsetType | None = UNSET
    priority: TaskPriority | UnsetType | None = UNSET
    due_at: Moment | UnsetType | None = UNSET
    assigned_agent_id: UUID | UnsetType | None = UNSET
    depends_on_task_ids: Ids | UnsetType | None = UNSET
    tag_ids: Ids | UnsetType | None = UNSET
    custom_field_values: CustomFields | UnsetType | None = UNSET
    comment: Message | UnsetType | None = UNSET


class TaskRead(msgspec.Struct, kw_only=True):
    """A task. `custom_field_values` has every custom field of the board, null if the task has no value."""

    id: UUID
    board_id: UUID
    created_by_user_id: UUID | None
    title: str
    description: str | None
    status: TaskStatus
    priority: TaskPriority
    due_at: Moment | None
    in_progress_at: Moment | None
    assigned_agent_id: UUID | None
    depends_on_task_ids: list[UUID]
    blocked_by_task_ids: list[UUID]
    is_blocked: bool
    tag_ids: list[UUID]
    tags: list[TagRef]
    custom_field_values: dict[str, Any]
    created_at: Moment
    updated_at: Moment


class TaskCommentCreate(Request):
    message: Message


class TaskCommentRead(msgspec.Struct, kw_only=True):
    id: UUID
    message: str | None
    agent_id: UUID | None
    task_id: UUID | None
    created_at: Moment

"""Events of the activity, and the feed of comments."""

from uuid import UUID

import msgspec

from app.schemas.shared_types import Moment


class ActivityEventRead(msgspec.Struct, kw_only=True):
    """An event. `route_name` is the operation that reads the changed object; `route_params` are its path parameters."""

    id: UUID
    event_type: str
    message: str | None
    agent_id: UUID | None
    task_id: UUID | None
    board_id: UUID | None
    route_name: str | None
    route_params: dict[str, str] | None
    created_at: Moment


class ActivityTaskCommentFeedItemRead(msgspec.Struct, kw_only=True):
    id: UUID
    created_at: Moment
    message: str | None
    agent_id: UUID | None
    agent_name: str | None
    agent_role: str | None
    task_id: UUID
    task_title: str
    board_id: UUID
    board_name: str

"""Boards."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.schemas.shared_types import LongText, Moment, Name, Request, ShortText, Slug, Update

MaxAgents = Annotated[int, Meta(ge=0, le=10_000)]


class BoardCreate(Request):
    name: Name
    slug: Slug
    description: LongText
    board_group_id: UUID | None = None
    board_type: ShortText = "goal"
    objective: LongText | None = None
    success_metrics: dict[str, Any] | None = None
    target_date: Moment | None = None
    goal_confirmed: bool = False
    goal_source: ShortText | None = None
    require_approval_for_done: bool = False
    require_review_before_done: bool = False
    comment_required_for_review: bool = False
    block_status_changes_with_pending_approval: bool = False
    only_lead_can_change_status: bool = False
    max_agents: MaxAgents = 1


class BoardUpdate(Update):
    null_clears = frozenset({"board_group_id", "goal_source", "objective", "success_metrics", "target_date"})

    name: Name | UnsetType | None = UNSET
    slug: Slug | UnsetType | None = UNSET
    description: LongText | UnsetType | None = UNSET
    board_group_id: UUID | UnsetType | None = UNSET
    board_type: ShortText | UnsetType | None = UNSET
    objective: LongText | UnsetType | None = UNSET
    success_metrics: dict[str, Any] | UnsetType | None = UNSET
    target_date: Moment | UnsetType | None = UNSET
    goal_confirmed: bool | UnsetType | None = UNSET
    goal_source: ShortText | UnsetType | None = UNSET
    require_approval_for_done: bool | UnsetType | None = UNSET
    require_review_before_done: bool | UnsetType | None = UNSET
    comment_required_for_review: bool | UnsetType | None = UNSET
    block_status_changes_with_pending_approval: bool | UnsetType | None = UNSET
    only_lead_can_change_status: bool | UnsetType | None = UNSET
    max_agents: MaxAgents | UnsetType | None = UNSET


class BoardRead(msgspec.Struct, kw_only=True):
    id: UUID
    organization_id: UUID
    name: str
    slug: str
    description: str
    board_group_id: UUID | None
    board_type: str
    objective: str | None
    success_metrics: dict[str, Any] | None
    target_date: Moment | None
    goal_confirmed: bool
    goal_source: str | None
    require_approval_for_done: bool
    require_review_before_done: bool
    comment_required_for_review: bool
    block_status_changes_with_pending_approval: bool
    only_lead_can_change_status: bool
    max_agents: int
    created_at: Moment
    updated_at: Moment

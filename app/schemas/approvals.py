"""Approvals."""

from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.schemas.shared_types import LongText, Moment, Name, Request
from app.schemas.tasks import Ids

ApprovalStatus = Literal["pending", "approved", "rejected"]
Confidence = Annotated[float, Meta(ge=0, le=100, description="A percentage.")]
RubricScores = dict[str, Annotated[int, Meta(ge=-(2**31), le=2**31)]]


class ApprovalCreate(Request):
    """A new approval. `task_id` is put before `task_ids`. An agent creates it for itself, and pending."""

    action_type: Name
    confidence: Confidence
    task_id: UUID | None = None
    task_ids: Ids = []
    payload: dict[str, Any] | None = None
    rubric_scores: RubricScores | None = None
    status: ApprovalStatus = "pending"
    agent_id: UUID | None = None
    lead_reasoning: LongText | None = None


class ApprovalUpdate(Request):
    status: ApprovalStatus | UnsetType | None = UNSET


class ApprovalRead(msgspec.Struct, kw_only=True):
    """An approval. `task_id` is the first of `task_ids`; `task_titles` are in the same order."""

    id: UUID
    board_id: UUID
    action_type: str
    task_id: UUID | None
    task_ids: list[UUID]
    task_titles: list[str]
    payload: dict[str, Any] | None
    confidence: float
    rubric_scores: dict[str, int] | None
    status: ApprovalStatus
    agent_id: UUID | None
    created_at: Moment
    resolved_at: Moment | None

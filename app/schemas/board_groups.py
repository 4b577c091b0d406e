"""Board groups."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.schemas.shared_types import NOT_BLANK, LongText, Moment, Name, Request, Slug, Update

Pace = Annotated[str, Meta(min_length=1, max_length=32, pattern=NOT_BLANK, examples=["10m"])]


class BoardGroupCreate(Request):
    name: Name
    slug: Slug
    description: LongText | None = None


class BoardGroupUpdate(Update):
    null_clears = frozenset({"description"})

    name: Name | UnsetType | None = UNSET
    slug: Slug | UnsetType | None = UNSET
    description: LongText | UnsetType | None = UNSET


class BoardGroupHeartbeatApply(Request):
    """The pace at which agents of a group report. It becomes `every` in their `heartbeat_config`."""

    every: Pace
    include_board_leads: bool = False


class BoardGroupHeartbeatApplyResult(msgspec.Struct, kw_only=True):
    """The agents whose pace was set. Agents on boards that you may read, but not write, are those that failed."""

    board_group_id: UUID
    requested: dict[str, Any]
    updated_agent_ids: list[UUID]
    failed_agent_ids: list[UUID]


class BoardGroupRead(msgspec.Struct, kw_only=True):
    id: UUID
    organization_id: UUID
    name: str
    slug: str
    description: str | None
    created_at: Moment
    updated_at: Moment

"""Agents."""

from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from app.schemas.shared_types import Message, Moment, Name, Request, ShortText, Update


class AgentCreate(Request):
    name: Name
    board_id: UUID | None = None
    status: ShortText = "provisioning"
    heartbeat_config: dict[str, Any] | None = None
    identity_profile: dict[str, Any] | None = None


class AgentUpdate(Update):
    null_clears = frozenset({"board_id", "heartbeat_config", "identity_profile"})

    board_id: UUID | UnsetType | None = UNSET
    name: Name | UnsetType | None = UNSET
    status: ShortText | UnsetType | None = UNSET
    heartbeat_config: dict[str, Any] | UnsetType | None = UNSET
    identity_profile: dict[str, Any] | UnsetType | None = UNSET


class AgentHeartbeat(Request):
    status: ShortText | None = None


class AgentHeartbeatCreate(Request):
    name: Name
    status: ShortText | None = None
    board_id: UUID | None = None


class AgentNudge(Request):
    message: Message


class AgentRead(msgspec.Struct, kw_only=True):
    """An agent. `status` is what it last reported; before that `provisioning`, and `offline` once it is silent."""

    id: UUID
    board_id: UUID | None
    name: str
    status: str
    heartbeat_config: dict[str, Any] | None
    identity_profile: dict[str, Any] | None
    is_board_lead: bool
    last_seen_at: Moment | None
    created_at: Moment
    updated_at: Moment


class AgentWithToken(AgentRead, kw_only=True):
    """An agent with its token, which is shown only here; null if the agent existed before."""

    token: str | None


class OkResponse(msgspec.Struct, kw_only=True):
    ok: bool = True


class AgentHealthStatusResponse(msgspec.Struct, kw_only=True):
    ok: bool
    agent_id: UUID
    board_id: UUID | None
    status: str
    is_board_lead: bool

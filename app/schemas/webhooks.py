"""Webhooks and their payloads."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from app.schemas.shared_types import END, NOT_BLANK, Moment, Request, Update

Description = Annotated[str, Meta(min_length=1, max_length=2000, pattern=NOT_BLANK)]
WebhookSecret = Annotated[str, Meta(min_length=1, max_length=500)]
HeaderName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=100,
        pattern=rf"^[!#$%&'*+.^_`|~0-9A-Za-z-]+{END}",
        description="The name of a header (RFC 9110, 5.1).",
    ),
]


class BoardWebhookCreate(Request):
    """A new webhook. With a `secret`, requests must have the HMAC-SHA256 of their body in the `signature_header`."""

    description: Description
    enabled: bool = True
    agent_id: UUID | None = None
    secret: WebhookSecret | None = None
    signature_header: HeaderName | None = None


class BoardWebhookUpdate(Update):
    """A change of a webhook. A null `secret` removes it; a null `signature_header` is the default one."""

    null_clears = frozenset({"agent_id", "secret", "signature_header"})

    description: Description | UnsetType | None = UNSET
    enabled: bool | UnsetType | None = UNSET
    agent_id: UUID | UnsetType | None = UNSET
    secret: WebhookSecret | UnsetType | None = UNSET
    signature_header: HeaderName | UnsetType | None = UNSET


class BoardWebhookRead(msgspec.Struct, kw_only=True):
    """A webhook. `endpoint_url` is set if PUBLIC_BASE_URL is. The secret is never shown."""

    id: UUID
    board_id: UUID
    agent_id: UUID | None
    description: str
    enabled: bool
    has_secret: bool
    signature_header: str
    endpoint_path: str
    endpoint_url: str | None
    created_at: Moment
    updated_at: Moment


class BoardWebhookIngestResponse(msgspec.Struct, kw_only=True):
    board_id: UUID
    webhook_id: UUID
    payload_id: UUID
    ok: bool = True


class BoardWebhookPayloadRead(msgspec.Struct, kw_only=True):
    """A received request. `payload` is its body: JSON as it is, anything else as text."""

    id: UUID
    board_id: UUID
    webhook_id: UUID
    payload: Any
    headers: dict[str, str] | None
    source_ip: str | None
    content_type: str | None
    received_at: Moment

"""Webhooks of a board, and what came in by them."""

from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text, true
from sqlalchemy.orm import Mapped, mapped_column

from app.migrator.partitions.tables import PARTITIONED_BY_MONTH
from app.models.base import Base, CreatedInMonth, Identified, Timestamped

SIGNATURE_HEADER = "X-Signature-256"


class BoardWebhook(Identified, Timestamped, Base):
    """A webhook; `secret` is stored as it is, since a signature can be checked in no other way. Nothing shows it."""

    __tablename__ = "board_webhooks"
    __table_args__ = (
        Index(None, "board_id", "created_at", "id"),
        Index(None, "agent_id", postgresql_where=text("agent_id IS NOT NULL")),
    )

    board_id: Mapped[UUID] = mapped_column(ForeignKey("boards.id", ondelete="CASCADE"))
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    description: Mapped[str]
    enabled: Mapped[bool] = mapped_column(default=True, server_default=true())
    secret: Mapped[str | None]
    signature_header: Mapped[str] = mapped_column(default=SIGNATURE_HEADER, server_default=SIGNATURE_HEADER)
    organization_id: Mapped[UUID]


class BoardWebhookPayload(Identified, CreatedInMonth, Base):
    """A request that came in, byte by byte; `headers` has those without credentials, by names in lower case."""

    __tablename__ = "board_webhook_payloads"
    __table_args__ = (Index(None, "webhook_id", "created_at", "id"), PARTITIONED_BY_MONTH)

    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("board_webhooks.id", ondelete="CASCADE"))
    body: Mapped[bytes]
    headers: Mapped[dict[str, Any]]
    source_ip: Mapped[str | None]
    content_type: Mapped[str | None]
    organization_id: Mapped[UUID]

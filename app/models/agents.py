"""Agents, programs that work on a board as people do."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Timestamped


class AgentStatus(StrEnum):
    """The state of an agent, by its own word; before a heartbeat it is provisioning, after a silence offline."""

    PROVISIONING = "provisioning"
    ONLINE = "online"
    OFFLINE = "offline"


class Agent(Identified, Timestamped, Base):
    """An agent, of whose token `token_hash` is the SHA-256. The first agent of a board is its only lead."""

    __tablename__ = "agents"
    __table_args__ = (
        Index(None, "organization_id", "created_at", "id"),
        Index(None, "board_id", "created_at", "id"),
        Index("uq_agents_board_id_lead", "board_id", unique=True, postgresql_where=text("is_board_lead")),
    )

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    board_id: Mapped[UUID | None] = mapped_column(ForeignKey("boards.id", ondelete="CASCADE"))
    name: Mapped[str]
    status: Mapped[str] = mapped_column(default=AgentStatus.PROVISIONING, server_default=AgentStatus.PROVISIONING.value)
    heartbeat_config: Mapped[dict[str, Any] | None]
    identity_profile: Mapped[dict[str, Any] | None]
    is_board_lead: Mapped[bool] = mapped_column(default=False, server_default=false())
    last_seen_at: Mapped[datetime | None]
    token_hash: Mapped[bytes] = mapped_column(unique=True)

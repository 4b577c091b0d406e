"""Memory of boards, and of groups of boards; the chat is the part of it that is tagged so."""

from uuid import UUID

from sqlalchemy import ARRAY, Computed, ForeignKey, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Created, Identified

_IS_CHAT = "coalesce('chat' = ANY (tags), false)"


class BoardMemory(Identified, Created, Base):
    __tablename__ = "board_memory"
    __table_args__ = (
        Index(None, "board_id", "created_at", "id"),
        Index(None, "board_id", "is_chat", "created_at", "id"),
    )

    board_id: Mapped[UUID] = mapped_column(ForeignKey("boards.id", ondelete="CASCADE"))
    content: Mapped[str]
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    source: Mapped[str | None]
    is_chat: Mapped[bool] = mapped_column(Computed(_IS_CHAT, persisted=True))
    organization_id: Mapped[UUID]


class BoardGroupMemory(Identified, Created, Base):
    __tablename__ = "board_group_memory"
    __table_args__ = (
        Index(None, "board_group_id", "created_at", "id"),
        Index(None, "board_group_id", "is_chat", "created_at", "id"),
    )

    board_group_id: Mapped[UUID] = mapped_column(ForeignKey("board_groups.id", ondelete="CASCADE"))
    content: Mapped[str]
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    source: Mapped[str | None]
    is_chat: Mapped[bool] = mapped_column(Computed(_IS_CHAT, persisted=True))
    organization_id: Mapped[UUID]

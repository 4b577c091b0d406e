"""Boards, with the rules for their tasks."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, false, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Timestamped


class Board(Identified, Timestamped, Base):
    __tablename__ = "boards"
    __table_args__ = (
        UniqueConstraint("organization_id", "slug"),
        CheckConstraint("max_agents >= 0", name="max_agents"),
        Index(None, "board_group_id", postgresql_where=text("board_group_id IS NOT NULL")),
        Index(
            "ix_boards_search",
            # As PostgreSQL writes it: Alembic compares the texts.
            text("to_tsvector('english'::regconfig, (name || ' '::text) || COALESCE(description, ''::text))"),
            postgresql_using="gin",
        ),
    )

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    name: Mapped[str]
    slug: Mapped[str]
    description: Mapped[str]
    board_type: Mapped[str] = mapped_column(default="goal", server_default="goal")
    objective: Mapped[str | None]
    success_metrics: Mapped[dict[str, Any] | None]
    target_date: Mapped[datetime | None]
    goal_confirmed: Mapped[bool] = mapped_column(default=False, server_default=false())
    goal_source: Mapped[str | None]
    require_approval_for_done: Mapped[bool] = mapped_column(default=False, server_default=false())
    require_review_before_done: Mapped[bool] = mapped_column(default=False, server_default=false())
    comment_required_for_review: Mapped[bool] = mapped_column(default=False, server_default=false())
    block_status_changes_with_pending_approval: Mapped[bool] = mapped_column(default=False, server_default=false())
    only_lead_can_change_status: Mapped[bool] = mapped_column(default=False, server_default=false())
    max_agents: Mapped[int] = mapped_column(default=1, server_default="1")
    board_group_id: Mapped[UUID | None] = mapped_column(ForeignKey("board_groups.id", ondelete="SET NULL"))

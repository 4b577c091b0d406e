"""Approvals, which wait for a person's yes or no."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, false, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Created, Identified


class ApprovalStatus(StrEnum):
    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"


class Approval(Identified, Created, Base):
    """An approval; pending becomes approved or rejected once, at `resolved_at`. `confidence` is 0 to 100."""

    __tablename__ = "approvals"
    __table_args__ = (
        CheckConstraint("status IN ('pending', 'approved', 'rejected')", name="status"),
        CheckConstraint("confidence BETWEEN 0 AND 100", name="confidence"),
        CheckConstraint("(status = 'pending') = (resolved_at IS NULL)", name="resolved"),
        Index(None, "board_id", "created_at", "id"),
        Index(None, "organization_id", "created_at", postgresql_where=text("status = 'pending'")),
    )

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    board_id: Mapped[UUID] = mapped_column(ForeignKey("boards.id", ondelete="CASCADE"))
    agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"), index=True)
    action_type: Mapped[str]
    payload: Mapped[dict[str, Any] | None]
    confidence: Mapped[float]
    rubric_scores: Mapped[dict[str, Any] | None]
    lead_reasoning: Mapped[str | None]
    status: Mapped[str] = mapped_column(default=ApprovalStatus.PENDING, server_default=ApprovalStatus.PENDING.value)
    resolved_at: Mapped[datetime | None]


class ApprovalTask(Created, Base):
    """A task that an approval names; `is_pending` repeats the status, so that one pending approval names a task."""

    __tablename__ = "approval_tasks"
    __table_args__ = (
        Index("uq_approval_tasks_task_id_pending", "task_id", unique=True, postgresql_where=text("is_pending")),
    )

    approval_id: Mapped[UUID] = mapped_column(
        ForeignKey("approvals.id", ondelete="CASCADE"), primary_key=True, sort_order=-40
    )
    task_id: Mapped[UUID] = mapped_column(
        ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True, index=True, sort_order=-39
    )
    position: Mapped[int] = mapped_column(BigInteger)
    is_pending: Mapped[bool] = mapped_column(default=False, server_default=false())
    organization_id: Mapped[UUID]

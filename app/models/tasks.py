"""Tasks, with what they wait for, their tags and comments."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Created, Identified, Timestamped


class TaskStatus(StrEnum):
    INBOX = "inbox"
    IN_PROGRESS = "in_progress"
    REVIEW = "review"
    DONE = "done"


class TaskPriority(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Task(Identified, Timestamped, Base):
    __tablename__ = "tasks"
    __table_args__ = (
        CheckConstraint("status IN ('inbox', 'in_progress', 'review', 'done')", name="status"),
        CheckConstraint("priority IN ('low', 'medium', 'high')", name="priority"),
        Index(None, "board_id", "created_at", "id"),
        Index(None, "board_id", "status", "created_at", "id"),
        Index(None, "assigned_agent_id", postgresql_where=text("assigned_agent_id IS NOT NULL")),
        Index(
            "ix_tasks_search",
            # As PostgreSQL writes it: Alembic compares the texts.
            text("to_tsvector('english'::regconfig, (title || ' '::text) || COALESCE(description, ''::text))"),
            postgresql_using="gin",
        ),
    )

    board_id: Mapped[UUID] = mapped_column(ForeignKey("boards.id", ondelete="CASCADE"))
    created_by_user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    title: Mapped[str]
    description: Mapped[str | None]
    status: Mapped[str] = mapped_column(default=TaskStatus.INBOX, server_default=TaskStatus.INBOX.value)
    priority: Mapped[str] = mapped_column(default=TaskPriority.MEDIUM, server_default=TaskPriority.MEDIUM.value)
    in_progress_at: Mapped[datetime | None]
    due_at: Mapped[datetime | None]
    assigned_agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    organization_id: Mapped[UUID]


class TaskDependency(Created, Base):
    """The task `task_id` waits for `depends_on_task_id`, on the same board."""

    __tablename__ = "task_dependencies"
    __table_args__ = (CheckConstraint("task_id <> depends_on_task_id", name="not_itself"),)

    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True, sort_order=-40)
    depends_on_task_id: Mapped[UUID] = mapped_column(
        ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True, index=True, sort_order=-39
    )
    organization_id: Mapped[UUID]


class TaskTag(Created, Base):
    __tablename__ = "task_tags"

    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True, sort_order=-40)
    tag_id: Mapped[UUID] = mapped_column(
        ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True, index=True, sort_order=-39
    )
    organization_id: Mapped[UUID]


class TaskComment(Identified, Created, Base):
    __tablename__ = "task_comments"
    __table_args__ = (
        Index(None, "task_id", "created_at", "id"),
        Index(None, "author_agent_id", postgresql_where=text("author_agent_id IS NOT NULL")),
    )

    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"))
    author_user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    message: Mapped[str]
    author_agent_id: Mapped[UUID | None] = mapped_column(ForeignKey("agents.id", ondelete="SET NULL"))
    organization_id: Mapped[UUID]

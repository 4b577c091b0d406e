"""The activity: what happened, for lists and for streams."""

from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from app.migrator.partitions.tables import PARTITIONED_BY_MONTH
from app.models.base import Base, CreatedInMonth, Identified


class ActivityEvent(Identified, CreatedInMonth, Base):
    """One change, stored by the transaction that made it.

    There are no foreign keys: an event outlives what it is about. `user_id` or `agent_id` did it; `subject_id` is what
    was changed where that is no group, board or task. By `transaction_id` a reader of a stream knows what has become
    visible since its last poll: times and ids are given before the commit, and transactions commit in another order.
    """

    __tablename__ = "activity_events"
    __table_args__ = (
        Index(None, "organization_id", "created_at", "id"),
        Index(None, "board_id", "created_at", "id"),
        Index(None, "organization_id", "transaction_id"),
        Index(
            "ix_activity_events_comments",
            "organization_id",
            "created_at",
            "id",
            postgresql_where=text("event_type = 'task.commented'"),
        ),
        PARTITIONED_BY_MONTH,
    )

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    event_type: Mapped[str]
    message: Mapped[str | None]
    user_id: Mapped[UUID | None]
    agent_id: Mapped[UUID | None]
    board_group_id: Mapped[UUID | None]
    board_id: Mapped[UUID | None]
    task_id: Mapped[UUID | None]
    subject_id: Mapped[UUID | None]
    transaction_id: Mapped[int] = mapped_column(BigInteger, server_default=text("pg_current_xact_id()::text::bigint"))

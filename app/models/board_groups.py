"""Groups of boards, which are read together."""

from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Timestamped


class BoardGroup(Identified, Timestamped, Base):
    """A group of boards; a board is in one or in none, and outlives it."""

    __tablename__ = "board_groups"
    __table_args__ = (
        UniqueConstraint("organization_id", "slug"),
        Index(None, "organization_id", "created_at", "id"),
    )

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    name: Mapped[str]
    slug: Mapped[str]
    description: Mapped[str | None]

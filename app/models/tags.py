"""Tags, an organization's labels for tasks."""

from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Timestamped


class Tag(Identified, Timestamped, Base):
    """A tag; `color` is six hexadecimal digits, RRGGBB."""

    __tablename__ = "tags"
    __table_args__ = (UniqueConstraint("organization_id", "slug"),)

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    name: Mapped[str]
    slug: Mapped[str]
    color: Mapped[str] = mapped_column(default="9e9e9e", server_default="9e9e9e")
    description: Mapped[str | None]

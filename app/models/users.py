"""People who sign in."""

from uuid import UUID

from sqlalchemy import ForeignKey, false
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Timestamped


class User(Identified, Timestamped, Base):
    """A user; `subject` is the name that the sign-in gives them, "local" for the shared token."""

    __tablename__ = "users"

    subject: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str | None]
    name: Mapped[str | None]
    preferred_name: Mapped[str | None]
    pronouns: Mapped[str | None]
    timezone: Mapped[str | None]
    notes: Mapped[str | None]
    context: Mapped[str | None]
    is_super_admin: Mapped[bool] = mapped_column(default=False, server_default=false())
    active_organization_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("organizations.id", ondelete="SET NULL"), index=True
    )

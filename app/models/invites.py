"""Invites into an organization."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Identified, Timestamped
from app.models.organizations import Role


class OrganizationInvite(Identified, Timestamped, Base):
    """An invite; `accepted_at` is set once it was used, and `accepted_by_user_id` is cleared with the user.

    Its token is made of `token_seed` and a key that is not in the database (`core/security.py`).
    """

    __tablename__ = "organization_invites"
    __table_args__ = (
        CheckConstraint("role IN ('owner', 'admin', 'member')", name="role"),
        Index(None, "organization_id", "created_at", "id"),
    )

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    invited_email: Mapped[str]
    role: Mapped[str] = mapped_column(default=Role.MEMBER, server_default=Role.MEMBER.value)
    all_boards_read: Mapped[bool] = mapped_column(default=False, server_default=false())
    all_boards_write: Mapped[bool] = mapped_column(default=False, server_default=false())
    token_seed: Mapped[bytes]
    expires_at: Mapped[datetime]
    created_by_user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    accepted_by_user_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id", ondelete="SET NULL"), index=True)
    accepted_at: Mapped[datetime | None]


class InviteBoardAccess(Identified, Timestamped, Base):
    """A grant on one board for who accepts the invite."""

    __tablename__ = "invite_board_access"
    __table_args__ = (UniqueConstraint("organization_invite_id", "board_id"),)

    organization_invite_id: Mapped[UUID] = mapped_column(ForeignKey("organization_invites.id", ondelete="CASCADE"))
    board_id: Mapped[UUID] = mapped_column(ForeignKey("boards.id", ondelete="CASCADE"), index=True)
    can_read: Mapped[bool] = mapped_column(default=True, server_default="true")
    can_write: Mapped[bool] = mapped_column(default=False, server_default=false())
    organization_id: Mapped[UUID]

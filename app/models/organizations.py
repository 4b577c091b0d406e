"""Organizations, who belongs to them, and which boards a member may see."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint, false
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, Identified, Timestamped
from app.models.users import User


class Role(StrEnum):
    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


class Organization(Identified, Timestamped, Base):
    __tablename__ = "organizations"

    name: Mapped[str]


class OrganizationMember(Identified, Timestamped, Base):
    """A user's place in an organization; owners and admins may use all boards, whatever the grants say."""

    __tablename__ = "organization_members"
    __table_args__ = (
        UniqueConstraint("organization_id", "user_id"),
        CheckConstraint("role IN ('owner', 'admin', 'member')", name="role"),
    )

    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id", ondelete="CASCADE"))
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    role: Mapped[str] = mapped_column(default=Role.MEMBER, server_default=Role.MEMBER.value)
    all_boards_read: Mapped[bool] = mapped_column(default=False, server_default=false())
    all_boards_write: Mapped[bool] = mapped_column(default=False, server_default=false())

    user: Mapped[User] = relationship(lazy="raise")
    board_access: Mapped[list["BoardAccess"]] = relationship(
        lazy="raise", order_by="BoardAccess.id", passive_deletes=True
    )


class BoardAccess(Identified, Timestamped, Base):
    """A member's grant on one board; `can_write` includes reading."""

    __tablename__ = "board_access"
    __table_args__ = (UniqueConstraint("organization_member_id", "board_id"),)

    organization_member_id: Mapped[UUID] = mapped_column(ForeignKey("organization_members.id", ondelete="CASCADE"))
    board_id: Mapped[UUID] = mapped_column(ForeignKey("boards.id", ondelete="CASCADE"), index=True)
    can_read: Mapped[bool] = mapped_column(default=True, server_default="true")
    can_write: Mapped[bool] = mapped_column(default=False, server_default=false())
    organization_id: Mapped[UUID]

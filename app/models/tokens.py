"""Personal access tokens, which people give to programs that act in their name."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Created, Identified


class TokenScope(StrEnum):
    """The share of a person's rights that the bearer of a token has."""

    READ = "read"
    WRITE = "write"


class PersonalToken(Identified, Created, Base):
    """A personal access token, of which `token_hash` is the SHA-256. A revoked token is deleted."""

    __tablename__ = "personal_tokens"
    __table_args__ = (
        CheckConstraint("scope IN ('read', 'write')", name="scope"),
        Index(None, "user_id", "created_at", "id"),
    )

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    name: Mapped[str]
    scope: Mapped[str]
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]

"""Answers to requests with an `Idempotency-Key`."""

from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Created


class IdempotentResponse(Created, Base):
    """The answer to a caller's request with a key; hashes of key and request are kept.

    `response` is encrypted with the key, which is not stored: the answer may hold a token that is shown once.
    """

    __tablename__ = "idempotent_responses"
    __table_args__ = (Index(None, "created_at"),)

    caller_id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-40)
    key_hash: Mapped[bytes] = mapped_column(primary_key=True, sort_order=-39)
    request_hash: Mapped[bytes]
    response: Mapped[bytes]

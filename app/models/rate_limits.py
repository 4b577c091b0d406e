"""Counts for rate limits, for all processes together."""

from datetime import datetime

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base


class RateLimit(Base):
    """A count since `began_at`; `key` is a hash of what is counted, and of whose."""

    __tablename__ = "rate_limits"

    key: Mapped[bytes] = mapped_column(primary_key=True)
    began_at: Mapped[datetime] = mapped_column(index=True)
    count: Mapped[int] = mapped_column(BigInteger)

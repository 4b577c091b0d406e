"""Locking a row of any kind, for what is compared before it is changed."""

from app.repositories.base import lock_row

__all__ = ("lock_row",)

"""The name by which applied backfills, which are not edited any more, import `Backfill`."""

from app.migrator.backfill import Backfill

__all__ = ("Backfill",)

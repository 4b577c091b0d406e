"""The activity that a caller may read: events, and comments on tasks."""

from collections.abc import Sequence
from uuid import UUID

from app.core.pagination import Slice, Window
from app.models import ActivityEvent
from app.repositories.activity import COMMENTED, STATUS_CHANGED, ActivityRepository, FeedItem, status_change
from app.services.base import Service

__all__ = ("COMMENTED", "STATUS_CHANGED", "ActivityService", "FeedItem", "status_change")


class ActivityService(Service):
    async def page(self, window: Window) -> Slice:
        """Return what happened, newest first."""
        return await ActivityRepository(session=self._session).page(self._caller.access, window)

    async def page_comments(self, board_id: UUID | None, window: Window) -> Slice:
        """Return comments as FeedItems, newest first; with a board those on its tasks."""
        return await ActivityRepository(session=self._session).page_comments(self._caller.access, board_id, window)

    async def feed_items(self, events: Sequence[ActivityEvent]) -> list[FeedItem]:
        """Return the items of these comments, in this order, without those whose task is gone by now."""
        return await ActivityRepository(session=self._session).feed_items(events)

"""The base of the services that controllers get, and the lock of one row for what is compared before it is changed."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.repositories.base import lock_row
from app.services.activity_log import ActivityLog
from app.services.callers import Caller

__all__ = ("Service", "lock_row")


class Service:
    """The work of a caller on one kind of resource, in the transaction of one session."""

    def __init__(self, session: AsyncSession, caller: Caller) -> None:
        self._session = session
        self._caller = caller

    def _activity_of(self, organization_id: UUID) -> ActivityLog:
        return ActivityLog(self._session, self._caller, organization_id)

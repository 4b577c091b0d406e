"""Recording what a caller does, in the transaction in which they do it."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.repositories.activity import ActivityRepository
from app.services.callers import Caller


class ActivityLog:
    def __init__(self, session: AsyncSession, caller: Caller, organization_id: UUID) -> None:
        self._repository = ActivityRepository(session=session)
        self._caller = caller
        self._organization_id = organization_id

    async def record(
        self,
        event_type: str,
        message: str | None = None,
        *,
        board_group_id: UUID | None = None,
        board_id: UUID | None = None,
        task_id: UUID | None = None,
        subject_id: UUID | None = None,
    ) -> None:
        """Store an event. `event_type` says what was changed and how: `task.created`.

        `subject_id` is what was changed where that is no group, board or task. With `board_group_id` the event is shown
        to those who may read the group.
        """
        await self._repository.add_row(
            self._organization_id,
            event_type,
            message=message,
            user_id=self._caller.user_id,
            agent_id=self._caller.agent_id,
            board_group_id=board_group_id,
            board_id=board_id,
            task_id=task_id,
            subject_id=subject_id,
        )

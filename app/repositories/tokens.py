"""Personal access tokens."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select, update

from app.core.pagination import Slice, Window
from app.models import PersonalToken
from app.repositories.base import Repository
from app.repositories.callers import Bearer
from app.repositories.keyset import read_slice
from app.repositories.sorting import Ordering

_ORDER = Ordering("personal tokens", PersonalToken)
_USE_RECORDED_EVERY = timedelta(minutes=1)


class TokenRepository(Repository[PersonalToken]):
    model_type = PersonalToken

    async def page(self, user_id: UUID, window: Window) -> Slice:
        """Return the user's tokens, newest first: expired ones too."""
        statement = select(PersonalToken).where(PersonalToken.user_id == user_id)
        return await read_slice(self.session, statement, _ORDER, window)

    async def list_of_user(self, user_id: UUID) -> Sequence[PersonalToken]:
        """Return all tokens of the user, oldest first."""
        return await self.get_many(
            user_id=user_id, order_by=[(PersonalToken.created_at, False), (PersonalToken.id, False)]
        )

    async def record_use(self, token: Bearer) -> None:
        """Record that the token is used: once a minute at most, and without waiting for another request that does."""
        now = datetime.now(UTC)
        if token.last_used_at is not None and now - token.last_used_at < _USE_RECORDED_EVERY:
            return
        is_due = or_(PersonalToken.last_used_at.is_(None), PersonalToken.last_used_at <= now - _USE_RECORDED_EVERY)
        free = select(PersonalToken.id).where(PersonalToken.id == token.id, is_due).with_for_update(skip_locked=True)
        statement = update(PersonalToken).where(PersonalToken.id.in_(free)).values(last_used_at=now)
        await self.session.execute(statement.execution_options(synchronize_session=False))

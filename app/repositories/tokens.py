"""Personal access tokens."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select, update

from app.core.paging import Slice, Window
from app.models import PersonalToken
from app.repositories.base import Repository
from app.repositories.callers import Bearer
from app.repositories.keyset import read_slice
from app.repositories.sorting import Ordering

_ORDER = Ordering("personal tokens", PersonalToken)
_USE_NOTED_EVERY = timedelta(minutes=1)


class TokenRepository(Repository[PersonalToken]):
    model_type = PersonalToken

    async def store(self, token: PersonalToken) -> PersonalToken:
        self.session.add(token)
        await self.session.flush()
        return token

    async def page(self, user_id: UUID, window: Window) -> Slice:
        """His, newest first: expired ones too."""
        return await read_slice(
            self.session, select(PersonalToken).where(PersonalToken.user_id == user_id), _ORDER, window
        )

    async def of_user(self, user_id: UUID) -> Sequence[PersonalToken]:
        """All of his, oldest first."""
        statement = select(PersonalToken).where(PersonalToken.user_id == user_id)
        return (await self.session.scalars(statement.order_by(PersonalToken.created_at, PersonalToken.id))).all()

    async def find(self, user_id: UUID, token_id: UUID) -> PersonalToken | None:
        statement = select(PersonalToken).where(PersonalToken.user_id == user_id, PersonalToken.id == token_id)
        return (await self.session.scalars(statement)).one_or_none()

    async def note_use(self, token: Bearer) -> None:
        """At most once a minute, and never waiting for another request that notes it."""
        now = datetime.now(UTC)
        if token.last_used_at is not None and now - token.last_used_at < _USE_NOTED_EVERY:
            return
        stale = or_(PersonalToken.last_used_at.is_(None), PersonalToken.last_used_at <= now - _USE_NOTED_EVERY)
        free = select(PersonalToken.id).where(PersonalToken.id == token.id, stale).with_for_update(skip_locked=True)
        statement = update(PersonalToken).where(PersonalToken.id.in_(free)).values(last_used_at=now)
        await self.session.execute(statement.execution_options(synchronize_session=False))

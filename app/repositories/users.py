"""Users."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Text, cast, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from app.models import PersonalToken, User
from app.repositories.base import Repository


class UserRepository(Repository[User]):
    model_type = User

    async def find_known_as(self, name: str) -> Sequence[User]:
        """Those with this id, subject or e-mail address (in any case)."""
        is_it = or_(cast(User.id, Text) == name.lower(), User.subject == name, func.lower(User.email) == name.lower())
        return (await self.session.scalars(select(User).where(is_it).order_by(User.created_at, User.id))).all()

    async def every(self) -> Sequence[tuple[User, int]]:
        """The users, oldest first, each with the number of his tokens."""
        tokens = select(func.count()).where(PersonalToken.user_id == User.id).scalar_subquery()
        rows = await self.session.execute(select(User, tokens).order_by(User.created_at, User.id))
        return [(user, count) for user, count in rows]

    async def change(self, user_id: UUID, changes: Mapping[str, Any]) -> None:
        """Raises NotFoundError where he is gone by now."""
        user = await self.get(user_id)
        for name, value in changes.items():
            setattr(user, name, value)
        await self.session.flush()

    async def lock(self, user_id: UUID) -> None:
        """Until the transaction ends, nothing new can refer to the user."""
        await self.session.execute(select(User.id).where(User.id == user_id).with_for_update())

    async def add_if_absent(self, user: User) -> bool:
        """Stores the user unless his subject has one; waits for a transaction that is just making the same."""
        values = {"id": user.id, "subject": user.subject, "name": user.name, "email": user.email}
        statement = insert(User).values(values).on_conflict_do_nothing(index_elements=[User.subject])
        result = await self.session.execute(statement.returning(User.id))
        return result.scalar_one_or_none() is not None

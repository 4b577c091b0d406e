"""Users."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Text, cast, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from app.models import PersonalToken, User
from app.repositories.base import Repository


class UserRepository(Repository[User]):
    model_type = User

    async def list_known_as(self, name: str) -> Sequence[User]:
        """Return the users with this id, subject or e-mail address (in any case), oldest first."""
        is_known = or_(
            cast(User.id, Text) == name.lower(), User.subject == name, func.lower(User.email) == name.lower()
        )
        return await self.get_many(is_known, order_by=[(User.created_at, False), (User.id, False)])

    async def list_with_token_counts(self) -> Sequence[tuple[User, int]]:
        """Return all users, oldest first, each with the number of their tokens."""
        tokens = select(func.count()).where(PersonalToken.user_id == User.id).scalar_subquery()
        rows = await self.session.execute(select(User, tokens).order_by(User.created_at, User.id))
        return [(user, count) for user, count in rows]

    async def lock_whole(self, user_id: UUID) -> User:
        """Return the user; nothing new can refer to them until the transaction ends. Raises NotFoundError."""
        return await self.get(user_id, with_for_update=True)

    async def add_if_absent(self, user: User) -> bool:
        """Add the user unless the subject has one; waits for a transaction that is just making the same."""
        values = {"id": user.id, "subject": user.subject, "name": user.name, "email": user.email}
        statement = insert(User).values(values).on_conflict_do_nothing(index_elements=[User.subject])
        result = await self.session.execute(statement.returning(User.id))
        return result.scalar_one_or_none() is not None

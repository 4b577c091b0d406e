"""Users, and the one query that signs a request in."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Text, and_, cast, func, or_, select
from sqlalchemy.dialects.postgresql import insert

from app.models import OrganizationMember, PersonalToken, User
from app.repositories.base import Repository

_ACTIVE = and_(OrganizationMember.user_id == User.id, OrganizationMember.organization_id == User.active_organization_id)


class UserRepository(Repository[User]):
    model_type = User

    async def find_with_membership(self, subject: str) -> tuple[User, OrganizationMember | None] | None:
        """The user and his membership of his active organization, in one statement."""
        statement = select(User, OrganizationMember).outerjoin(OrganizationMember, _ACTIVE)
        row = (await self.session.execute(statement.where(User.subject == subject))).one_or_none()
        return None if row is None else (row[0], row[1])

    async def find_by_token(self, token_hash: bytes) -> tuple[User, OrganizationMember | None, PersonalToken] | None:
        """As `find_with_membership`, with the token that is his; None where it has expired."""
        good = or_(PersonalToken.expires_at.is_(None), PersonalToken.expires_at > func.now())
        statement = (
            select(User, OrganizationMember, PersonalToken)
            .join(PersonalToken, PersonalToken.user_id == User.id)
            .outerjoin(OrganizationMember, _ACTIVE)
            .where(PersonalToken.token_hash == token_hash, good)
        )
        row = (await self.session.execute(statement)).one_or_none()
        return None if row is None else (row[0], row[1], row[2])

    async def find_known_as(self, name: str) -> Sequence[User]:
        """Those with this id, subject or e-mail address (in any case)."""
        is_it = or_(cast(User.id, Text) == name.lower(), User.subject == name, func.lower(User.email) == name.lower())
        return (await self.session.scalars(select(User).where(is_it).order_by(User.created_at, User.id))).all()

    async def every(self) -> Sequence[tuple[User, int]]:
        """The users, oldest first, each with the number of his tokens."""
        tokens = select(func.count()).where(PersonalToken.user_id == User.id).scalar_subquery()
        rows = await self.session.execute(select(User, tokens).order_by(User.created_at, User.id))
        return [(user, count) for user, count in rows]

    async def lock(self, user_id: UUID) -> None:
        """Until the transaction ends, nothing new can refer to the user."""
        await self.session.execute(select(User.id).where(User.id == user_id).with_for_update())

    async def add_if_absent(self, user: User) -> bool:
        """Stores the user unless his subject has one; waits for a transaction that is just making the same."""
        values = {"id": user.id, "subject": user.subject, "name": user.name, "email": user.email}
        statement = insert(User).values(values).on_conflict_do_nothing(index_elements=[User.subject])
        result = await self.session.execute(statement.returning(User.id))
        return result.scalar_one_or_none() is not None

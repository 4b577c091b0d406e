"""Users, and the one query that signs a request in."""

from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.dialects.postgresql import insert

from app.models import OrganizationMember, User
from app.repositories.base import Repository


class UserRepository(Repository[User]):
    model_type = User

    async def find_with_membership(self, subject: str) -> tuple[User, OrganizationMember | None] | None:
        """The user and his membership of his active organization, in one statement."""
        statement = (
            select(User, OrganizationMember)
            .outerjoin(
                OrganizationMember,
                and_(
                    OrganizationMember.user_id == User.id,
                    OrganizationMember.organization_id == User.active_organization_id,
                ),
            )
            .where(User.subject == subject)
        )
        row = (await self.session.execute(statement)).one_or_none()
        return None if row is None else (row[0], row[1])

    async def lock(self, user_id: UUID) -> None:
        """Until the transaction ends, nothing new can refer to the user."""
        await self.session.execute(select(User.id).where(User.id == user_id).with_for_update())

    async def add_if_absent(self, user: User) -> bool:
        """Stores the user unless his subject has one; waits for a transaction that is just making the same."""
        values = {"id": user.id, "subject": user.subject, "name": user.name}
        statement = insert(User).values(values).on_conflict_do_nothing(index_elements=[User.subject])
        result = await self.session.execute(statement.returning(User.id))
        return result.scalar_one_or_none() is not None

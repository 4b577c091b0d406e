"""Users as an operator sees them: all of an installation's, whatever organization they are in."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.core.errors import BadRequestError, ConflictError, NotFoundError
from app.models import PersonalToken, TokenScope, User
from app.repositories.callers import get_person_or_none
from app.repositories.organizations import OrganizationRepository
from app.repositories.tokens import TokenRepository
from app.repositories.users import UserRepository
from app.services.callers import Caller, add_user
from app.services.tokens import Issued, TokenService


class SubjectTakenError(ConflictError):
    code = "subject_taken"
    default_detail = "There is a user with this subject already."


class UserAdminService:
    """The work of an operator on users and their tokens, on the command line."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def list(self) -> Sequence[tuple[User, int]]:
        """Return all users, oldest first, each with the number of their tokens."""
        return await UserRepository(session=self._session).list_with_token_counts()

    async def get(self, known_as: str) -> User:
        """Return the user with this id, subject or e-mail address.

        Raises NotFoundError, and BadRequestError where several have it.
        """
        found = await UserRepository(session=self._session).list_known_as(known_as)
        if not found:
            raise NotFoundError(f"No user has the id, subject or e-mail address {known_as}.")
        if len(found) > 1:
            ids = ", ".join(str(user.id) for user in found)
            raise BadRequestError(f"Several users have the e-mail address {known_as}; name one by their id: {ids}.")
        return found[0]

    async def create(self, name: str, email: str | None, subject: str | None) -> User:
        """Create a user with an organization named Personal; without a subject only tokens sign them in.

        Raises SubjectTakenError.
        """
        user_id = uuid7()
        user = User(id=user_id, subject=subject or str(user_id), name=name, email=email)
        if not await add_user(self._session, user):
            raise SubjectTakenError
        return user

    async def activate_organization(self, user_id: UUID, organization_id: UUID) -> None:
        """Make an organization the user's active one."""
        await OrganizationRepository(session=self._session).activate(user_id, organization_id)

    async def list_tokens(self, known_as: str) -> Sequence[PersonalToken]:
        """Return the tokens of a user, oldest first. Raises as `get`."""
        user = await self.get(known_as)
        return await TokenRepository(session=self._session).list_of_user(user.id)

    async def issue_token(self, known_as: str, name: str, scope: TokenScope, expires_at: datetime | None) -> Issued:
        """Issue a token to a user. Raises as `get`, and BadRequestError where `expires_at` is not in the future."""
        tokens = TokenService(self._session, await self._caller(await self.get(known_as)))
        return await tokens.create({"name": name, "scope": scope, "expires_at": expires_at})

    async def revoke_token(self, token_id: UUID) -> PersonalToken:
        """Revoke a token of any user. Raises NotFoundError."""
        token = await TokenRepository(session=self._session).get_one_or_none(id=token_id)
        if token is None:
            raise NotFoundError(f"There is no token {token_id}: `litestar users tokens` lists them.")
        owner = await UserRepository(session=self._session).get(token.user_id)
        await TokenService(self._session, await self._caller(owner)).revoke(token.id)
        return token

    async def _caller(self, user: User) -> Caller:
        found = await get_person_or_none(self._session, user.subject)
        assert found is not None, "read in this transaction"
        return Caller(*found[:2])

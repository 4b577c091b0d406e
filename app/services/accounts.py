"""Users as an operator sees them: all of an installation's, whatever organization they are in."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from app.core.errors import BadRequestError, ConflictError, NotFoundError
from app.models import PersonalToken, TokenScope, User
from app.repositories.callers import find_person
from app.repositories.tokens import TokenRepository
from app.repositories.users import UserRepository
from app.services.identity import Caller, make_user
from app.services.tokens import Issued, Tokens


class SubjectTakenError(ConflictError):
    code = "subject_taken"
    default_detail = "There is a user with this subject already."


async def create_account(session: AsyncSession, name: str, email: str | None, subject: str | None) -> User:
    """A user with an organization named Personal; without `subject` only tokens sign him in.

    Raises SubjectTakenError.
    """
    user = User(id=uuid7(), subject=subject or "", name=name, email=email)
    user.subject = subject or str(user.id)
    if not await make_user(session, user):
        raise SubjectTakenError
    return user


async def find_account(session: AsyncSession, known_as: str) -> User:
    """By id, subject or e-mail address. Raises NotFoundError, and BadRequestError where several have it."""
    found = await UserRepository(session=session).find_known_as(known_as)
    if not found:
        raise NotFoundError(f"No user has the id, subject or e-mail address {known_as}.")
    if len(found) > 1:
        ids = ", ".join(str(user.id) for user in found)
        raise BadRequestError(f"Several users have the e-mail address {known_as}; name one by his id: {ids}.")
    return found[0]


async def issue_token(
    session: AsyncSession, user: User, name: str, scope: TokenScope, expires_at: datetime | None
) -> Issued:
    """Raises BadRequestError where `expires_at` is not in the future."""
    tokens = Tokens(session, await _acting_for(session, user))
    return await tokens.create({"name": name, "scope": scope, "expires_at": expires_at})


async def revoke_token(session: AsyncSession, token_id: UUID) -> PersonalToken:
    """Whoever has it. Raises NotFoundError."""
    token = await TokenRepository(session=session).get_one_or_none(id=token_id)
    owner = await UserRepository(session=session).get_one_or_none(id=token.user_id) if token else None
    if token is None or owner is None:
        raise NotFoundError(f"There is no token {token_id}: `litestar users tokens` lists them.")
    await Tokens(session, await _acting_for(session, owner)).revoke(token.id)
    return token


async def _acting_for(session: AsyncSession, user: User) -> Caller:
    found = await find_person(session, user.subject)
    assert found is not None, "read in this transaction"
    return Caller(*found[:2])

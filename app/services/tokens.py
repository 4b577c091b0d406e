"""Personal access tokens: made once shown, used until they expire or are revoked."""

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.errors import BadRequestError, FieldProblem, ForbiddenError, NotFoundError
from app.core.paging import Slice, Window
from app.core.security import new_personal_token, token_hash
from app.models import PersonalToken
from app.repositories.members import MemberRepository
from app.repositories.tokens import TokenRepository
from app.services.activity import ActivityLog
from app.services.identity import Caller


class SignInNeededError(ForbiddenError):
    code = "sign_in_needed"
    default_detail = "A personal access token makes no others: sign in yourself."


class Issued(NamedTuple):
    """`secret` is what its bearer sends; it is nowhere else."""

    token: PersonalToken
    secret: str


class Tokens:
    """Those of the caller, who is a person."""

    def __init__(self, session: AsyncSession, caller: Caller) -> None:
        self._session = session
        self._caller = caller
        self._user = caller.person
        self._tokens = TokenRepository(session=session)

    async def page(self, window: Window) -> Slice:
        return await self._tokens.page(self._user.id, window)

    async def find(self, token_id: UUID) -> PersonalToken:
        """Raises NotFoundError."""
        token = await self._tokens.find(self._user.id, token_id)
        if token is None:
            raise NotFoundError
        return token

    async def create(self, fields: dict[str, Any]) -> Issued:
        """Raises SignInNeededError, and BadRequestError where `expires_at` is not in the future."""
        if self._caller.token is not None:
            # One that leaked would otherwise outlive its own expiry, and its being revoked.
            raise SignInNeededError
        expires_at = fields["expires_at"]
        if expires_at is not None and expires_at <= datetime.now(UTC):
            raise BadRequestError(errors=(FieldProblem("/expires_at", "Give a time that is still to come."),))
        secret = new_personal_token()
        token = PersonalToken(**fields, user_id=self._user.id, token_hash=token_hash(secret))
        await self._tokens.store(token)
        if self._caller.membership is not None:
            await self._note("created", token, self._caller.membership.organization_id)
        return Issued(token, secret)

    async def revoke(self, token_id: UUID) -> None:
        """It is worth nothing from then on. Raises NotFoundError."""
        token = await self.find(token_id)
        await self._tokens.remove(token.id)
        # It may have streams open in any of his organizations, which end where this is read.
        for membership in await MemberRepository(session=self._session).of_user(self._user.id):
            await self._note("revoked", token, membership.organization_id)

    async def _note(self, verb: str, token: PersonalToken, organization_id: UUID) -> None:
        """In an organization in which it acts; without its name, since every member reads the trail."""
        log = ActivityLog(self._session, self._caller, organization_id)
        await log.record(f"token.{verb}", token.scope, subject_id=token.id)
